"""The networks of the golden files as they are built here, and the names of their files."""

from resnet_jax.models.published import byobnet, convnext, normaliser_free, regnet

SMALL = {"family": "cifar", "stage_depths": (1, 1, 1), "widths": (4, 8, 16), "stem_width": 4}
DEEPER = {**SMALL, "stage_depths": (2, 1, 1)}
NARROW = {**SMALL, "widths": (2, 4, 6), "stem_width": 2}
NETS = {
    "option_a_after": {**SMALL, "shortcut": {"name": "A", "layout": "after"}},
    "option_a_both_sides": {**SMALL, "shortcut": {"name": "A", "layout": "both_sides"}},
    "option_b": {**DEEPER, "shortcut": "B"},
    "full_preactivation": {**DEEPER, "shortcut": "B", "arrangement": "full_preactivation"},
    "bottleneck": {**NARROW, "shortcut": "B", "branch": "bottleneck"},
    "bottleneck_v1": {**NARROW, "shortcut": "B", "branch": "bottleneck_v1"},
    "pyramid": {
        "family": "cifar",
        "stage_depths": (1, 2, 1),
        "stem_width": 4,
        "widening": 6,
        "arrangement": "pyramid",
        "shortcut": {"name": "A", "pooled": True},
    },
    "imagenet": {
        "family": "imagenet",
        "stage_depths": (1, 2, 1, 1),
        "widths": (2, 3, 4, 5),
        "stem_width": 2,
        "branch": "bottleneck",
        "shortcut": "B",
    },
}

BOTTLENECK = {"name": "bottleneck"}
V1 = {"family": "imagenet", "stage_depths": (1, 1, 1, 1), "widths": (4, 4, 6, 8)}
GROUPED = {"widths": (8, 8, 8, 8), "branch": "bottleneck"}
C = {"stem": "deep", "stem_width": 8}
D = {**C, "shortcut": "D"}
SE = {"name": "squeeze_excitation"}
V2 = {
    "family": "imagenet",
    "stage_depths": (1, 1, 1),
    "widths": (8, 8, 16),
    "stem_width": 8,
    "branch": "bottleneck",
    "arrangement": "full_preactivation",
    "activate_identity": False,
}
# Widths 8, 16, 32, 64 and depths 1, 1, 2, 2.
LINE, NARROW_STEM = regnet.Line(6, 8, 12.0, 2.0, 8), {"stem_width": 8}
CSP = {"family": "imagenet", "stage_depths": (1, 2, 1), "stem_width": 8,
       "activation": "leaky_relu", "shortcut": "A"}  # fmt: skip
NETS |= {
    "timm_resnet_d": {**V1, **D, "branch": "bottleneck", "stage_depths": (1, 2, 1, 1)},
    "timm_resnet_t": {**V1, **D, "stem": "tiered", "stem_width": 16},
    "timm_resnext": {**V1, **D, **GROUPED, "branch": {**BOTTLENECK, "groups": 4, "base_width": 16}},
    "timm_wide": {**V1, "branch": {**BOTTLENECK, "base_width": 128}},
    "timm_seresnet": {**V1, **C, "attention": SE},
    "timm_senet": {
        **V1, **C, "attention": SE, **GROUPED,
        "branch": {**BOTTLENECK, "groups": 4, "base_width": 16, "first_reduction": 2},
        "shortcut": {"name": "B", "projection_kernel": 3},
    },
    "timm_ecaresnet": {**V1, **D, "branch": "bottleneck", "attention": "efficient"},
    "timm_resnetblur": {
        **V1, **D, "branch": "bottleneck", "antialias": "blur", "stem_pool": "max_blur",
    },
    "timm_resnetaa": {**V1, **D, "antialias": "average", "stem_pool": "average"},
    "timm_resnetrs": {
        **V1, **D, "branch": "bottleneck", "attention": {**SE, "reduction": 1 / 4},
        "stem_pool": "convolution",
    },
    "timm_resnet_gn": {
        **V1, **D, "norm": {"name": "group", "channel_groups": 2, "epsilon": 1e-5},
    },
    "timm_mixed": {**V1, **D, "stage_branches": ("basic", "basic", "bottleneck", "basic")},
    "timm_resnetv2": {**V2, "stage_depths": (1, 2, 1)},
    "timm_resnetv2_basic": {
        **V2, "branch": "basic", "widths": (8, 16, 16), "stem": "deep", "shortcut": "D",
    },
    "timm_resnetv2_bit": {
        **V2, "stem_pool": "max_with_zeros", "weight_epsilon": 1e-8,
        "norm": {"name": "group", "channel_groups": 4, "epsilon": 1e-5},
    },
    "timm_resnetv2_evos": {
        **V2, "stem": "tiered", "stem_width": 16, "shortcut": "D",
        "norm": {"name": "evo", "channel_groups": 2},
    },
    "timm_resnetv2_frn": {**V2, "stem": "deep", "shortcut": "D", "norm": "filter_response"},
    "timm_legacy_senet": {
        "family": "imagenet", "stage_depths": (1, 1, 1, 1), "attention": {**SE, "multiple": 1},
        "stem_pool": "max_from_corner", "arrangement": "relu_around_addition",
    },
    "timm_res2net": {
        **V1, "widths": (8, 8, 8, 8), "stage_depths": (1, 2, 1, 1),
        "branch": {"name": "res2net", "scales": 3, "groups": 2, "base_width": 32},
    },
    "timm_resnest": {**V1, **D, "widths": (8, 8, 8, 8), "branch": {"name": "resnest", "groups": 2}},
    "timm_nf_seresnet": {
        **V1, "stage_depths": (1, 2, 1, 1), "widths": (8, 8, 12, 16), "stem_width": 8,
        "branch": "bottleneck", "branch_gain": 0.0, **normaliser_free.FREE, **normaliser_free.SE,
    },
    "timm_nfnet": {
        **V1, "stage_depths": (1, 2, 1, 1), "widths": (8, 16, 24, 32), "stem_width": 16,
        "stem": "quadruple", "stem_pool": "none", "head_width": 48,
        "branch": {"name": "normaliser_free", "group_width": 4}, **normaliser_free.free("silu"),
        "attention": {**SE, "gain": 2.0, "reduction": 1 / 2},
    },
    "timm_cspresnet": {**CSP, "widths": (8, 12, 16), "branch": "partial_bottleneck",
                       "transition": "cross_stage"},
    "timm_cspresnext": {
        **CSP, "widths": (4, 6, 8), "stem": "deep",
        "branch": {"name": "partial_bottleneck", "ratio": 1.0, "groups": 2},
        "transition": {"name": "cross_stage", "growth": 2, "groups": 2},
    },
    "timm_convnext": {
        **convnext.convnext((1, 2, 1, 1), 8, convnext.V1), "widths": (8, 16, 24, 32),
        "shortcut": {"name": "layer_scale", "ends": "A"},
    },
    "timm_convnextv2": {
        **convnext.convnext((1, 2, 1, 1), 8, convnext.V2), "widths": (8, 16, 24, 32),
    },
    "timm_sknet": {
        **V1, "widths": (8, 8, 8, 8),
        "branch": {"name": "selective_kernel", "groups": 2, "base_width": 32, "reduction": 1 / 2,
                   "multiple": 4, "split": False},
    },
    "timm_byob_gc": {
        **byobnet.row((1, 2, 1), (16, 32, 48), byobnet.SILU, byobnet.GC),
        "branch": byobnet.bottleneck(ratio=0.5, group_width=8), "stem_width": 16,
    },
    "timm_byob_quad": {
        **byobnet.row((1, 2, 1), (16, 32, 32), byobnet.SILU, byobnet.SE),
        "stage_branches": (*(byobnet.bottleneck(ratio=0.5),) * 2,
                           byobnet.bottleneck(ratio=1.0, group_width=1)),
        "stem": "quadruple_linear", "stem_pool": "none", "stem_width": 16, "head_width": 24,
    },
    "timm_byob_regnetz": byobnet.regnetz(
        (2, 1), (16, 24), 8, 2.0, head_width=24, stem_width=16, **byobnet.NO_POOL
    ),
    "timm_byob_eca": {
        **byobnet.row((1, 1), (16, 32), byobnet.NO_POOL, byobnet.ECA),
        "branch": byobnet.bottleneck(ratio=0.5), "stem_width": 16,
    },
    "timm_regnety": regnet.row(LINE, regnet.SE, NARROW_STEM),
    "timm_regnetv": regnet.row(LINE, regnet.V, NARROW_STEM),
    "timm_regnetv_pooled": regnet.row(LINE, regnet.V, NARROW_STEM, {"shortcut": "D"}),
    "timm_regnetz": regnet.row(
        LINE._replace(group_width=4), regnet.Z, NARROW_STEM, ratio=4.0, head_width=24
    ),
    "timm_regnet_sgn": regnet.row(LINE, regnet.SILU_SE, NARROW_STEM, {
        "norm": {"name": "group", "group_width": 4, "epsilon": 1e-5},
    }),
}  # fmt: skip
NAMING = {
    "timm_resnetv2": "resnetv2",
    "timm_legacy": "senet",
    "timm_sknet": "sknet",
    "timm_nf": "nfnet",
    "timm_convnext": "convnext",
    "timm_csp": "cspnet",
    "timm_byob": "byobnet",
    "timm_regnet": "regnet",
}

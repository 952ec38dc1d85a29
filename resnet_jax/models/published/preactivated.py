"""Pre-activated networks for ImageNet: 'Identity Mappings', Big Transfer, timm's resnetv2.py."""

from resnet_jax.models.published.imagenet import Arguments, basic, bottleneck

# timm's basic blocks open the first stage with an identity shortcut, which takes x itself.
V2: Arguments = {"arrangement": "full_preactivation", "activate_identity": False}
V2_D: Arguments = {**V2, "stem": "deep", "shortcut": "D"}
V2_T: Arguments = {**V2, "stem": "tiered", "shortcut": "D"}

# 'Identity Mappings', arXiv 1603.05027, section 5: models/preresnet.lua of fb.resnet.torch.
PRERESNET: Arguments = {"arrangement": "full_preactivation", "activate_stem": True}


def big_transfer(depth: int, factor: int) -> Arguments:
    """Kolesnikov et al., arXiv 1912.11370: group norm and weight standardisation, k times wider."""
    wider: Arguments = {
        "stem_pool": "max_with_zeros",
        "stem_width": 64 * factor,
        "width_factor": factor,
        "norm": {"name": "group", "epsilon": 1e-5},
        "weight_epsilon": 1e-8,  # timm's; 1e-10 in Big Transfer's own code
    }
    return bottleneck(depth, V2, wider)


PREACTIVATED: dict[str, Arguments] = {
    "preresnet200": bottleneck(200, PRERESNET),
    "resnetv2_18": basic(18, V2),
    "resnetv2_18d": basic(18, V2_D),
    "resnetv2_34": basic(34, V2),
    "resnetv2_34d": basic(34, V2_D),
    "resnetv2_50": bottleneck(50, V2),
    "resnetv2_50d": bottleneck(50, V2_D),
    "resnetv2_50t": bottleneck(50, V2_T),
    "resnetv2_101": bottleneck(101, V2),
    "resnetv2_101d": bottleneck(101, V2_D),
    "resnetv2_152": bottleneck(152, V2),
    "resnetv2_152d": bottleneck(152, V2_D),
    "resnetv2_50d_gn": bottleneck(50, V2_D, {"norm": {"name": "group", "epsilon": 1e-5}}),
    "resnetv2_50d_evos": bottleneck(50, V2_D, {"norm": "evo"}),
    "resnetv2_50d_frn": bottleneck(50, V2_D, {"norm": "filter_response"}),
    "resnetv2_50x1_bit": big_transfer(50, 1),
    "resnetv2_50x3_bit": big_transfer(50, 3),
    "resnetv2_101x1_bit": big_transfer(101, 1),
    "resnetv2_101x3_bit": big_transfer(101, 3),
    "resnetv2_152x2_bit": big_transfer(152, 2),
    "resnetv2_152x4_bit": big_transfer(152, 4),
}

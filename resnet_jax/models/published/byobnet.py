"""ResNets and RegNets Z of timm's byobnet.py, whose bottlenecks have attention behind the 3x3.

The letters behind a depth: t is a tiered stem, s SiLU in place of ReLU, q a stem of four.
"""

from typing import Any

from resnet_jax.models.published.imagenet import ECA, IMAGENET_NETWORK, SE, Arguments

GC: Arguments = {"attention": "global_context"}
SILU: Arguments = {"activation": "silu"}
# Without a pool, the stem's last convolution has its stride.
NO_POOL: Arguments = {"stem": "tiered_strided", "stem_pool": "none"}
HEAD: Arguments = {"head_width": 1280}
SMALL: Arguments = {
    "stem": "strided",
    "stem_pool": "none",
    "stem_width": 32,
    "first_stride": 2,
    "head_width": 1536,
}
WIDE, NARROW = (256, 512, 1024, 2048), (256, 512, 1536, 1536)


def bottleneck(**options: float) -> Arguments:
    """The choice of a branch."""
    return {"name": "attended_bottleneck", **options}


def row(depths: tuple[int, ...], widths: tuple[int, ...], *additions: Arguments) -> Arguments:
    """A network of such bottlenecks in one group; later additions prevail."""
    added = {key: value for addition in additions for key, value in addition.items()}
    return {
        **IMAGENET_NETWORK,
        "stage_depths": depths,
        "widths": widths,
        "branch": bottleneck(),
        "stem": "tiered",
        **added,
    }


def regnetz(
    depths: tuple[int, ...],
    widths: tuple[int, ...],
    group_width: int,
    ratio: float = 4.0,
    **changes: Any,
) -> Arguments:
    """A RegNet Z (after Dollar et al., arXiv 2103.06877)."""
    return {
        **row(depths, widths, SILU, {"arrangement": "linear", "shortcut": "identity_or_none"}),
        "branch": bottleneck(ratio=ratio, group_width=group_width, of_input=True),
        "attention": {"name": "squeeze_excitation", "reduction": 1 / 4},
        **changes,
    }


X: Arguments = {"branch": bottleneck(group_width=32)}
BYOBNET: dict[str, Arguments] = {
    **{
        f"{prefix}resnext26ts": row((2, 2, 2, 2), WIDE, X, SILU, attention)
        for prefix, attention in {"": {}, "gc": GC, "se": SE, "eca_": ECA}.items()
    },
    "resnet32ts": row((2, 3, 3, 2), NARROW, NO_POOL, SILU),
    **{
        f"{prefix}resnet33ts": row((2, 3, 3, 2), NARROW, NO_POOL, SILU, HEAD, attention)
        for prefix, attention in {"": {}, "gc": GC, "se": SE, "eca_": ECA}.items()
    },
    "gcresnet50t": row((3, 4, 6, 3), WIDE, NO_POOL, GC),
    "gcresnext50ts": row((3, 4, 6, 3), WIDE, X, SILU, GC),
    "resnet51q": row(
        (2, 4, 6, 4),
        NARROW,
        SILU,
        {
            "stage_branches": (
                *(bottleneck(group_width=32),) * 3,
                bottleneck(ratio=1.0, group_width=1),
            ),
            "stem": "quadruple_linear",
            "stem_pool": "none",
            "stem_width": 128,
            "head_width": 2048,
        },
    ),
    "regnetz_b16": regnetz((2, 6, 12, 2), (48, 96, 192, 288), 16, 3.0, **SMALL),
    "regnetz_c16": regnetz((2, 6, 12, 2), (48, 96, 192, 288), 16, **SMALL),
    "regnetz_d32": regnetz((3, 6, 12, 3), (64, 128, 256, 384), 32, head_width=1792, **NO_POOL),
    "regnetz_d8": regnetz((3, 6, 12, 3), (64, 128, 256, 384), 8, head_width=1792, **NO_POOL),
    "regnetz_e8": regnetz((3, 8, 16, 3), (96, 192, 384, 512), 8, head_width=2048, **NO_POOL),
}

"""Networks whose 3x3 is a compound convolution: Res2Net, ResNeSt and selective kernels.

Names are timm's (res2net.py, resnest.py, sknet.py): `26w_4s` is 4 scales of width 26, `4s2x40d` a
radix of 4 and 2 groups of width 40.
"""

from resnet_jax.models.published.imagenet import (
    STEM_D,
    Arguments,
    basic,
    bottleneck,
)

# ResNeSt's e: a deep stem of twice the width, and option D.
STEM_E: Arguments = {**STEM_D, "stem_width": 128}


def res2net(scales: int, base_width: int, groups: int = 1) -> Arguments:
    """Pieces of this width in a stage of width 64 (Gao et al., arXiv 1904.01169)."""
    choice = {"name": "res2net", "scales": scales, "groups": groups, "base_width": base_width}
    return {"branch": choice}


def resnest(radix: int = 2, groups: int = 1, base_width: int = 64) -> Arguments:
    """The ablations pool before the 3x3, and the published networks behind it (ablation.md)."""
    choice = {"name": "resnest", "radix": radix, "groups": groups, "base_width": base_width}
    return {"branch": {**choice, "pool_first": (radix, groups) != (2, 1)}}


SK: Arguments = {"branch": "selective_kernel"}
SK_BASIC: Arguments = {"branch": "selective_kernel_basic"}
# SKNet-50 of the paper (Li et al., arXiv 1903.06586, Table 1).
SK_GROUPED: Arguments = {
    "branch": {
        "name": "selective_kernel",
        "groups": 32,
        "base_width": 4,
        "multiple": 32,
        "split": False,
    }
}

COMPOUND: dict[str, Arguments] = {
    "res2net50_48w_2s": bottleneck(50, res2net(2, 48)),
    "res2net50_26w_4s": bottleneck(50, res2net(4, 26)),
    "res2net50_14w_8s": bottleneck(50, res2net(8, 14)),
    "res2net50_26w_6s": bottleneck(50, res2net(6, 26)),
    "res2net50_26w_8s": bottleneck(50, res2net(8, 26)),
    "res2net101_26w_4s": bottleneck(101, res2net(4, 26)),
    "res2net50d": bottleneck(50, STEM_D, res2net(4, 26)),
    "res2net101d": bottleneck(101, STEM_D, res2net(4, 26)),
    "res2next50": bottleneck(50, res2net(4, 4, groups=8)),
    # ResNeSt, Zhang et al., arXiv 2004.08955.
    "resnest14d": bottleneck(14, STEM_D, resnest()),
    "resnest26d": bottleneck(26, STEM_D, resnest()),
    "resnest50d": bottleneck(50, STEM_D, resnest()),
    "resnest50d_1s4x24d": bottleneck(50, STEM_D, resnest(1, 4, 24)),
    "resnest50d_4s2x40d": bottleneck(50, STEM_D, resnest(4, 2, 40)),
    "resnest101e": bottleneck(101, STEM_E, resnest()),
    "resnest200e": bottleneck(200, STEM_E, resnest()),
    "resnest269e": bottleneck(269, STEM_E, resnest()),
    # Selective kernels, each of which sees a half of the channels in timm's own networks.
    "skresnet18": basic(18, SK_BASIC),
    "skresnet34": basic(34, SK_BASIC),
    "skresnet50": bottleneck(50, SK),
    "skresnet50d": bottleneck(50, STEM_D, SK),
    "skresnext50_32x4d": bottleneck(50, SK_GROUPED),
}

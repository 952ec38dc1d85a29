"""The papers' networks for CIFAR. A trailing letter is the option of the shortcut."""

from resnet_jax.models.published.imagenet import Arguments, grouped
from resnet_jax.tables import Choice

PREACTIVATED: Arguments = {"arrangement": "full_preactivation"}
BOTTLENECK: Arguments = {"branch": "bottleneck"}
# The stride in the first 1x1: KaimingHe/resnet-1k-layers.
BOTTLENECK_V1: Arguments = {"branch": "bottleneck_v1"}
DROPPED: Arguments = {"survival": 0.5, "drop_whole_batch": True}
SE: Arguments = {"attention": "squeeze_excitation"}


def row(depth: int, shortcut: Choice, *additions: Arguments) -> Arguments:
    """A network of this depth; later additions prevail."""
    added = {key: value for addition in additions for key, value in addition.items()}
    return {"family": "cifar", "classes": 10, "depth": depth, "shortcut": shortcut, **added}


def wide(depth: int, factor: int, *additions: Arguments) -> Arguments:
    """WRN-depth-factor with B(3,3) (Zagoruyko & Komodakis, arXiv 1605.07146, Table 5).

    Its code draws kernels by fan-in (models/utils.lua), which is the training's choice here.
    """
    return row(depth, "B", {"branch": "wide", "width_factor": factor}, PREACTIVATED, *additions)


def resnext29(groups: int, base_width: int) -> Arguments:
    """ResNeXt-29 (Xie et al., arXiv 1611.05431, section 5.3): a 64-wide stem and 64-128-256."""
    widths = {"widths": (64, 128, 256), "stem_width": 64}
    return row(29, "B", grouped(groups, base_width), widths)


def pyramid(depth: int, widening: int, *additions: Arguments) -> Arguments:
    """PyramidNet-depth with this alpha (Han et al., arXiv 1610.02915)."""
    shortcut = {"name": "A", "pooled": True}
    return row(depth, shortcut, {"arrangement": "pyramid", "widening": widening}, *additions)


CIFAR: dict[str, Arguments] = {
    # 'Deep Residual Learning', arXiv 1512.03385, section 4.2; option A pads behind the channels.
    **{
        f"cifar_resnet{depth}_{option.lower()}": row(depth, option)
        for depth in (20, 32, 44, 56, 110, 1202)
        for option in "ABC"
    },
    **{f"cifar_plain{depth}": row(depth, "none") for depth in (20, 32, 44, 56, 110, 1202)},
    # github.com/akamaster/pytorch_resnet_cifar10: option A pads on both sides.
    **{
        f"cifar_resnet{depth}_akamaster": row(depth, {"name": "A", "layout": "both_sides"})
        for depth in (20, 32, 44, 56, 110, 1202)
    },
    # 'Identity Mappings', arXiv 1603.05027, Table 4.
    "cifar_preresnet110": row(110, "A", PREACTIVATED),
    "cifar_preresnet164": row(164, "B", BOTTLENECK_V1, PREACTIVATED),
    "cifar_preresnet1001": row(1001, "B", BOTTLENECK_V1, PREACTIVATED),
    "cifar_wrn_40_4": wide(40, 4),
    "cifar_wrn_16_8": wide(16, 8),
    "cifar_wrn_28_10": wide(28, 10),
    # With dropout between the two convolutions (Table 6).
    "cifar_wrn_28_10_dropout": wide(28, 10, {"dropout": 0.3}),
    "cifar_resnext29_8x64d": resnext29(8, 64),
    "cifar_resnext29_16x64d": resnext29(16, 64),
    # 'Deep Networks with Stochastic Depth', arXiv 1603.09382, section 4; the code of -110 pools in
    # its shortcuts, that of -1202 is fb.resnet.torch's.
    "cifar_resnet110_stochastic_depth": row(110, {"name": "A", "pooled": True}, DROPPED),
    "cifar_resnet1202_stochastic_depth": row(1202, "A", DROPPED),
    "cifar_pyramidnet110_a48": pyramid(110, 48),
    "cifar_pyramidnet110_a84": pyramid(110, 84),
    "cifar_pyramidnet110_a270": pyramid(110, 270),
    "cifar_pyramidnet164_a270": pyramid(164, 270, BOTTLENECK),
    "cifar_pyramidnet200_a240": pyramid(200, 240, BOTTLENECK),
    "cifar_pyramidnet236_a220": pyramid(236, 220, BOTTLENECK),
    "cifar_pyramidnet272_a200": pyramid(272, 200, BOTTLENECK),
    # Squeeze-and-Excitation, arXiv 1709.01507, Table 4.
    "cifar_seresnet110": row(110, "B", SE),
    "cifar_seresnet164": row(164, "B", BOTTLENECK, PREACTIVATED, SE),
    "cifar_sewrn_16_8": wide(16, 8, SE),
}

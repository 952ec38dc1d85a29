"""The branch F of y = shortcut(x) + F(x), as rows of data."""

from collections.abc import Sequence
from typing import Annotated

from resnet_jax.models.branch import Branch, Convolution
from resnet_jax.models.compound_branches import (
    res2net,
    resnest,
    selective_kernel,
    selective_kernel_basic,
)
from resnet_jax.tables import Table, UserError
from resnet_jax.tables.constraints import Interval
from resnet_jax.tables.domains import Kernel, Positive, PositiveInt

Pairs = Annotated[int, Interval(1, 1_000)]


def basic() -> Branch:
    """Two 3x3 convolutions (He et al., arXiv 1512.03385, Figure 5 left)."""
    return Branch((Convolution(3, strided=True), Convolution(3)))


def bottleneck(
    groups: PositiveInt = 1, base_width: PositiveInt = 64, first_reduction: PositiveInt = 1
) -> Branch:
    """1x1, 3x3, 1x1 with four-fold output, the stride in the 3x3 ('v1.5': fb.resnet.torch).

    Args:
      groups: of the 3x3: its cardinality (ResNeXt, Xie et al., arXiv 1611.05431, section 3).
      base_width: channels of each group where the stage's width is 64. One group of 128 is the
        bottleneck of torchvision's wide_resnet50_2.
      first_reduction: divides the width of the first 1x1; 2 in SENet-154 (Hu et al., arXiv
        1709.01507, appendix).
    """
    inner = base_width * groups / 64
    return Branch(
        (
            Convolution(1, multiplier=inner / first_reduction),
            Convolution(3, multiplier=inner, strided=True, groups=groups),
            Convolution(1, multiplier=4),
        )
    )


def bottleneck_v1() -> Branch:
    """The bottleneck as published, the stride in its first 1x1 (arXiv 1512.03385, Figure 5)."""
    return Branch((Convolution(1, strided=True), Convolution(3), Convolution(1, multiplier=4)))


def wide(kernels: Sequence[Kernel] = (3, 3)) -> Branch:
    """B(M): one convolution of full width for each kernel size of M, the stride in the first.

    Zagoruyko & Komodakis, arXiv 1605.07146, section 2.1.
    """
    if not kernels:
        raise UserError("model.branch.kernels is empty: give for example (3, 1, 3)")
    convolutions = tuple(Convolution(k, strided=i == 0) for i, k in enumerate(kernels))
    # Wide ResNet's depth counts two of the projections as well.
    return Branch(convolutions, layers_outside=4)


def deep(pairs: Pairs = 2) -> Branch:
    """`pairs` basic residual blocks, with a shortcut around each and one around all of them.

    Zhang et al., 'Residual Networks of Residual Networks', arXiv 1608.02908, section 3.
    """
    return Branch(basic().convolutions, repeats=pairs)


def regnet(group_width: PositiveInt = 8, ratio: Positive = 1.0) -> Branch:
    """1x1, 3x3, 1x1 without four-fold output, attention behind the 3x3.

    The X block of RegNets (Radosavovic et al., arXiv 2003.13678); Y blocks have squeeze and
    excitation.

    Args:
      group_width: channels of each group of the 3x3.
      ratio: of the 3x3's width to the stage's: 1/b for the paper's bottleneck ratio b.
    """
    return Branch(
        (
            Convolution(1, multiplier=ratio),
            Convolution(3, multiplier=ratio, strided=True, group_width=group_width),
            Convolution(1),
        ),
        attention_after=2,
        naming="regnet",
    )


def attended_bottleneck(
    ratio: Positive = 0.25, group_width: PositiveInt | None = None, of_input: bool = False
) -> Branch:
    """1x1, 3x3, 1x1, attention behind the 3x3: the bottleneck of timm's byobnet.py.

    Args:
      ratio: of the 3x3's width to the stage's, which is that of the output.
      group_width: channels of each group of the 3x3; None: there is one group.
      of_input: whether the ratio is to the width of the block's input, as in timm's RegNets Z.
    """
    first = Convolution(1, multiplier=ratio, of_input=of_input)
    middle = first._replace(kernel=3, strided=True, group_width=group_width)
    return Branch((first, middle, Convolution(1)), attention_after=2, naming="byobnet")


def normaliser_free(group_width: PositiveInt = 128, ratio: Positive = 0.5) -> Branch:
    """1x1, 3x3, 3x3, 1x1: NFNet's block (Brock et al., arXiv 2102.06171; timm's nfnet.py).

    Args:
      group_width: channels of each group of the two 3x3.
      ratio: of their width to the stage's.
    """
    middle = Convolution(3, multiplier=ratio, group_width=group_width)
    first = Convolution(1, multiplier=ratio)
    return Branch((first, middle._replace(strided=True), middle, Convolution(1)), naming="nfnet")


def convnext(kernel: Kernel = 7, ratio: Positive = 4.0) -> Branch:
    """A convolution of each channel by itself, then 1x1 and 1x1: ConvNeXt's block.

    Liu et al., arXiv 2201.03545 (timm's convnext.py); with the arrangement 'convnext'.

    Args:
      kernel: of the first convolution.
      ratio: of the width between the two 1x1 to the stage's.
    """
    first = Convolution(kernel, strided=True, group_width=1)
    return Branch(
        (first, Convolution(1, multiplier=ratio), Convolution(1)),
        attention_after=2,
        naming="convnext",
    )


def partial_bottleneck(ratio: Positive = 0.5, groups: PositiveInt = 1) -> Branch:
    """1x1, 3x3, 1x1 without four-fold output, of cross-stage partial networks (timm's cspnet.py).

    With model.transition=cross_stage it sees a half of the channels (Wang et al., arXiv
    1911.11929).

    Args:
      ratio: of the 3x3's width to that of the block.
      groups: of the 3x3.
    """
    first = Convolution(1, multiplier=ratio)
    middle = Convolution(3, multiplier=ratio, strided=True, groups=groups)
    return Branch((first, middle, Convolution(1)), naming="cspnet")


BRANCHES = Table(
    "branch",
    {
        "basic": basic,
        "bottleneck": bottleneck,
        "bottleneck_v1": bottleneck_v1,
        "wide": wide,
        "deep": deep,
        "regnet": regnet,
        "attended_bottleneck": attended_bottleneck,
        "normaliser_free": normaliser_free,
        "convnext": convnext,
        "partial_bottleneck": partial_bottleneck,
        "res2net": res2net,
        "resnest": resnest,
        "selective_kernel": selective_kernel,
        "selective_kernel_basic": selective_kernel_basic,
    },
)

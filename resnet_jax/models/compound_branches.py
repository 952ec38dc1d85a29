"""Branches with several convolutions in the place of one, as rows of data."""

from typing import Annotated

from resnet_jax.models.branch import Branch, Convolution
from resnet_jax.models.compounds import hierarchy, kernel_selection, split_attention
from resnet_jax.tables.constraints import Interval
from resnet_jax.tables.domains import PositiveInt, Share

Scales = Annotated[int, Interval(1, 64)]
Radix = Annotated[int, Interval(1, 64)]


def _around(inner: float, middle: Convolution, pieces: int = 1) -> Branch:
    """A bottleneck of this inner width with another convolution in its middle."""
    middle = middle._replace(multiplier=inner, pieces=pieces, strided=True)
    first = Convolution(1, multiplier=inner, pieces=pieces)
    return Branch((first, middle, Convolution(1, multiplier=4)))


def res2net(scales: Scales = 4, groups: PositiveInt = 1, base_width: PositiveInt = 26) -> Branch:
    """A bottleneck whose 3x3 is a hierarchy of several (Gao et al., arXiv 1904.01169).

    Args:
      scales: pieces of the channels; see compounds.hierarchy.
      groups: of each 3x3.
      base_width: channels of a piece's group where the stage's width is 64.
    """
    middle = Convolution(3, groups=groups, compound=hierarchy(scales))
    return _around(base_width * groups / 64, middle, pieces=scales)


def resnest(
    radix: Radix = 2,
    groups: PositiveInt = 1,
    base_width: PositiveInt = 64,
    pool_first: bool = False,
) -> Branch:
    """A bottleneck whose 3x3 has split attention (Zhang et al., arXiv 2004.08955).

    Args:
      radix: splits of each group; see compounds.split_attention.
      groups: the paper's cardinality.
      base_width: channels of each group where the stage's width is 64.
      pool_first: whether the mean that carries the stride stands before the 3x3.
    """
    middle = Convolution(3, groups=groups, compound=split_attention(radix, pool_first))
    return _around(base_width * groups / 64, middle)


def selective_kernel(
    groups: PositiveInt = 1,
    base_width: PositiveInt = 64,
    reduction: Share = 1 / 16,
    multiple: PositiveInt = 8,
    split: bool = True,
) -> Branch:
    """A bottleneck whose 3x3 chooses between kernels (Li et al., arXiv 1903.06586).

    Args:
      groups: of each kernel.
      base_width: channels of each group where the stage's width is 64.
      reduction, multiple, split: see compounds.kernel_selection.
    """
    chosen = kernel_selection(reduction, multiple, split)
    middle = Convolution(3, groups=groups, compound=chosen)
    return _around(base_width * groups / 64, middle)._replace(naming="sknet")


def selective_kernel_basic(
    reduction: Share = 1 / 8, multiple: PositiveInt = 16, split: bool = True
) -> Branch:
    """A basic block whose first 3x3 chooses between kernels (timm's sknet.py).

    Args:
      reduction, multiple, split: see compounds.kernel_selection.
    """
    chosen = kernel_selection(reduction, multiple, split)
    return Branch((Convolution(3, strided=True, compound=chosen), Convolution(3)), naming="sknet")

"""The branch F of y = shortcut(x) + F(x), as rows of data."""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

from resnet_jax.models.compounds import (
    Compound,
    hierarchy,
    kernel_selection,
    split_attention,
)
from resnet_jax.tables import Table, UserError
from resnet_jax.tables.constraints import Interval
from resnet_jax.tables.domains import Kernel, Positive, PositiveInt, Share

Pairs = Annotated[int, Interval(1, 1_000)]
Scales = Annotated[int, Interval(1, 64)]
Radix = Annotated[int, Interval(1, 64)]


class Convolution(NamedTuple):
    """One convolution of a branch.

    Attributes:
      kernel: rows and columns.
      multiplier: features of its output, as a multiple of the stage's width.
      strided: whether it carries the stride of a stage-opening block.
      groups: of channels; an output sees the inputs of its own group alone.
      group_width: channels of a group, in place of `groups`; one group where there are fewer.
      pieces: of channels, each as wide as `multiplier` says.
      compound: several convolutions in its place.
    """

    kernel: int
    multiplier: float = 1
    strided: bool = False
    groups: int = 1
    group_width: int | None = None
    pieces: int = 1
    compound: Compound | None = None

    def features(self, width: int) -> int:
        """Features of its output in a stage of this width.

        Raises:
          UserError: they can't be split into the groups.
        """
        features = self.pieces * int(width * self.multiplier)
        if self.group_width and features > self.group_width and features % self.group_width:
            raise UserError(
                f"{features} features can't be split into groups of {self.group_width}: choose a"
                " group_width of model.branch and model.widths that fit"
            )
        if features < 1 or features % self.groups:
            raise UserError(
                f"{features} features can't be split into {self.groups} groups: choose a"
                " model.groups, model.base_width and model.widths that fit"
            )
        return features

    def groups_in(self, width: int, inputs: int | None = None) -> int:
        """Its groups in a stage of this width.

        Args:
          inputs: channels of its input; None: it is not yet known.

        Raises:
          UserError: the inputs can't be split into the groups.
        """
        if self.group_width is None:
            return self.groups
        groups = max(1, self.features(width) // self.group_width)
        if inputs is not None and inputs % groups:
            raise UserError(
                f"{inputs} channels can't be split into the {groups} groups of a convolution of"
                " this model.branch, which keeps their number: set"
                " model.transition=norm_and_convolution, which changes it before the blocks"
            )
        return groups

    def windows(self, stride: int, opens: bool) -> tuple[tuple[int, int], ...]:
        """Kernels and strides on the longest path through it; see compounds.Place."""
        if self.compound is None:
            return ((self.kernel, stride),)
        return self.compound.windows(self.kernel, stride, opens)


class Branch(NamedTuple):
    """A branch.

    Attributes:
      convolutions: one after another.
      repeats: how many residual blocks of these convolutions an outer shortcut spans.
      layers_outside: layers outside the blocks that a network's depth counts: stem and head.
      attention_after: number of the convolution that attention follows; None: the last.
      naming: of the parameters in timm's file of such networks; a row of weights.naming.
    """

    convolutions: tuple[Convolution, ...]
    repeats: int = 1
    layers_outside: int = 2
    attention_after: int | None = None
    naming: str = "torchvision"

    @property
    def expansion(self) -> int:
        """Features of the output, as a multiple of the stage's width."""
        return int(self.convolutions[-1].multiplier)

    @property
    def layers(self) -> int:
        """Convolutions on the longest path through one block."""
        return len(self.convolutions) * self.repeats


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


BRANCHES = Table(
    "branch",
    {
        "basic": basic,
        "bottleneck": bottleneck,
        "bottleneck_v1": bottleneck_v1,
        "wide": wide,
        "deep": deep,
        "regnet": regnet,
        "normaliser_free": normaliser_free,
        "convnext": convnext,
        "res2net": res2net,
        "resnest": resnest,
        "selective_kernel": selective_kernel,
        "selective_kernel_basic": selective_kernel_basic,
    },
)

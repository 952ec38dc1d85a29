"""What a branch F of y = shortcut(x) + F(x) is: its convolutions, one after another."""

from typing import NamedTuple

from resnet_jax.models.compounds import Compound
from resnet_jax.tables import UserError


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
      of_input: whether its features are a multiple of the channels that the block is given.
    """

    kernel: int
    multiplier: float = 1
    strided: bool = False
    groups: int = 1
    group_width: int | None = None
    pieces: int = 1
    compound: Compound | None = None
    of_input: bool = False

    def features(self, width: int, block_inputs: int | None = None) -> int:
        """Features of its output in a stage of this width.

        Args:
          block_inputs: channels that the block is given; None: as many as the stage is wide.

        Raises:
          UserError: they can't be split into the groups.
        """
        if self.of_input and block_inputs is not None:
            width = block_inputs
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

    def groups_in(self, features: int, inputs: int | None = None) -> int:
        """Its groups, where its output has so many features.

        Args:
          inputs: channels of its input; None: it is not yet known.

        Raises:
          UserError: the inputs can't be split into the groups.
        """
        if self.group_width is None:
            return self.groups
        groups = max(1, features // self.group_width)
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
      naming: of the parameters in timm's file of such networks; a row of weights.codes.
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

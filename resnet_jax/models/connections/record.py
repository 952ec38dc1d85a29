"""What a row of the table of shortcuts is, and what a block tells it of its place."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import jax
from jaxtyping import Array, Float

from resnet_jax.models.layers import Layers
from resnet_jax.models.pooling import Pool
from resnet_jax.tables import UserError, options_of

Image = Float[Array, "batch height width channels"]
State = Any  # an image, or a tree of arrays
Paths = tuple[Array, Array | float]


@dataclass(frozen=True)
class Site:
    """The place of a block in its network.

    Attributes:
      features: of the block's output.
      stride: of the block.
      number: l, counted from 1 at the stem; an array where the blocks of a stage are scanned.
      blocks: L, the number of blocks of the whole network.
      antialias: a pool that stands before convolutions that carry a stride; see pooling.Pool.
    """

    features: int
    stride: int
    number: Any = 1
    blocks: int = 1
    antialias: Pool | None = None


class Branch(Protocol):
    """The branch F of a block, a function from image to image; it may drop itself in training.

    Args of a call:
      copy: 2, 3, ... are other branches of the same kind, each with parameters of its own.
      stride: in place of the block's.
    """

    def __call__(self, x: Image, *, copy: int = 1, stride: int | None = None) -> Image: ...


@dataclass(frozen=True)
class Connection:
    """A kind of connection.

    Attributes:
      function: (state, branch, site, layers) -> the state after the block, from that before it.
        The state is an image unless `begin` makes another. It is called while its block is built,
        so the layers that it makes belong to that block.
      begin: (x, layers) -> the state before the first block, from the image behind the stem.
      end: (state, layers) -> the image before the head. Both also take those options of `function`
        that they name.
      carries: whether the state is more than one image. Blocks then hand on sums, which the next
        one normalises: no norm or activation stands between them.
      scans: whether a state has one shape within a stage, and its blocks the same parameters.
      absent: whether there is none: the block is plain, y = F(x).
    """

    function: Callable[..., Any]
    begin: Callable[..., State] | None = None
    end: Callable[..., Image] | None = None
    carries: bool = False
    scans: bool = True
    absent: bool = False

    def connect(self, state: State, branch: Branch, site: Site, layers: Layers) -> State:
        """The state after a block."""
        return self.function(state, branch, site, layers)

    def started(self, x: Image, layers: Layers) -> State:
        """The state before the first block."""
        return x if self.begin is None else self._own(self.begin)(x, layers)

    def ended(self, state: State, layers: Layers) -> Image:
        """The image before the head."""
        return state if self.end is None else self._own(self.end)(state, layers)

    def _own(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function with the row's options that it names."""
        named, options = inspect.signature(function).parameters, options_of(self)
        return partial(function, **{key: options[key] for key in options if key in named})


@dataclass(frozen=True)
class Shortcut(Connection):
    """A kind of connection that adds: y = shortcut(x) + factor F(x).

    Attributes:
      function: (x, features, stride, layers) -> the shortcut's output, and the factor of F.
      projects: whether it makes a layer `projection`, at least where a block changes the shape.
      pools: whether a pool stands before that projection; PyTorch's sequences count it as a layer.
    """

    projects: bool = False
    pools: bool = False

    def connect(self, state: Image, branch: Branch, site: Site, layers: Layers) -> Image:
        """shortcut(x) + factor F(x)."""
        shortcut, factor = self.paths(state, site, layers)
        y = factor * branch(state)
        if shortcut.ndim and shortcut.shape != y.shape:
            raise UserError(
                f"a block's shortcut gives {shortcut.shape[1]}x{shortcut.shape[2]} and its branch"
                f" {y.shape[1]}x{y.shape[2]} positions: model.antialias=average needs images whose"
                " size halves evenly in every stage"
            )
        return shortcut + y

    def paths(self, x: Image, site: Site, layers: Layers) -> Paths:
        """shortcut(x), and the factor of F."""
        convolves, antialias = self.projects and not self.pools, site.antialias
        if site.stride > 1 and convolves and antialias and antialias.before:
            x = antialias.function(x, site.stride)
        return self.function(x, site.features, site.stride, layers)


def stopped(state: State) -> State:
    """The state, through which no gradient passes."""
    return jax.tree.map(jax.lax.stop_gradient, state)

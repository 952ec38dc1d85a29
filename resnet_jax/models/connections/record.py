"""What a row of the table of shortcuts is, and what a block tells it of its place."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import jax.numpy as jnp
from jaxtyping import Array, Float

from resnet_jax.models.convolution import apart
from resnet_jax.models.layers import Layers
from resnet_jax.models.pooling import Pool
from resnet_jax.tables import UserError, options_of

Image = Float[Array, "batch height width channels"]
State = Float[Array, "batch height width *more"]
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
        The state is an image unless `begin` makes another array of it. It is called while its
        block is built, so the layers that it makes belong to that block.
      begin: (x, layers) -> the state before the first block, from the image behind the stem.
      end: (state, layers) -> the image before the head. Both also take those options of `function`
        that they name.
      inverse: (state, branch, site, layers) -> the state before a block that keeps the shape, from
        that after it. Training then keeps no state inside of a stage, but computes it again.
      carries: whether the state is anything but an image with the features of its stage. No norm
        and no activation is then shared by the connection and the branch of a block.
      after: whether the steps of an arrangement after the addition have a meaning for the state.
      scans: whether a state has one shape within a stage, and its blocks the same parameters.
      kernel_scale: L -> what multiplies the initial kernels of F; None: nothing.
      random: whether it draws in training what evaluation has the mean of.
      branches: of a block, each with parameters of its own.
      in_sequence: branches on the longest path through a block.
      windows: (kernel, stride) of what carries the stride of a block before its branch; none where
        the branch carries it.
      input_scale: added -> what F sees is multiplied by, before F's first convolution; a shortcut
        that takes what is activated sees the same. `added` counts the branches that were added to
        x since a projection made it. None: by 1. It takes those options of `function` that it
        names.
      naming: of all parameters in timm's file of networks with this row; a row of weights.codes.
        None: the branch decides.
      absent: whether there is none: the block is plain, y = F(x).
      absent_at_ends: the same of a block that changes the shape; its F is never dropped.
    """

    function: Callable[..., Any]
    begin: Callable[..., State] | None = None
    end: Callable[..., Image] | None = None
    inverse: Callable[..., Any] | None = None
    carries: bool = False
    after: bool = True
    scans: bool = True
    kernel_scale: Callable[[int], float] | None = None
    random: bool = False
    branches: int = 1
    in_sequence: int = 1
    windows: tuple[tuple[int, int], ...] = ()
    input_scale: Callable[..., Any] | None = None
    naming: str | None = None
    absent: bool = False
    absent_at_ends: bool = False

    def scaled(self, x: Image, added: Any) -> Image:
        """x by `input_scale`."""
        if self.input_scale is None:
            return x
        return x * jnp.asarray(self._own(self.input_scale)(added), x.dtype)

    def connect(self, state: State, branch: Branch, site: Site, layers: Layers) -> State:
        """The state after a block."""
        return self.function(state, _halving(branch, site), site, layers)

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


def _halving(branch: Branch, site: Site) -> Branch:
    """The branch, which is refused where it drops positions at the edge that a shortcut keeps."""

    def checked(x: Image, *, copy: int = 1, stride: int | None = None) -> Image:
        y = branch(x, copy=copy, stride=stride)
        over = site.stride if stride is None else stride
        kept = tuple(-(-size // over) for size in x.shape[1:3])
        check_positions(kept, y.shape[1:3])
        return y

    return checked


def check_positions(shortcut: tuple[int, ...], branch: tuple[int, ...]) -> None:
    """Raises UserError where shortcut and branch have other numbers of rows or columns."""
    if shortcut != branch:
        raise UserError(
            f"a block's shortcut gives {shortcut[0]}x{shortcut[1]} and its branch"
            f" {branch[0]}x{branch[1]} positions: model.antialias=average needs images whose"
            " size halves evenly in every stage"
        )


@dataclass(frozen=True)
class Shortcut(Connection):
    """A kind of connection that adds: y = shortcut(x) + factor F(x).

    Attributes:
      function: (x, features, stride, layers) -> the shortcut's output, and the factor of F.
      projects: whether it makes a layer `projection`, at least where a block changes the shape.
      pools: whether a pool stands before that projection; PyTorch's sequences count it as a layer.
      folds: whether its norm, if there is one, can be folded into that projection.
    """

    projects: bool = False
    pools: bool = False
    folds: bool = True

    def connect(self, state: Image, branch: Branch, site: Site, layers: Layers) -> Image:
        """shortcut(x) + factor F(x)."""
        shortcut, factor = self.paths(state, site, layers)
        y = factor * branch(apart(state) if self.projects and site.stride > 1 else state)
        if shortcut.ndim:
            check_positions(shortcut.shape[1:3], y.shape[1:3])
        return shortcut + y

    def paths(self, x: Image, site: Site, layers: Layers) -> Paths:
        """shortcut(x), and the factor of F."""
        convolves, antialias = self.projects and not self.pools, site.antialias
        if site.stride > 1 and convolves and antialias and antialias.before:
            x = antialias.function(x, site.stride)
        return self.function(x, site.features, site.stride, layers)

"""Compound convolutions: several in the place of one convolution of a branch.

A compound is called with (x, convolve, place, layers) and returns the image behind that place.
`convolve` makes a convolution with the norm and the activation that the block's arrangement has
around this place; see `Convolve`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple, Protocol

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from resnet_jax.models.layers import Layers
from resnet_jax.tables import UserError

Image = Float[Array, "batch height width channels"]
Pooled = Float[Array, "batch channels"]
Windows = tuple[tuple[int, int], ...]


class Convolve(Protocol):
    """A convolution of the place's kernel, with the steps around it.

    Args of a call:
      name: is added to the names of the place's convolution and norms.
    """

    def __call__(
        self, x: Image, features: int, *, name: str, stride: int, groups: int, dilation: int = 1
    ) -> Image: ...


class Place(NamedTuple):
    """The place of a convolution in its block.

    Attributes:
      number: of the convolution in its branch.
      features: of the output.
      stride: of this convolution.
      groups: of channels.
      opens: whether the block changes the shape of its input.
    """

    number: int
    features: int
    stride: int
    groups: int
    opens: bool


@dataclass(frozen=True)
class Compound:
    """A kind of compound convolution.

    Those of equal options are one object, so that networks which mean the same are equal.

    Attributes:
      function: see above.
      windows: (kernel, stride, opens) -> kernels and strides on the longest path through it.
      parts: of the input's channels, of which each of its convolutions sees one.
    """

    function: Callable[..., Image]
    windows: Callable[[int, int, bool], Windows]
    parts: int


def _means(x: Image, stride: int) -> Image:
    """Means of 3x3 over an edge of zeros, which count."""
    return nn.avg_pool(x, (3, 3), (stride, stride), padding=((1, 1), (1, 1)))


def whole(share: float, multiple: int, least: int = 1) -> int:
    """The nearest multiple, at least `least` and nine tenths of the share: MobileNet's rounding."""
    nearest = max(least, int(share + multiple / 2) // multiple * multiple)
    return nearest if nearest >= 0.9 * share else nearest + multiple


@cache
def hierarchy(pieces: int) -> Compound:
    """Res2Net's hierarchy (Gao et al., arXiv 1904.01169).

    The channels are split into pieces x_i, and y_i = K_i(x_i + y_(i-1)). The last piece has no
    convolution. In blocks that change the shape the pieces do not meet, and the last one is pooled
    (res2net.py of Res2Net/Res2Net-PretrainedModels).
    """

    def function(x: Image, convolve: Convolve, place: Place, layers: Layers) -> Image:
        width = place.features // pieces
        *convolved, last = jnp.split(x, pieces, axis=-1) if pieces > 1 else (x, x)
        results: list[Image] = []
        for number, piece in enumerate(convolved, start=1):
            piece = piece + results[-1] if results and not place.opens else piece
            results.append(
                convolve(
                    piece,
                    width,
                    name=f"_scale{number}",
                    stride=place.stride,
                    groups=place.groups,
                )
            )
        if pieces > 1:
            results.append(_means(last, place.stride) if place.opens else last)
        return jnp.concatenate(results, axis=-1)

    def windows(kernel: int, stride: int, opens: bool) -> Windows:
        return ((kernel, stride),) * (1 if opens else max(1, pieces - 1))

    return Compound(function, windows, pieces)


@cache
def split_attention(radix: int, pool_first: bool) -> Compound:
    """ResNeSt's split attention (Zhang et al., arXiv 2004.08955).

    Each group has `radix` splits. They are summed with a weight for each channel: a softmax over
    the splits of what two layers make of their pooled sum. A mean of 3x3 carries the stride, before
    the splits or behind them.
    """

    def function(x: Image, convolve: Convolve, place: Place, layers: Layers) -> Image:
        pools, groups = place.stride > 1, place.groups
        if pools and pool_first:
            x = _means(x, place.stride)
        _check(x.shape[-1], groups * radix)
        y = convolve(x, radix * place.features, name="_splits", stride=1, groups=groups * radix)
        splits = y.reshape(*y.shape[:3], radix, place.features)
        # The code counts the channels of the splits' input (resnest/torch/models/splat.py).
        reduced = whole(x.shape[-1] * radix / 4, 8, least=32)
        _check(reduced, groups)
        pooled = splits.astype(layers.param_dtype).sum(-2).mean((1, 2))
        z = _two_layers(
            pooled, (reduced, radix * place.features), place.number, "attention", layers,
            groups=groups, bias=True,
        )  # fmt: skip
        if radix > 1:
            z = jax.nn.softmax(z.reshape(len(z), groups, radix, -1), axis=2).swapaxes(1, 2)
        else:
            z = jax.nn.sigmoid(z)
        weights = z.reshape(len(z), 1, 1, radix, place.features).astype(y.dtype)
        y = (splits * weights).sum(-2)
        return _means(y, place.stride) if pools and not pool_first else y

    def windows(kernel: int, stride: int, opens: bool) -> Windows:
        if stride == 1:
            return ((kernel, 1),)
        return ((3, stride), (kernel, 1)) if pool_first else ((kernel, 1), (3, stride))

    return Compound(function, windows, radix)


@cache
def kernel_selection(reduction: float, multiple: int, split: bool) -> Compound:
    """Kernels of 3x3 and, dilated, 5x5, chosen by attention (Li et al., arXiv 1903.06586).

    Args:
      reduction: channels between the two layers of attention, as a share of the output's.
      multiple: to which those are rounded.
      split: whether each kernel sees a half of the input's channels (timm's sknet.py).
    """

    def function(x: Image, convolve: Convolve, place: Place, layers: Layers) -> Image:
        _check(x.shape[-1], 2 if split else 1)
        inputs = jnp.split(x, 2, axis=-1) if split else (x, x)
        paths = jnp.stack(
            [
                convolve(
                    part,
                    place.features,
                    name=f"_path{dilation}",
                    stride=place.stride,
                    groups=place.groups,
                    dilation=dilation,
                )
                for dilation, part in enumerate(inputs, start=1)
            ],
            axis=-2,
        )
        reduced = whole(place.features * reduction, multiple, least=multiple)
        pooled = paths.astype(layers.param_dtype).sum(-2).mean((1, 2))
        z = _two_layers(pooled, (reduced, 2 * place.features), place.number, "selection", layers)
        weights = jax.nn.softmax(z.reshape(len(z), 1, 1, 2, place.features), axis=-2)
        return (paths * weights.astype(paths.dtype)).sum(-2)

    def windows(kernel: int, stride: int, opens: bool) -> Windows:
        return ((2 * kernel - 1, stride),)

    return Compound(function, windows, 2 if split else 1)


def _two_layers(
    pooled: Pooled,
    features: tuple[int, int],
    number: int,
    name: str,
    layers: Layers,
    groups: int = 1,
    bias: bool = False,
) -> Pooled:
    """W2 relu(norm(W1 pooled)), in at least float32."""
    layers = replace(layers, dtype=layers.param_dtype)
    options: dict[str, Any] = {"bias_init": nn.initializers.zeros} if bias else {}
    first, second = (
        layers.conv(
            width, 1, feature_group_count=groups, name=f"conv{number}_{name}_{end}", **options
        )
        for width, end in zip(features, ("reduce", "expand"), strict=True)
    )
    x = first(pooled[:, None, None])
    if not layers.norm.absent:
        x = layers.make_norm(name=f"norm{number}_{name}_reduce")(x)
    x = x if layers.norm.activates else layers.activate(x)
    return second(x)[:, 0, 0]


def _check(channels: int, parts: int) -> None:
    """Raises UserError where channels can't be split into equal parts."""
    if channels % parts:
        raise UserError(
            f"{channels} channels can't be split into {parts} parts: choose model.widths and"
            " options of model.branch that fit"
        )

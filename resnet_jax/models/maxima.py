"""Maxima of windows, with a gradient formulated for the platform that it is lowered for.

XLA computes the gradient of a max pool by select-and-scatter, for which a GPU has no instruction:
it becomes a scatter, which adds in another order in every run, or a sort. On a CPU it is a loop
over single elements. On CUDA and on CPUs the backward pass therefore finds the largest element of
each window by comparing, and adds shifted arrays: on two cores in a quarter of the time, and in a
twentieth of it where windows do not overlap. Elsewhere nothing is rewritten.
"""

from collections.abc import Sequence
from functools import partial, reduce

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, UInt8

Image = Float[Array, "batch height width channels"]

LARGEST = 16  # window whose elements a byte can count


def maxima(x: Image, window: int, stride: int) -> Image:
    """The largest element of every square window, for each channel.

    Its gradient goes to the first of equal elements, row by row.
    """
    return _maxima(x, window, stride)


def _pool(x: Image, window: int, stride: int) -> Image:
    # With names: the converter to ONNX takes the place of this function, and asks for them.
    return nn.max_pool(x, window_shape=(window, window), strides=(stride, stride))


_maxima = jax.custom_vjp(_pool, nondiff_argnums=(1, 2))


def _forward(x: Image, window: int, stride: int) -> tuple[Image, Image]:
    # `_pool` and not `_maxima`, since `jvp` of `grad` differentiates this function.
    return _pool(x, window, stride), x


def _backward(window: int, stride: int, x: Image, gradient: Image) -> tuple[Image]:
    def scattered(x: Image, gradient: Image) -> Image:
        return jax.vjp(lambda x: _pool(x, window, stride), x)[1](gradient)[0]

    shifted = partial(gradient_of_maxima, window=window, stride=stride)
    if window > LARGEST:
        return (scattered(x, gradient),)
    return (lax.platform_dependent(x, gradient, cpu=shifted, cuda=shifted, default=scattered),)


_maxima.defvjp(_forward, _backward)


def gradient_of_maxima(x: Image, gradient: Image, window: int, stride: int) -> Image:
    """What each element gets from the windows in which it is the largest, without a scatter.

    Args:
      gradient: of the maxima.
    """
    number = _number_of_the_largest(x, window, stride)
    if window == stride:
        return _in_tiles(number, gradient, window, x.shape)

    def spread(place: int) -> Array:
        ends = [
            (before, side - before - stride * (windows - 1) - 1, stride - 1)
            for before, side, windows in zip(
                divmod(place, window), x.shape[1:3], gradient.shape[1:3], strict=True
            )
        ]
        here = jnp.where(number == place, gradient, 0)
        return lax.pad(here, jnp.zeros((), here.dtype), [(0, 0, 0), *ends, (0, 0, 0)])

    return reduce(jnp.add, map(spread, range(window**2)))


def _in_tiles(number: Array, gradient: Image, side: int, shape: Sequence[int]) -> Image:
    """The gradient where windows do not overlap: each gives its own to one of its elements."""
    place = jnp.arange(side * side, dtype=number.dtype).reshape(1, 1, side, 1, side, 1)
    largest = number[:, :, None, :, None] == place
    spread = jnp.where(largest, gradient[:, :, None, :, None], 0)
    batch, rows, columns, channels = gradient.shape
    tiles = spread.reshape(batch, side * rows, side * columns, channels)
    left_out = [(0, whole - covered) for whole, covered in zip(shape, tiles.shape, strict=True)]
    return jnp.pad(tiles, left_out)


def _number_of_the_largest(
    x: Image, window: int, stride: int
) -> UInt8[Array, "batch rows columns channels"]:
    """The place of each window's largest element in its window, counted row by row."""
    rows, columns = (side - window + 1 for side in x.shape[1:3])
    largest = x[:, :rows:stride, :columns:stride]
    number = jnp.zeros(largest.shape, jnp.uint8)
    for place in range(1, window**2):
        row, column = divmod(place, window)
        here = x[:, row : row + rows : stride, column : column + columns : stride]
        larger = here > largest
        largest = jnp.where(larger, here, largest)
        number = jnp.where(larger, jnp.uint8(place), number)
    return number

"""Convolution in NHWC, formulated for the platform that it is lowered for.

XLA's CPU backend is slow at weight gradients and at 1x1 convolutions, so on one CPU device both
are written as matrix products; forward passes and input gradients of larger kernels stay with
`lax.conv`. On GPU, TPU and on several devices nothing is rewritten: a loop over groups of images
would have to gather a batch that is sharded over devices. Convolutions in groups of channels
and dilated ones are left to JAX everywhere. On CUDA the kernel is rounded again for the backward
pass, and the input gradient of a strided 1x1 convolution is computed for the pixels that it sees.

A kernel has the type of the parameters and is rounded to the type of the images where the two are
multiplied. Where nothing is rewritten, its gradient is summed in float32 and rounded to the type of
the images, as cuDNN has it: a gradient in float32 would make a float32 convolution on a GPU, which
takes several times as long.

The rule for derivatives is reverse-mode, and itself differentiable: gradients of gradients and
`jvp` of `grad` work, `jvp` of the convolution alone raises JAX's error about `custom_vjp`.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

DIMENSIONS = ("NHWC", "HWIO", "NHWC")

# One matrix product of a kernel's gradient reads at most this much, which stays in the cache.
GROUP_BYTES = 8 * 2**20
# The gradient of a kernel with at most SMALL_KERNEL weights is summed in PIECES pieces, one a core.
PIECES, SMALL_KERNEL = 4, 2**16

Pair = tuple[int, int]
Padding = tuple[Pair, Pair]
# A function that is called as `convolution`.
Convolve = Callable[..., Array]


def convolution(
    inputs: Float[Array, "batch height width channels"],
    kernel: Float[Array, "rows columns channels_in_group features"],
    strides: Sequence[int],
    padding: Sequence[Pair],
    *,
    feature_group_count: int = 1,
    rhs_dilation: Sequence[int] = (1, 1),
    **_: Any,
) -> Float[Array, "batch height_out width_out features"]:
    """Two-dimensional convolution as `nn.Conv(conv_general_dilated=...)` calls it.

    Args:
      strides: of rows and columns.
      padding: zeros before and after, for rows and columns.
      feature_group_count: number of groups; each sees its share of the channels.
      rhs_dilation: distance of the pixels that a kernel sees, of rows and columns.
    """
    (down, right), (rows, columns) = strides, padding
    dilation = (rhs_dilation[0], rhs_dilation[1])
    if feature_group_count > 1 or dilation != (1, 1):
        geometry = (down, right), (rows, columns)
        return lax_convolution(inputs, kernel, *geometry, feature_group_count, dilation)
    return _convolution(inputs, kernel, (down, right), (rows, columns))


def lax_convolution(
    x: Array,
    kernel: Array,
    strides: Pair,
    padding: Padding,
    groups: int = 1,
    dilation: Pair = (1, 1),
) -> Array:
    """XLA's convolution, of arrays as `convolution` takes them."""
    return lax.conv_general_dilated(
        x,
        kernel.astype(x.dtype),
        strides,
        padding,
        rhs_dilation=dilation,
        dimension_numbers=DIMENSIONS,
        feature_group_count=groups,
    )


def _value(x: Array, kernel: Array, strides: Pair, padding: Padding) -> Array:
    convolve = partial(lax_convolution, strides=strides, padding=padding)
    if kernel.shape[:2] != (1, 1) or jax.device_count() > 1:
        return convolve(x, kernel)
    pointwise = partial(_pointwise, strides=strides, padding=padding)
    return lax.platform_dependent(x, kernel, cpu=pointwise, default=convolve)


_convolution = jax.custom_vjp(_value, nondiff_argnums=(2, 3))


def _forward(x: Array, kernel: Array, strides: Pair, padding: Padding):
    # `_value` and not `_convolution`, since `jvp` of `grad` differentiates this function.
    return _value(x, kernel, strides, padding), (x, kernel)


def _backward(strides: Pair, padding: Padding, saved: tuple[Array, Array], gradient: Array):
    def backward(forward, kernel_gradient, x, kernel, gradient):
        transposed = jax.linear_transpose(lambda x: forward(x, kernel, strides, padding), x)
        return (
            *transposed(gradient),
            kernel_gradient(x, kernel, gradient, strides, padding),
        )

    pointwise = saved[1].shape[:2] == (1, 1)
    lax_backward = partial(backward, lax_convolution, _lax_kernel_gradient)
    cpu_backward = partial(backward, lax_convolution, _kernel_gradient)
    if pointwise:
        cpu_backward = partial(backward, _pointwise, _pointwise_kernel_gradient)
    if jax.device_count() > 1:
        cpu_backward = lax_backward

    def cuda_backward(x: Array, kernel: Array, gradient: Array):
        # Else XLA would keep the rounded kernel from the forward pass on.
        kernel, gradient = lax.optimization_barrier((kernel, gradient))
        rounded, gradient = lax.optimization_barrier((kernel.astype(x.dtype), gradient))
        forward = convolution_of_seen if pointwise else lax_convolution
        of_x, of_kernel = backward(forward, _lax_kernel_gradient, x, rounded, gradient)
        return of_x, of_kernel.astype(kernel.dtype)

    return lax.platform_dependent(
        *saved, gradient, cpu=cpu_backward, cuda=cuda_backward, default=lax_backward
    )


_convolution.defvjp(_forward, _backward)


def _pointwise(x: Array, kernel: Array, strides: Pair, padding: Padding) -> Array:
    """A 1x1 convolution as one matrix product."""
    return jnp.einsum("nhwc,cf->nhwf", _seen(x, strides, padding), kernel[0, 0].astype(x.dtype))


def _pointwise_kernel_gradient(
    x: Array, kernel: Array, gradient: Array, strides: Pair, padding: Padding
) -> Array:
    """Gradient of a 1x1 kernel as one matrix product."""
    # Of whole images, and not of rows of pixels, XLA would transpose copies.
    seen, gradient = (
        images.reshape(-1, images.shape[-1]) for images in (_seen(x, strides, padding), gradient)
    )
    product = partial(jnp.einsum, "pc,pf->cf", preferred_element_type=kernel.dtype)
    return product(seen, gradient)[None, None]


def _seen(x: Array, strides: Pair, padding: Padding) -> Array:
    """The pixels that a 1x1 convolution sees."""
    return jnp.pad(x, ((0, 0), *padding, (0, 0)))[:, :: strides[0], :: strides[1]]


def convolution_of_seen(x: Array, kernel: Array, strides: Pair, padding: Padding) -> Array:
    """A strided 1x1 convolution, of the pixels that it sees alone."""
    return lax_convolution(_seen(x, strides, padding), kernel, (1, 1), ((0, 0), (0, 0)))


@jax.custom_vjp
def apart(x: Array) -> Array:
    """x itself, whose gradient is a kernel's output of its own on CUDA.

    cuDNN adds another gradient of x to it only from memory. Where that one is of every other pixel
    alone, XLA then adds it where it reads the sum, and never writes its zeros.
    """
    return x


def _apart_backward(_: None, gradient: Array) -> tuple[Array]:
    held = lax.platform_dependent(gradient, cuda=lax.optimization_barrier, default=lambda g: g)
    return (held,)


apart.defvjp(lambda x: (x, None), _apart_backward)


def _lax_kernel_gradient(
    x: Array, kernel: Array, gradient: Array, strides: Pair, padding: Padding
) -> Array:
    """Gradient of the kernel as JAX computes it."""
    transposed = jax.linear_transpose(
        lambda kernel: lax_convolution(x, kernel, strides, padding), kernel
    )
    return transposed(gradient)[0]


def _kernel_gradient(
    x: Array, kernel: Array, gradient: Array, strides: Pair, padding: Padding
) -> Array:
    """Gradient of the kernel: shifted copies of x times shifted copies of gradient.

    kernel[i, j] takes x[a, b] to gradient[h, w] where a = down h + i - top, b = right w + j - left.
    For every (a, w), the elements of x that the columns j read stand side by side, and so do the
    elements of gradient that the rows i wrote: the product of the two, summed over (a, w), is the
    gradient for all (i, j). Patches of x (im2col) would be a matrix `rows` times as wide, times a
    gradient that is as many times narrower. Rows a of x that differ by a multiple of `down` meet
    the same i and other rows do not, so each remainder by `down` has a product of its own.
    """
    (rows, columns, channels, features), (down, right) = kernel.shape, strides
    (top, _), (left, _) = padding
    batch, tall, width = x.shape[0], x.shape[1], gradient.shape[2]
    remainders = [[i for i in range(rows) if (i - top) % down == rest] for rest in range(down)]

    pixels = -(-tall // down) * width
    image_bytes = pixels * (columns * channels + rows * features) * x.dtype.itemsize
    groups = min(batch, -(-batch * image_bytes // GROUP_BYTES))
    while batch % groups:
        groups += 1
    images = batch // groups
    pieces = math.gcd(images, PIECES) if groups > 1 and kernel.size <= SMALL_KERNEL else 1

    def product(x: Array, gradient: Array, rest: int) -> Array:
        x, reach = x[:, rest::down], right * (width - 1) + 1
        reads = [_shift(x, 2, left - j, reach)[:, :, ::right] for j in range(columns)]
        writes = [_shift(gradient, 1, (i - top) // down, x.shape[1]) for i in remainders[rest]]
        return lax.dot_general(
            _side_by_side(writes, pieces),
            _side_by_side(reads, pieces),
            (((1,), (1,)), ((0,), (0,))),
            preferred_element_type=kernel.dtype,
        ).sum(axis=0)

    def add_group(total: Array, start: Array | int):
        group = [lax.dynamic_slice_in_dim(array, start, images) for array in (x, gradient)]
        # Without the barrier every shift would compute each element's place in the batch anew.
        xs, gradients = lax.optimization_barrier(group)
        products = [product(xs, gradients, rest) for rest in range(down) if remainders[rest]]
        return total + jnp.concatenate(products), None

    total = jnp.zeros((rows * features, columns * channels), kernel.dtype)
    if images == batch:
        total, _ = add_group(total, 0)
    else:
        total, _ = lax.scan(add_group, total, jnp.arange(0, batch, images))
    total = total.reshape(rows, features, columns, channels)
    if down > 1:
        order = np.argsort([i for rest in remainders for i in rest])
        total = jnp.stack([total[n] for n in order])
    return total.transpose(0, 2, 3, 1)


def _shift(array: Array, axis: int, by: int, size: int) -> Array:
    """Moves the content of an axis `by` places and cuts the axis to `size`; zeros move in."""
    ends = [(0, 0, 0)] * array.ndim
    ends[axis] = (by, size - by - array.shape[axis], 0)
    return lax.pad(array, jnp.zeros((), array.dtype), ends)


def _side_by_side(images: list[Array], pieces: int) -> Array:
    """The images' channels side by side, as [pieces, pixels, all channels].

    XLA computes this sum of padded images in one pass, unlike a concatenation.
    """
    channels = images[0].shape[-1]
    total = len(images) * channels
    spread = (_shift(image, 3, n * channels, total) for n, image in enumerate(images))
    return reduce(jnp.add, spread).reshape(pieces, -1, total)

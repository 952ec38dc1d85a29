"""Convolution in NHWC whose formulation depends on the platform it is lowered for.

XLA's CPU backend is slow at weight gradients and at 1x1 convolutions, so on one CPU device both
are written as matrix products; forward passes and input gradients of larger kernels stay with
`lax.conv`. On GPU, TPU and on several devices nothing is rewritten: a loop over groups of images
would have to gather a batch that is sharded over devices.

A kernel keeps the type of the parameters. It is rounded to the type of the images where the two
are multiplied, and its gradient is summed, over devices as well, without being rounded (but for
convolutions in groups of channels, which are left to JAX altogether).

The rule for derivatives is reverse-mode, and itself differentiable: gradients of gradients and
`jvp` of `grad` work, `jvp` of the convolution alone raises JAX's error about `custom_vjp`.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

DIMENSIONS = ("NHWC", "HWIO", "NHWC")

# Bytes of the patch matrix that one product of the weight gradient reads: about the size of the
# second-level cache of two cores, where the measured throughput peaks.
PATCH_BYTES = 4 * 2**20

Pair = tuple[int, int]
Padding = tuple[Pair, Pair]


def convolution(
    inputs: Float[Array, "batch height width channels"],
    kernel: Float[Array, "rows columns channels_in_group features"],
    strides: Sequence[int],
    padding: Sequence[Pair],
    *,
    feature_group_count: int = 1,
    **_: Any,
) -> Float[Array, "batch height_out width_out features"]:
    """Two-dimensional convolution as `nn.Conv(conv_general_dilated=...)` calls it.

    Args:
      strides: of rows and columns.
      padding: zeros before and after, for rows and columns.
      feature_group_count: number of groups; each sees its share of the channels.
    """
    (down, right), (rows, columns) = strides, padding
    if feature_group_count > 1:
        return _lax_convolution(inputs, kernel, (down, right), (rows, columns), feature_group_count)
    return _convolution(inputs, kernel, (down, right), (rows, columns))


def _lax_convolution(x: Array, kernel: Array, strides: Pair, padding: Padding, groups: int = 1):
    kernel = kernel.astype(x.dtype)
    return lax.conv_general_dilated(
        x, kernel, strides, padding, dimension_numbers=DIMENSIONS, feature_group_count=groups
    )


def _value(x: Array, kernel: Array, strides: Pair, padding: Padding) -> Array:
    convolve = partial(_lax_convolution, strides=strides, padding=padding)
    if kernel.shape[:2] != (1, 1) or jax.device_count() > 1:
        return convolve(x, kernel)
    pointwise = partial(_pointwise, strides=strides, padding=padding)
    return lax.platform_dependent(x, kernel, cpu=pointwise, default=convolve)


_convolution = jax.custom_vjp(_value, nondiff_argnums=(2, 3))


def _forward(x: Array, kernel: Array, strides: Pair, padding: Padding):
    # Not `_convolution`: `jvp` of `grad` passes through here.
    return _value(x, kernel, strides, padding), (x, kernel)


def _backward(strides: Pair, padding: Padding, saved: tuple[Array, Array], gradient: Array):
    def backward(forward, kernel_gradient, x, kernel, gradient):
        transposed = jax.linear_transpose(lambda x: forward(x, kernel, strides, padding), x)
        return (
            *transposed(gradient),
            kernel_gradient(x, kernel, gradient, strides, padding),
        )

    lax_backward = partial(backward, _lax_convolution, _lax_kernel_gradient)
    if jax.device_count() > 1:
        return lax_backward(*saved, gradient)
    forward = _pointwise if saved[1].shape[:2] == (1, 1) else _lax_convolution
    cpu_backward = partial(backward, forward, _kernel_gradient)
    return lax.platform_dependent(*saved, gradient, cpu=cpu_backward, default=lax_backward)


_convolution.defvjp(_forward, _backward)


def _pointwise(x: Array, kernel: Array, strides: Pair, padding: Padding) -> Array:
    """A 1x1 convolution as one matrix product."""
    x = jnp.pad(x, ((0, 0), *padding, (0, 0)))[:, :: strides[0], :: strides[1]]
    return jnp.einsum("nhwc,cf->nhwf", x, kernel[0, 0].astype(x.dtype))


def _lax_kernel_gradient(
    x: Array, kernel: Array, gradient: Array, strides: Pair, padding: Padding
) -> Array:
    """Gradient of the kernel: x convolved with the gradient, channels taken as the batch."""
    ends = [
        (low, size - low - x_size + stride * (steps - 1))
        for (low, _), size, x_size, stride, steps in zip(
            padding, kernel.shape, x.shape[1:], strides, gradient.shape[1:], strict=False
        )
    ]
    return lax.conv_general_dilated(
        x, gradient, (1, 1), ends, rhs_dilation=strides,
        dimension_numbers=("CHWN", "IHWO", "HWNC"), preferred_element_type=kernel.dtype,
    )  # fmt: skip


def _kernel_gradient(
    x: Array, kernel: Array, gradient: Array, strides: Pair, padding: Padding
) -> Array:
    """Gradient of the kernel: patches of x (im2col) times gradient, a few images at a time."""
    rows, columns, channels, features = kernel.shape
    batch, height, width, _ = gradient.shape
    image_bytes = height * width * rows * columns * channels * x.dtype.itemsize
    groups = min(batch, -(-batch * image_bytes // PATCH_BYTES))
    while batch % groups:
        groups += 1

    def patches(x: Array) -> Array:
        x = jnp.pad(x, ((0, 0), *padding, (0, 0)))
        bottom, right = strides[0] * (height - 1) + 1, strides[1] * (width - 1) + 1
        shifted = [
            x[:, i : i + bottom : strides[0], j : j + right : strides[1]]
            for i in range(rows)
            for j in range(columns)
        ]
        return jnp.concatenate(shifted, axis=-1).reshape(-1, rows * columns * channels)

    def add_group(total: Array, group: tuple[Array, Array]):
        x, gradient = group
        product = lax.dot_general(
            gradient.reshape(-1, features),
            patches(x),
            (((0,), (0,)), ((), ())),
            preferred_element_type=total.dtype,
        )
        return total + product, None

    def grouped(array: Array) -> Array:
        return array.reshape(groups, batch // groups, *array.shape[1:])

    start = jnp.zeros((features, rows * columns * channels), kernel.dtype)
    if groups == 1:
        total, _ = add_group(start, (x, gradient))
    else:
        total, _ = lax.scan(add_group, start, (grouped(x), grouped(gradient)))
    return total.T.reshape(kernel.shape)

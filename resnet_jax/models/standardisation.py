"""Weight standardisation: convolutions whose kernels have mean 0 and variance 1 in each output."""

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from resnet_jax.models.convolution import Convolve, Pair, convolution


def standardised(
    inputs: Float[Array, "batch height width channels"],
    kernel: Float[Array, "rows columns channels_in_group features"],
    strides: Sequence[int],
    padding: Sequence[Pair],
    *,
    epsilon: float,
    gain: float | None = None,
    convolve: Convolve = convolution,
    **options: Any,
) -> Float[Array, "batch height_out width_out features"]:
    """`convolution` with a standardised kernel (Qiao et al., arXiv 1903.10520, equation 5).

    Args:
      epsilon: added to the variance of a kernel: 1e-10 in the code of 'Big Transfer' (arXiv
        1912.11370; bit_jax/models.py), 1e-8 in timm's networks of it (models/resnetv2.py).
      gain: the standard deviation of a kernel times the root of its number N of inputs; None: the
        deviation is 1. Scaled weight standardisation: Brock et al., arXiv 2101.08692.
      convolve: the convolution.
    """
    return convolve(inputs, standardise(kernel, epsilon, gain), strides, padding, **options)


def standardise(kernel: Array, epsilon: float, gain: float | None = None) -> Array:
    """The kernel with mean 0 and variance 1 in each output, computed in at least float32.

    With a gain the variance is gain^2 / N, for N inputs of an output.
    """
    weights = kernel.astype(jnp.promote_types(kernel.dtype, jnp.float32))
    axes = (0, 1, 2)
    weights = weights - weights.mean(axes, keepdims=True)
    variance = (weights * weights).mean(axes, keepdims=True)
    scale = 1.0 if gain is None else gain / math.sqrt(math.prod(kernel.shape[:-1]))
    return (weights * (scale * lax.rsqrt(variance + epsilon))).astype(kernel.dtype)

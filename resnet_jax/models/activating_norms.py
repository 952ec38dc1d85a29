"""Norms that hold their own activation: an arrangement's activation after them is left out."""

from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from resnet_jax.tables import UserError
from resnet_jax.tables.domains import Positive, PositiveInt

Image = Float[Array, "batch height width channels"]


class _ActivatingNorm(nn.Module):
    """Scale, bias and types of both norms; statistics are of one example, in at least float32.

    Attributes:
      train: without effect, since each example is normalised by its own statistics.
      epsilon: added to the variance or to the mean square.
    """

    train: bool
    epsilon: float = 1e-5
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    scale_init: nn.initializers.Initializer = nn.initializers.ones

    def channel(self, name: str, init: nn.initializers.Initializer, x: Image) -> Array:
        value = self.param(name, init, (x.shape[-1],), self.param_dtype)
        return value[None, None, None]


class EvoNorm(_ActivatingNorm):
    """EvoNorm-S0: x sigmoid(v x) / std of its group of channels (Liu et al., arXiv 2004.02967)."""

    channel_groups: int = 32

    @nn.compact
    def __call__(self, x: Image) -> Image:
        batch, height, width, channels = x.shape
        groups = min(self.channel_groups, channels)
        if channels % groups:
            raise UserError(
                f"{channels} channels can't be split into {groups} groups: choose a"
                " norm.channel_groups that divides the width of every stage"
            )
        x = x.astype(self.param_dtype)
        grouped = x.reshape(batch, height, width, groups, channels // groups)
        variance = grouped.var(axis=(1, 2, 4), keepdims=True)
        inverse = jnp.broadcast_to(lax.rsqrt(variance + self.epsilon), grouped.shape)
        slope = self.channel("slope", nn.initializers.ones, x)
        y = x * jax.nn.sigmoid(slope * x) * inverse.reshape(x.shape)
        y = self.channel("scale", self.scale_init, x) * y
        return (y + self.channel("bias", nn.initializers.zeros, x)).astype(self.dtype)


class FilterResponseNorm(_ActivatingNorm):
    """max(y, threshold) for y = scale x / rms(x) + bias (Singh & Krishnan, arXiv 1911.09737)."""

    @nn.compact
    def __call__(self, x: Image) -> Image:
        x = x.astype(self.param_dtype)
        mean_square = (x * x).mean(axis=(1, 2), keepdims=True)
        y = x * lax.rsqrt(mean_square + self.epsilon)
        y = self.channel("scale", self.scale_init, x) * y
        y = y + self.channel("bias", nn.initializers.zeros, x)
        threshold = self.channel("threshold", nn.initializers.zeros, x)
        return jnp.maximum(y, threshold).astype(self.dtype)


def evo_norm(channel_groups: PositiveInt = 32, epsilon: Positive = 1e-5) -> Callable[..., Any]:
    """EvoNorm-S0; with fewer channels than groups, each channel is a group."""
    return partial(EvoNorm, channel_groups=channel_groups, epsilon=epsilon)


def filter_response_norm(epsilon: Positive = 1e-5) -> Callable[..., Any]:
    """Filter response normalisation with its thresholded linear unit."""
    return partial(FilterResponseNorm, epsilon=epsilon)

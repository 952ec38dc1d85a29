"""The head, from the image behind the last stage to the logits, as rows of data."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from resnet_jax.models.layers import Layers
from resnet_jax.tables import Table
from resnet_jax.tables.domains import Positive

Image = Float[Array, "batch height width channels"]
Logits = Float[Array, "batch classes"]


@dataclass(frozen=True)
class Head:
    """A kind of head: a linear map of what is pooled over all positions.

    Attributes:
      function: (x, classes, layers, kernel_init, pool) -> logits, in at least float32. Its linear
        map is called 'head'; `kernel_init` is None where the row chooses.
      pool: (x, axes) -> x without these axes.
      normalises: whether a norm stands between the pool and the linear map.
    """

    function: Callable[..., Logits]
    pool: Callable[..., Array]
    normalises: bool = False

    def logits(self, *arguments: Any) -> Logits:
        """See `function`; the pool is the row's.

        A head is not itself callable: `flax.nnx.bridge.ToNNX` takes what is callable in a network's
        class for a method, and would find this one where it looks for the parameters 'head'.
        """
        return self.function(*arguments, self.pool)


def linear(
    x: Image,
    classes: int,
    layers: Layers,
    kernel_init: nn.initializers.Initializer | None,
    pool: Callable[..., Array],
    bias: bool = True,
    logit_scale: Positive = 1.0,
) -> Logits:
    """A linear map of means (He et al., arXiv 1512.03385, section 3.3) or maxima over positions.

    Maxima, no bias and logits divided by 9 are the head of Jordan, arXiv 2404.00498, airbench94.py.

    Args:
      bias: whether the map has one.
      logit_scale: multiplies the logits.
    """
    return _mapped(pool(_exact(x, layers), (1, 2)), classes, layers, kernel_init, bias, logit_scale)


def normalised(
    x: Image,
    classes: int,
    layers: Layers,
    kernel_init: nn.initializers.Initializer | None,
    pool: Callable[..., Array],
) -> Logits:
    """A linear map of what is pooled, behind a norm (timm's convnext.py)."""
    pooled = pool(_exact(x, layers), (1, 2))
    if not layers.norm.absent:
        exact = replace(layers, dtype=layers.param_dtype)
        pooled = exact.make_norm(name="head_pooled_norm")(pooled[:, None, None])[:, 0, 0]
    return _mapped(pooled, classes, layers, kernel_init)


def _exact(x: Image, layers: Layers) -> Image:
    return x.astype(layers.param_dtype)


def _mapped(
    pooled: Array,
    classes: int,
    layers: Layers,
    kernel_init: nn.initializers.Initializer | None,
    bias: bool = True,
    logit_scale: float = 1.0,
) -> Logits:
    init = kernel_init or nn.linear.default_kernel_init
    logits = layers.dense(classes, use_bias=bias, kernel_init=init, name="head")(pooled)
    return logits if logit_scale == 1 else logit_scale * logits


HEADS = Table(
    "model.head",
    {
        "mean": Head(linear, jnp.mean),
        "max": Head(linear, jnp.max),
        "normalised_mean": Head(normalised, jnp.mean, normalises=True),
    },
    Head,
)

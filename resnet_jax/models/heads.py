"""The head, from the image behind the last stage to the logits, as rows of data."""

from collections.abc import Callable
from dataclasses import dataclass

import flax.linen as nn
from jaxtyping import Array, Float

from resnet_jax.models.layers import Layers
from resnet_jax.tables import Table
from resnet_jax.tables.domains import Positive

Image = Float[Array, "batch height width channels"]
Logits = Float[Array, "batch classes"]


@dataclass(frozen=True)
class Head:
    """A kind of head.

    Attributes:
      function: (x, classes, layers, kernel_init) -> logits, in at least float32. Its linear map is
        called 'head'; `kernel_init` is None where the row chooses.
    """

    function: Callable[..., Logits]


def mean(
    x: Image,
    classes: int,
    layers: Layers,
    kernel_init: nn.initializers.Initializer | None,
    bias: bool = True,
    logit_scale: Positive = 1.0,
) -> Logits:
    """A linear map of the means over all positions (He et al., arXiv 1512.03385, section 3.3).

    Args:
      bias: whether the map has one.
      logit_scale: multiplies the logits.
    """
    pooled = x.astype(layers.param_dtype).mean(axis=(1, 2))
    return _linear(pooled, classes, layers, kernel_init, bias, logit_scale)


def maximum(
    x: Image,
    classes: int,
    layers: Layers,
    kernel_init: nn.initializers.Initializer | None,
    bias: bool = True,
    logit_scale: Positive = 1.0,
) -> Logits:
    """A linear map of the maxima over all positions.

    With no bias and logits divided by 9 it is the head of Jordan, arXiv 2404.00498,
    airbench94.py.

    Args:
      bias, logit_scale: see `mean`.
    """
    pooled = x.astype(layers.param_dtype).max(axis=(1, 2))
    return _linear(pooled, classes, layers, kernel_init, bias, logit_scale)


def _linear(
    pooled: Float[Array, "batch channels"],
    classes: int,
    layers: Layers,
    kernel_init: nn.initializers.Initializer | None,
    bias: bool,
    logit_scale: float,
) -> Logits:
    init = kernel_init or nn.linear.default_kernel_init
    logits = layers.dense(classes, use_bias=bias, kernel_init=init, name="head")(pooled)
    return logits if logit_scale == 1 else logit_scale * logits


HEADS = Table("model.head", {"mean": Head(mean), "max": Head(maximum)}, Head)

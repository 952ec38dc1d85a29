"""The shortcuts of 'Identity Mappings', arXiv 1603.05027, section 3.1: scaled, gated, dropped."""

import flax.linen as nn
from jaxtyping import Array, Float

from resnet_jax.models.connections.ends import subsample_and_pad
from resnet_jax.models.connections.record import Paths
from resnet_jax.models.layers import Layers
from resnet_jax.tables.domains import BelowOne

Image = Float[Array, "batch height width channels"]


def constant_scaling(
    x: Image,
    features: int,
    stride: int,
    layers: Layers,
    shortcut_scale: float = 0.5,
    branch_scale: float = 0.5,
) -> Paths:
    """y = a x + b F(x) ('Identity Mappings', arXiv 1603.05027, section 3.1)."""
    return shortcut_scale * subsample_and_pad(x, features, stride), branch_scale


def _gate(x: Image, features: int, stride: int, layers: Layers, gate_bias: float) -> Array:
    bias = nn.initializers.constant(gate_bias)
    return nn.sigmoid(layers.conv(features, 1, stride, name="gate", bias_init=bias)(x))


def exclusive_gating(
    x: Image, features: int, stride: int, layers: Layers, gate_bias: float = -6.0
) -> Paths:
    """y = (1 - g) x + g F(x), g = sigmoid(Wx + b), b starting at `gate_bias` (section 3.1)."""
    gate = _gate(x, features, stride, layers, gate_bias)
    return (1 - gate) * subsample_and_pad(x, features, stride), gate


def shortcut_only_gating(
    x: Image, features: int, stride: int, layers: Layers, gate_bias: float = -6.0
) -> Paths:
    """y = (1 - g) x + F(x): the gate acts on the shortcut alone (section 3.1)."""
    gate = _gate(x, features, stride, layers, gate_bias)
    return (1 - gate) * subsample_and_pad(x, features, stride), 1.0


def convolution_1x1(x: Image, features: int, stride: int, layers: Layers) -> Paths:
    """A 1x1 convolution in every block, without the norm of option C.

    The '1x1 conv shortcut' of arXiv 1603.05027, Table 1, is option C: so its section 3.1 calls it,
    and Figure 2 has a norm after every weight layer.
    """
    return layers.conv(features, 1, stride, name="projection")(x), 1.0


def dropout(
    x: Image, features: int, stride: int, layers: Layers, shortcut_dropout: BelowOne = 0.5
) -> Paths:
    """Dropout on the shortcut's output (section 3.1)."""
    x = subsample_and_pad(x, features, stride)
    return layers.dropout(shortcut_dropout, name="shortcut_dropout")(x), 1.0

"""The shortcut of y = shortcut(x) + F(x), one function a kind.

A shortcut takes (x, features, stride, layers) and returns the shortcut's output and the factor that
scales F: 1, except where a scale or a gate acts on the branch as well.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from resnet_jax.models.layers import Layers
from resnet_jax.tables import Table, UserError
from resnet_jax.tables.domains import BelowOne, Kernel

Image = Float[Array, "batch height width channels"]
Paths = tuple[Array, Array | float]
Layout = Literal["after", "both_sides"]


def changes_shape(x: Image, features: int, stride: int) -> bool:
    """Whether a block changes the shape of x, so that its shortcut can't be the identity."""
    return x.shape[-1] != features or stride > 1


def _subsample_and_pad(
    x: Image, features: int, stride: int, layout: str = "after", pooled: bool = False
) -> Image:
    missing = features - x.shape[-1]
    if missing < 0:
        raise UserError(
            f"a shortcut that pads with zeros can't go from {x.shape[-1]} to {features} features:"
            " choose widths that do not shrink, or a shortcut that projects (B, C, D)"
        )
    before = missing // 2 if layout == "both_sides" else 0
    window = (stride, stride)
    if pooled and stride > 1:
        x = nn.avg_pool(x, window_shape=window, strides=window)
    else:
        x = x[:, ::stride, ::stride]
    return jnp.pad(x, ((0, 0), (0, 0), (0, 0), (before, missing - before)))


def _projection(x: Image, features: int, stride: int, layers: Layers, kernel: int = 1) -> Image:
    x = layers.conv(features, kernel, stride, name="projection")(x)
    return layers.make_norm(name="projection_norm")(x) if layers.projection_norm else x


def option_a(
    x: Image,
    features: int,
    stride: int,
    layers: Layers,
    layout: Layout = "after",
    pooled: bool = False,
) -> Paths:
    """Option A: identity; where shapes differ, subsampled and padded with zero channels.

    He et al., arXiv 1512.03385, section 3.3. The new channels stand after the old ones
    (fb.resnet.torch), or half of them on each side (akamaster/pytorch_resnet_cifar10). `pooled`
    takes means in place of every other position (yueatsprograms/Stochastic_Depth).
    """
    return _subsample_and_pad(x, features, stride, layout, pooled), 1.0


def option_b(
    x: Image, features: int, stride: int, layers: Layers, projection_kernel: Kernel = 1
) -> Paths:
    """Option B: identity; where shapes differ, a projection (arXiv 1512.03385, section 3.3).

    Projections that carry a stride can have a larger kernel, 3 in SENet-154 (arXiv 1709.01507,
    appendix).
    """
    if not changes_shape(x, features, stride):
        return x, 1.0
    kernel = projection_kernel if stride > 1 else 1
    return _projection(x, features, stride, layers, kernel), 1.0


def option_c(x: Image, features: int, stride: int, layers: Layers) -> Paths:
    """Option C: y = Wx + F(x) in every block (arXiv 1512.03385, section 4.1)."""
    return _projection(x, features, stride, layers), 1.0


def option_d(x: Image, features: int, stride: int, layers: Layers) -> Paths:
    """Option D: where shapes differ, average-pool, then project (He et al., arXiv 1812.01187)."""
    if not changes_shape(x, features, stride):
        return x, 1.0
    if stride > 1:
        window = (stride, stride)
        x = nn.avg_pool(
            x, window_shape=window, strides=window, padding="SAME", count_include_pad=False
        )
    return _projection(x, features, 1, layers), 1.0


def none(x: Image, features: int, stride: int, layers: Layers) -> Paths:
    """No shortcut: the plain twin, y = F(x)."""
    return jnp.zeros((), x.dtype), 1.0


def constant_scaling(
    x: Image,
    features: int,
    stride: int,
    layers: Layers,
    shortcut_scale: float = 0.5,
    branch_scale: float = 0.5,
) -> Paths:
    """y = a x + b F(x) ('Identity Mappings', arXiv 1603.05027, section 3.1)."""
    return shortcut_scale * _subsample_and_pad(x, features, stride), branch_scale


def _gate(x: Image, features: int, stride: int, layers: Layers, gate_bias: float) -> Array:
    bias = nn.initializers.constant(gate_bias)
    return nn.sigmoid(layers.conv(features, 1, stride, name="gate", bias_init=bias)(x))


def exclusive_gating(
    x: Image, features: int, stride: int, layers: Layers, gate_bias: float = -6.0
) -> Paths:
    """y = (1 - g) x + g F(x), g = sigmoid(Wx + b), b starting at `gate_bias` (section 3.1)."""
    gate = _gate(x, features, stride, layers, gate_bias)
    return (1 - gate) * _subsample_and_pad(x, features, stride), gate


def shortcut_only_gating(
    x: Image, features: int, stride: int, layers: Layers, gate_bias: float = -6.0
) -> Paths:
    """y = (1 - g) x + F(x): the gate acts on the shortcut alone (section 3.1)."""
    gate = _gate(x, features, stride, layers, gate_bias)
    return (1 - gate) * _subsample_and_pad(x, features, stride), 1.0


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
    x = _subsample_and_pad(x, features, stride)
    return layers.dropout(shortcut_dropout, name="shortcut_dropout")(x), 1.0


@dataclass(frozen=True)
class Shortcut:
    """A kind of shortcut.

    Attributes:
      function: (x, features, stride, layers) -> the shortcut's output, and the factor of F. It is
        called while its block is built, so the layers that it makes belong to that block.
      projects: whether it makes a layer `projection`, at least where a block changes the shape.
      pools: whether a pool stands before that projection; PyTorch's sequences count it as a layer.
      absent: whether there is none: the block is plain, y = F(x).
    """

    function: Callable[..., Paths]
    projects: bool = False
    pools: bool = False
    absent: bool = False


SHORTCUTS = Table(
    "shortcut",
    {
        "A": Shortcut(option_a),
        "B": Shortcut(option_b, projects=True),
        "C": Shortcut(option_c, projects=True),
        "D": Shortcut(option_d, projects=True, pools=True),
        "none": Shortcut(none, absent=True),
        "constant_scaling": Shortcut(constant_scaling),
        "exclusive_gating": Shortcut(exclusive_gating),
        "shortcut_only_gating": Shortcut(shortcut_only_gating),
        "convolution_1x1": Shortcut(convolution_1x1, projects=True),
        "dropout": Shortcut(dropout),
    },
    Shortcut,
)

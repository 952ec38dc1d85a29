"""The shortcut between blocks of different shapes: options A to D, and none.

A shortcut of the short form takes (x, features, stride, layers) and returns the shortcut's output
and the factor that scales F; see record.Shortcut.
"""

from typing import Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from resnet_jax.models.connections.record import Connection, Paths, Shortcut, Site
from resnet_jax.models.layers import Layers
from resnet_jax.tables import UserError, options_of
from resnet_jax.tables.domains import Kernel

Image = Float[Array, "batch height width channels"]
Layout = Literal["after", "both_sides"]


def changes_shape(x: Image, features: int, stride: int) -> bool:
    """Whether a block changes the shape of x, so that its shortcut can't be the identity."""
    return x.shape[-1] != features or stride > 1


def subsample_and_pad(
    x: Image, features: int, stride: int, layout: str = "after", pooled: bool = False
) -> Image:
    """Every stride-th position of x, or means of windows, with zero channels up to `features`."""
    missing = features - x.shape[-1]
    if missing < 0:
        raise UserError(
            f"a shortcut that pads with zeros can't go from {x.shape[-1]} to {features} features:"
            " choose widths that do not shrink, or a shortcut that projects (B, C, D)"
        )
    before = missing // 2 if layout == "both_sides" else 0
    x = _means(x, stride) if pooled else x[:, ::stride, ::stride]
    return jnp.pad(x, ((0, 0), (0, 0), (0, 0), (before, missing - before)))


def _means(x: Image, stride: int) -> Image:
    """Means of windows as wide as the stride, of what an incomplete window at the edge holds."""
    if stride == 1:
        return x
    window = (stride, stride)
    return nn.avg_pool(
        x, window_shape=window, strides=window, padding="SAME", count_include_pad=False
    )


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
    takes means in place of every other position (yueatsprograms/Stochastic_Depth, and PyramidNet's
    code).
    """
    return subsample_and_pad(x, features, stride, layout, pooled), 1.0


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
    x = _means(x, stride)
    return _projection(x, features, 1, layers), 1.0


def none(x: Image, features: int, stride: int, layers: Layers) -> Paths:
    """No shortcut: the plain twin, y = F(x)."""
    return jnp.zeros((), x.dtype), 1.0


def identity_or_none(x: Image, features: int, stride: int, layers: Layers) -> Paths:
    """x where the block keeps its shape; elsewhere there is no shortcut, and y = F(x).

    RegNet Z's (timm's regnet.py, whose `downsample` is None).
    """
    return (jnp.zeros((), x.dtype) if changes_shape(x, features, stride) else x), 1.0


def pooled(x: Image, features: int, stride: int, layers: Layers) -> Paths:
    """Option A with means in place of every other position (PyramidNet's code)."""
    return subsample_and_pad(_means(x, stride), features, 1), 1.0


def shifted(x: Image, features: int, stride: int, layers: Layers) -> Paths:
    """Where shapes differ, two projections of relu(x) with half of the features each, and a norm.

    One sees every other position, the other its upper left neighbours: Shake-Shake, Gastaldi,
    arXiv 1705.07485, and shakeshakeblock.lua of xgastaldi/shake-shake.
    """
    if not changes_shape(x, features, stride):
        return x, 1.0
    x = nn.relu(x)
    moved = jnp.pad(x, ((0, 0), (1, 0), (1, 0), (0, 0)))[:, :-1, :-1]
    half = features // 2
    halves = [
        layers.conv(half, 1, name="projection")(x[:, ::stride, ::stride]),
        layers.conv(features - half, 1, name="projection2")(moved[:, ::stride, ::stride]),
    ]
    x = jnp.concatenate(halves, axis=-1)
    return layers.make_norm(name="projection_norm")(x) if layers.projection_norm else x, 1.0


ENDS = {
    "A": Shortcut(option_a),
    "B": Shortcut(option_b, projects=True),
    "D": Shortcut(option_d, projects=True, pools=True),
    "pooled": Shortcut(pooled),
    "shifted": Shortcut(shifted, projects=True, folds=False),
}
Ends = Literal["A", "B", "D", "pooled", "shifted"]


def direct(x: Image, site: Site, layers: Layers, ends: Ends) -> Image:
    """x itself; where the block changes its shape, the output of the shortcut that `ends` names."""
    return ENDS[ends].paths(x, site, layers)[0]


def at_ends(row: Connection) -> Shortcut:
    """The shortcut that a row has where a block changes the shape."""
    return row if isinstance(row, Shortcut) else ENDS[options_of(row).get("ends", "A")]

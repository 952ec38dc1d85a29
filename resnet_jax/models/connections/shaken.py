"""Connections that weigh F(x) at random in training, differently forward and backward."""

from typing import Literal

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from resnet_jax.models.connections.ends import Ends, direct
from resnet_jax.models.connections.record import Branch, Site
from resnet_jax.models.layers import Layers
from resnet_jax.tables.domains import Probability

Image = Float[Array, "batch height width channels"]
Level = Literal["image", "batch"]


def _uniform(layers: Layers, x: Image, level: Level, low: float = 0.0, name: str = "") -> Array:
    """Numbers in [low, 1): one for each image, or one for the batch."""
    shape = (x.shape[0] if level == "image" else 1, 1, 1, 1)
    return layers.uniform(name=name)(shape, low).astype(x.dtype)


def _weighed(forward: Array, backward: Array, y: Image) -> Image:
    """forward y, whose gradient by y is `backward`."""
    return backward * y + lax.stop_gradient((forward - backward) * y)


def shake_shake(
    x: Image,
    branch: Branch,
    site: Site,
    layers: Layers,
    level: Level = "image",
    backward: Literal["shake", "even", "keep"] = "shake",
    ends: Ends = "shifted",
) -> Image:
    """y = s(x) + a F(x) + (1 - a) F2(x), a uniform in [0, 1], and in evaluation 1/2.

    Gastaldi, arXiv 1705.07485, and shakeshakeblock.lua of xgastaldi/shake-shake, with
    model.arrangement=relu_only_preactivation.

    Args:
      level: whether a is drawn for each image or for the batch.
      backward: a of the gradients: drawn anew, 1/2, or that of the forward pass.
    """
    shortcut, one, other = direct(x, site, layers, ends), branch(x), branch(x, copy=2)
    if not layers.train:
        return shortcut + (one + other) / 2
    forward = _uniform(layers, one, level, name="shake_forward")
    again = forward if backward == "keep" else jnp.full_like(forward, 0.5)
    if backward == "shake":
        again = _uniform(layers, one, level, name="shake_backward")
    return shortcut + _weighed(forward, again, one) + _weighed(1 - forward, 1 - again, other)


def shake_drop(
    x: Image,
    branch: Branch,
    site: Site,
    layers: Layers,
    last_survival: Probability = 0.5,
    level: Level = "image",
    ends: Ends = "pooled",
) -> Image:
    """y = s(x) + (b + a - b a) F(x), b 1 with probability p and else 0, a uniform in [-1, 1].

    ShakeDrop, Yamada et al., arXiv 1802.02375: the gradient has b + c - b c in its
    place, c uniform in [0, 1], and evaluation p, the mean. p falls linearly with depth,
    p = 1 - l / L (1 - last_survival). b is drawn for the batch, a and c for each image, as in
    shakedrop.py of owruby/shake-drop_pytorch.

    Args:
      last_survival: p of the last block.
      level: whether a and c are drawn for each image or for the batch.
    """
    shortcut, y = direct(x, site, layers, ends), branch(x)
    survival = 1 - site.number / site.blocks * (1 - last_survival)
    if not layers.train:
        return shortcut + jnp.asarray(survival, y.dtype) * y
    kept = _uniform(layers, y, "batch", name="shake_kept") < jnp.asarray(survival, y.dtype)
    forward, again = (
        jnp.where(kept, 1, _uniform(layers, y, level, low, name=name))
        for low, name in ((-1.0, "shake_forward"), (0.0, "shake_backward"))
    )
    return shortcut + _weighed(forward, again, y)

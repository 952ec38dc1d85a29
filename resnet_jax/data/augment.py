"""Random changes to a batch of images, computed inside the compiled step.

Images are normalised first, so the zeros that a crop or a cutout fills in are the data set's mean
colour, as where 'Deep Residual Learning' subtracts the mean before it pads.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8

Images = Float[Array, "batch height width channels"]


class Augmentation(NamedTuple):
    """Which random changes a training image goes through.

    Attributes:
      pad: pixels of zeros on each side, of which a random crop of the old size is taken.
      flip: mirror left and right with probability 1/2.
      cutout: side of a square of zeros around a random pixel (DeVries & Taylor, arXiv 1708.04552).
    """

    pad: int = 0
    flip: bool = False
    cutout: int = 0

    def __call__(self, key: Array, images: Images) -> Images:
        crop_key, flip_key, cutout_key = jax.random.split(key, 3)
        if self.pad:
            images = random_crop(crop_key, images, self.pad)
        if self.flip:
            images = random_flip(flip_key, images)
        if self.cutout:
            images = random_cutout(cutout_key, images, self.cutout)
        return images


def normalise(
    images: UInt8[Array, "batch height width channels"],
    mean: Sequence[float],
    std: Sequence[float],
    dtype: Any = jnp.float32,
) -> Images:
    """Subtracts the mean and divides by the standard deviation, both on the scale of [0, 1]."""
    means, stds = (jnp.array(moments, dtype).reshape(1, 1, 1, -1) for moments in (mean, std))
    return (images.astype(dtype) / 255 - means) / stds


def random_crop(key: Array, images: Images, pad: int) -> Images:
    """Pads with zeros and cuts out the old size at a random place."""
    batch, *shape = images.shape
    padded = jnp.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    corners = jax.random.randint(key, (batch, 2), 0, 2 * pad + 1, jnp.int32)

    def crop(image: Array, corner: Array) -> Array:
        return jax.lax.dynamic_slice(image, (corner[0], corner[1], jnp.int32(0)), shape)

    return jax.vmap(crop)(padded, corners)


def random_flip(key: Array, images: Images) -> Images:
    """Mirrors half of the images left and right."""
    flipped = jax.random.bernoulli(key, 0.5, (images.shape[0], 1, 1, 1))
    return jnp.where(flipped, images[:, :, ::-1], images)


def random_cutout(key: Array, images: Images, size: int) -> Images:
    """Fills a square around a random pixel with zeros; it may reach over the edge."""
    batch, height, width, _ = images.shape
    centres = jax.random.randint(key, (batch, 2), 0, jnp.array([[height, width]]), jnp.int32)
    start = centres - size // 2
    rows = jnp.arange(height)[None] - start[:, :1]
    columns = jnp.arange(width)[None] - start[:, 1:]
    inside_rows = (rows >= 0) & (rows < size)
    inside_columns = (columns >= 0) & (columns < size)
    inside = inside_rows[:, :, None] & inside_columns[:, None, :]
    return jnp.where(inside[..., None], 0, images)

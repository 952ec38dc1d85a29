"""Random changes to a batch of images, computed inside the compiled step.

Images are normalised first, so the zeros that crops and cutouts fill in are the mean colour of the
data set. 'Deep Residual Learning' also subtracts the mean before it pads.
"""

import math
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
      erase: probability that a random rectangle becomes zeros (Zhong et al., arXiv 1708.04896).
    """

    pad: int = 0
    flip: bool = False
    cutout: int = 0
    erase: float = 0.0

    def __call__(self, key: Array, images: Images) -> Images:
        crop_key, flip_key, cutout_key = jax.random.split(key, 3)
        if self.pad:
            images = random_crop(crop_key, images, self.pad)
        if self.flip:
            images = random_flip(flip_key, images)
        if self.cutout:
            images = random_cutout(cutout_key, images, self.cutout)
        if self.erase:
            # Apart from the split above, so that runs without it keep their random numbers.
            images = random_erasing(jax.random.fold_in(key, 3), images, self.erase)
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


def random_erasing(
    key: Array,
    images: Images,
    probability: float,
    area: tuple[float, float] = (0.02, 1 / 3),
    aspect: tuple[float, float] = (0.3, 3.3),
) -> Images:
    """Fills a random rectangle of some images with zeros; it lies inside the image.

    The rectangle is drawn as in torchvision's RandomErasing, up to ten times. The image stays whole
    if none of the ten fits into it.

    Args:
      area: least and largest share of the image.
      aspect: least and largest height / width; it is drawn evenly on a logarithmic scale.
    """
    batch, height, width, _ = images.shape
    area_key, aspect_key, place_key, choice_key = jax.random.split(key, 4)
    areas = jax.random.uniform(area_key, (batch, 10), minval=area[0], maxval=area[1])
    low, high = (math.log(bound) for bound in aspect)
    ratios = jnp.exp(jax.random.uniform(aspect_key, (batch, 10), minval=low, maxval=high))
    heights = jnp.round(jnp.sqrt(areas * height * width * ratios)).astype(jnp.int32)
    widths = jnp.round(jnp.sqrt(areas * height * width / ratios)).astype(jnp.int32)
    fits = (heights < height) & (widths < width)
    first = jnp.argmax(fits, axis=1, keepdims=True)
    chosen_height = jnp.take_along_axis(heights, first, axis=1)
    chosen_width = jnp.take_along_axis(widths, first, axis=1)
    place = jax.random.uniform(place_key, (batch, 2))
    top = jnp.floor(place[:, :1] * (height - chosen_height + 1)).astype(jnp.int32)
    left = jnp.floor(place[:, 1:] * (width - chosen_width + 1)).astype(jnp.int32)
    rows, columns = jnp.arange(height)[None], jnp.arange(width)[None]
    inside_rows = (rows >= top) & (rows < top + chosen_height)
    inside_columns = (columns >= left) & (columns < left + chosen_width)
    erased = jax.random.bernoulli(choice_key, probability, (batch, 1)) & fits.any(1, keepdims=True)
    inside = inside_rows[:, :, None] & inside_columns[:, None, :] & erased[:, :, None]
    return jnp.where(inside[..., None], 0, images)

"""Random changes to a batch of images, computed inside the compiled step.

Images are normalised first, so the zeros that crops and cutouts fill in are the mean colour of the
data set. 'Deep Residual Learning' also subtracts the mean before it pads.
"""

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int32, UInt8

from resnet_jax.tables import Choice, Table, annotations_of, choose, split
from resnet_jax.tables.domains import Count, Probability

Images = Float[Array, "batch height width channels"]


def normalise(
    images: UInt8[Array, "batch height width channels"],
    mean: Sequence[float],
    std: Sequence[float],
    dtype: Any = jnp.float32,
) -> Images:
    """Subtracts the mean and divides by the standard deviation, both on the scale of [0, 1]."""
    means, stds = (jnp.array(moments, dtype).reshape(1, 1, 1, -1) for moments in (mean, std))
    return (images.astype(dtype) / 255 - means) / stds


def random_crop(key: Array, images: Images, pad: Count) -> Images:
    """Pads each side with `pad` pixels of zeros and cuts out the old size at a random place."""
    return _cropped(key, images, pad, "constant")


def random_reflected_crop(key: Array, images: Images, pad: Count) -> Images:
    """Pads each side with `pad` pixels of its reflection, and cuts as `random_crop` does.

    The pixels of the edge itself are not repeated: a row a b c is padded to c b a b c b a.
    Jordan, arXiv 2404.00498, in airbench94.py.
    """
    return _cropped(key, images, pad, "reflect")


def _cropped(key: Array, images: Images, pad: int, mode: Literal["constant", "reflect"]) -> Images:
    batch, *shape = images.shape
    padded = jnp.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode)
    corners = jax.random.randint(key, (batch, 2), 0, 2 * pad + 1, jnp.int32)

    def crop(image: Array, corner: Array) -> Array:
        return jax.lax.dynamic_slice(image, (corner[0], corner[1], jnp.int32(0)), shape)

    return jax.vmap(crop)(padded, corners)


def random_flip(key: Array, images: Images) -> Images:
    """Mirrors each image left and right with probability 1/2."""
    return mirrored(images, jax.random.bernoulli(key, 0.5, images.shape[:1]))


def mirrored(images: Images, which: Bool[Array, "batch"]) -> Images:
    """Mirrors these of the images left and right."""
    return jnp.where(which[:, None, None, None], images[:, :, ::-1], images)


def _flip(key: Array, images: Images, flip: bool | Literal["alternating"]) -> Images:
    return random_flip(key, images)


def random_cutout(key: Array, images: Images, size: Count) -> Images:
    """Fills a square around a random pixel with zeros (DeVries & Taylor, arXiv 1708.04552).

    Args:
      size: pixels of the square's side; the square may reach over the edge.
    """
    batch, height, width, _ = images.shape
    centres = jax.random.randint(key, (batch, 2), 0, jnp.array([[height, width]]), jnp.int32)
    return _without_square(images, centres - size // 2, size)


def random_inner_cutout(key: Array, images: Images, size: Count) -> Images:
    """Fills a square with zeros that lies inside the image, at each place equally often.

    So every image loses as many pixels, where `random_cutout` takes fewer at an edge. It is the
    cutout of Jordan's 96% recipe, with a size of 12: arXiv 2404.00498, in airbench96.py.

    Args:
      size: pixels of the square's side, at most those of the image.
    """
    batch, height, width, _ = images.shape
    places = jnp.array([[height, width]]) - size + 1
    return _without_square(images, jax.random.randint(key, (batch, 2), 0, places, jnp.int32), size)


def _without_square(images: Images, start: Int32[Array, "batch 2"], size: int) -> Images:
    """Fills the square whose first row and column are `start` with zeros."""
    _, height, width, _ = images.shape
    rows = jnp.arange(height)[None] - start[:, :1]
    columns = jnp.arange(width)[None] - start[:, 1:]
    inside_rows = (rows >= 0) & (rows < size)
    inside_columns = (columns >= 0) & (columns < size)
    inside = inside_rows[:, :, None] & inside_columns[:, None, :]
    return jnp.where(inside[..., None], 0, images)


def random_erasing(
    key: Array,
    images: Images,
    probability: Probability,
    area: tuple[float, float] = (0.02, 0.33),
    aspect: tuple[float, float] = (0.3, 3.3),
) -> Images:
    """Fills a random rectangle of some images with zeros (Zhong et al., arXiv 1708.04896).

    The rectangle is drawn as in torchvision's RandomErasing, up to ten times. The image stays whole
    if none of the ten rectangles fits into it.

    Args:
      area: least and largest share of the image: 0.33 as in torchvision; timm has 1/3.
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


@dataclass(frozen=True)
class InStep:
    """A random change to a batch, computed inside the step.

    Attributes:
      function: (key, images, amount) -> images, where the amount is the value of the key
        `data.NAME`; a row in a user's file takes (key, images) and options.
      key: the key of a step's augmentation -> the row's own; None: folds in the row's
        name, without the file's folder.
    """

    function: Callable[..., Images]
    key: Callable[[Array], Array] | None = None

    def own_key(self, key: Array, name: str) -> Array:
        """The row's own key."""
        if self.key is not None:
            return self.key(key)
        return jax.random.fold_in(key, zlib.crc32(name.encode()))


def _third(place: int) -> Callable[[Array], Array]:
    return lambda key: jax.random.split(key, 3)[place]


# In the order in which they change an image.
AUGMENTATIONS = Table(
    "augmentation",
    {
        "pad": InStep(random_crop, _third(0)),
        "reflect_pad": InStep(random_reflected_crop, _third(0)),
        "flip": InStep(_flip, _third(1)),
        "cutout": InStep(random_cutout, _third(2)),
        "inner_cutout": InStep(random_inner_cutout, _third(2)),
        "erase": InStep(random_erasing, lambda key: jax.random.fold_in(key, 3)),
    },
)
FOREIGN = Table("augmentation", {"none": InStep(lambda key, images: images)}, InStep)


def amount_of(row: InStep) -> Any:
    """The annotation of a row's amount, its third parameter."""
    return list(annotations_of(row).values())[2]


class Augmentation:
    """The random changes that a training image goes through.

    Args:
      augment: one or several choices of rows in a user's file; they follow the other changes.
      amounts: of the rows of AUGMENTATIONS; a row whose amount is 0, False or None is left out.

    Attributes:
      alternating: whether flips are not drawn in a step but alternate; see order.mirrored.

    Raises:
      UserError: there is no such row.
    """

    def __init__(self, augment: Choice | Sequence[Choice] = (), **amounts: Any):
        for name in amounts:
            choose(AUGMENTATIONS, name, AUGMENTATIONS.what)
        self.alternating = amounts.get("flip") == "alternating"
        if self.alternating:
            del amounts["flip"]
        self._steps: list[tuple[str, InStep, tuple]] = [
            (name, row, (amounts[name],))
            for name, row in AUGMENTATIONS.items()
            if amounts.get(name)
        ]
        own = [augment] if isinstance(augment, str | Mapping) else augment
        # Without the folder, so that a copy of the file elsewhere draws the same.
        self._steps += [(Path(split(choice)[0]).name, FOREIGN.choose(choice), ()) for choice in own]

    def __call__(
        self, key: Array, images: Images, flipped: Bool[Array, "batch"] | None = None
    ) -> Images:
        """The images, changed at random.

        Args:
          flipped: which images are mirrored first, where flips alternate.
        """
        if flipped is not None:
            images = mirrored(images, flipped)
        for name, row, amount in self._steps:
            images = row.function(row.own_key(key, name), images, *amount)
        return images

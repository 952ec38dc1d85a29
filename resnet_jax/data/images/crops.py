"""Crops: the part of an image that a network sees, and its size. Workers import this module."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from resnet_jax.data.images.encoded import (
    MOST_PIXELS,
    UnreadableImage,
    decode,
    decode_part,
    size_of,
)
from resnet_jax.data.images.jpeg_cut import cut
from resnet_jax.tables import UserError, choose

if TYPE_CHECKING:
    from jaxtyping import UInt8


class Box(NamedTuple):
    """A part of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class RandomCrop:
    """A crop of random area and aspect, stretched to a square (Szegedy et al., arXiv 1409.4842).

    The box is drawn as in torchvision's RandomResizedCrop: after ten failures it is the centre.

    Attributes:
      area: least and largest share of the image that the crop covers.
      aspect: least and largest width / height; it is drawn evenly on a logarithmic scale.
    """

    area: tuple[float, float] = (0.08, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)

    def __call__(
        self, draw: np.random.Generator, encoded: bytes, size: int
    ) -> UInt8[np.ndarray, "size size 3"]:
        """Decodes as little as the crop needs and resizes it.

        Raises:
          UnreadableImage: the image can't be decoded.
        """
        height, width = size_of(encoded)
        box = self.box(draw, height, width)
        if min(box.height, box.width) < 2 * size:
            return stretched(decode_part(encoded, height, width, box), size)
        piece = cut(encoded, height, width, box)
        needed = piece.height * size / box.height, piece.width * size / box.width
        image = decode(piece.encoded, needed)
        # The image was decoded to half its size or less.
        down, across = image.shape[0] / piece.height, image.shape[1] / piece.width
        top, left = box.top - piece.top, box.left - piece.left
        rows = slice(round(top * down), round((top + box.height) * down))
        columns = slice(round(left * across), round((left + box.width) * across))
        return stretched(image[rows, columns], size)

    def box(self, draw: np.random.Generator, height: int, width: int) -> Box:
        """Draws the part of an image of this size."""
        (least, most), (narrow, broad) = self.area, map(math.log, self.aspect)
        for area, aspect, down, across in draw.random((10, 4)).tolist():
            geometric = math.sqrt(height * width * (least + area * (most - least)))
            stretch = math.exp((narrow + aspect * (broad - narrow)) / 2)
            box_width, box_height = round(geometric * stretch), round(geometric / stretch)
            if 0 < box_width <= width and 0 < box_height <= height:
                top = int(down * (height - box_height + 1))
                left = int(across * (width - box_width + 1))
                return Box(top, left, box_height, box_width)
        box_width = min(width, round(height * self.aspect[1]))
        box_height = min(height, round(width / self.aspect[0]))
        return Box((height - box_height) // 2, (width - box_width) // 2, box_height, box_width)


@dataclass(frozen=True)
class ScaledCrop:
    """A square crop at a random place of an image whose short side is drawn first.

    It is the scale augmentation of 'Deep Residual Learning', arXiv 1512.03385, section 3.4.

    Attributes:
      short_side: least and largest short side of the resized image, in pixels.
    """

    short_side: tuple[int, int]

    def __call__(
        self, draw: np.random.Generator, encoded: bytes, size: int
    ) -> UInt8[np.ndarray, "size size 3"]:
        """Decodes, resizes and crops.

        Raises:
          UnreadableImage: the image can't be decoded.
        """
        least, most = self.short_side
        shape = resized_shape(size_of(encoded), int(draw.integers(least, most + 1)))
        top, left = (int(draw.integers(0, side - size + 1)) for side in shape)
        return part_of_resized(decode(encoded, shape), shape, Box(top, left, size, size))


def scaled_crop(short_side: tuple[int, int], size: int) -> ScaledCrop:
    """Returns the scaled crop whose sides have `size` pixels.

    Raises:
      UserError: a resized image may be smaller than the crop.
    """
    if len(short_side) != 2 or not size <= short_side[0] <= short_side[1]:
        raise UserError(
            f"data.short_side={tuple(short_side)} must be two numbers that rise from no less than"
            f" the {size} pixels of data.image_size"
        )
    return ScaledCrop(short_side)


def stretched(image: np.ndarray, size: int) -> UInt8[np.ndarray, "size size 3"]:
    """Resizes to a square; averages if a side shrinks by more than half, else interpolates."""
    import cv2

    # Up to a factor of two, interpolation reads every pixel.
    kind = cv2.INTER_AREA if max(image.shape[:2]) > 2 * size else cv2.INTER_LINEAR
    return cv2.resize(image, (size, size), interpolation=kind)


FILTERS = {"bilinear": "BILINEAR", "bicubic": "BICUBIC"}


def resized_shape(shape: tuple[int, ...], short: int) -> tuple[int, int]:
    """Height and width of an image once its short side has `short` pixels.

    The long side is rounded down, as in torchvision's Resize.
    """
    height, width = shape
    least = min(height, width)
    return int(short * height / least), int(short * width / least)


def centred(length: int, size: int) -> int:
    """The top or left of a centred crop.

    A half is rounded to the even number, as in torchvision's CenterCrop.
    """
    return round((length - size) / 2)


def resized(
    image: UInt8[np.ndarray, "height width 3"], shape: tuple[int, int], interpolation: str
) -> UInt8[np.ndarray, "new_height new_width 3"]:
    """The whole image at another height and width, by one of Pillow's antialiased FILTERS.

    Raises:
      UnreadableImage: it would have more than encoded.MOST_PIXELS, as a line of a pixel may.
    """
    from PIL import Image

    if math.prod(shape) > MOST_PIXELS:
        height, width = image.shape[:2]
        raise UnreadableImage(
            f"it has {height} x {width} pixels, and so {shape[0]} x {shape[1]} once its short side"
            f" is resized, more than {MOST_PIXELS:,}"
        )

    kind = Image.Resampling[choose(FILTERS, interpolation, "data.interpolation")]
    return np.asarray(Image.fromarray(image).resize(shape[::-1], kind))


def part_of_resized(
    image: UInt8[np.ndarray, "height width 3"], shape: tuple[int, int], box: Box
) -> UInt8[np.ndarray, "box_height box_width 3"]:
    """A part of the image resized to `shape`, without the rest of it.

    It takes a third of the time of resizing the whole, and some values are rounded otherwise: good
    enough for training, where the crop is random, and not for evaluation.
    """
    from PIL import Image

    rows, columns = image.shape[0] / shape[0], image.shape[1] / shape[1]
    region = (
        box.left * columns,
        box.top * rows,
        (box.left + box.width) * columns,
        (box.top + box.height) * rows,
    )
    size = box.width, box.height
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR, box=region))

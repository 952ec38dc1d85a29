"""Random changes of colour and shape, one image at a time on the host.

The operations and their strengths are those of torchvision's transforms on Pillow images, bilinear
and black outside, as in its recipes (references/classification/presets.py; the transforms alone
take the nearest pixel). Worker processes import this module, so it does without JAX.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from resnet_jax.data.changes.timm_augment import Operations, TimmRandAugment
from resnet_jax.tables import Table
from resnet_jax.tables.constraints import Interval

Level = Annotated[int, Interval(0, 30)]
BILINEAR = Image.Resampling.BILINEAR
Picture = Image.Image
Change = Callable[[np.random.Generator, Picture], Picture]


def _affine(image: Picture, *matrix: float) -> Picture:
    return image.transform(image.size, Image.Transform.AFFINE, matrix, BILINEAR)


def _enhanced(kind: Callable[[Picture], ImageEnhance._Enhance]) -> Callable[..., Picture]:
    return lambda image, strength: kind(image).enhance(1 + strength)


# (image, strength) -> image
OPERATIONS: dict[str, Callable[[Picture, float], Picture]] = {
    "Identity": lambda image, _: image,
    "ShearX": lambda image, strength: _affine(image, 1, strength, 0, 0, 1, 0),
    "ShearY": lambda image, strength: _affine(image, 1, 0, 0, strength, 1, 0),
    "TranslateX": lambda image, strength: _affine(image, 1, 0, -int(strength), 0, 1, 0),
    "TranslateY": lambda image, strength: _affine(image, 1, 0, 0, 0, 1, -int(strength)),
    "Rotate": lambda image, strength: image.rotate(strength, BILINEAR),
    "Brightness": _enhanced(ImageEnhance.Brightness),
    "Color": _enhanced(ImageEnhance.Color),
    "Contrast": _enhanced(ImageEnhance.Contrast),
    "Sharpness": _enhanced(ImageEnhance.Sharpness),
    "Posterize": lambda image, strength: ImageOps.posterize(image, int(strength)),
    "Solarize": lambda image, strength: ImageOps.solarize(image, math.ceil(strength)),
    "AutoContrast": lambda image, _: ImageOps.autocontrast(image),
    "Equalize": lambda image, _: ImageOps.equalize(image),
    "Invert": lambda image, _: ImageOps.invert(image),
}
# The sign of their strength is drawn at random.
SIGNED = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate",
          "Brightness", "Color", "Contrast", "Sharpness")  # fmt: skip
UNMEASURED = ("Identity", "AutoContrast", "Equalize", "Invert")


@dataclass(frozen=True)
class Strengths:
    """The strength of each operation at its highest level; at level 0 it changes next to nothing.

    Attributes:
      levels: number of levels: 0, 1, ... levels - 1.
      shear: share of a side.
      translate: pixels; None means 150/331 of the side, as in AutoAugment.
      rotate: degrees.
      enhance: added to a factor of 1.
      posterize: bits that are removed.
    """

    levels: int
    shear: float
    translate: float | None
    rotate: float
    enhance: float
    posterize: int

    def at(self, level: int, operation: str, size: tuple[int, int]) -> float:
        """The strength for an image of this width and height."""
        share = level / (self.levels - 1)
        if operation == "Posterize":
            return 8 - round(level / ((self.levels - 1) / self.posterize))
        if operation == "Solarize":
            return 255 * (1 - share)
        if operation.startswith("Translate"):
            side = size[operation == "TranslateY"]
            return share * (150 / 331 * side if self.translate is None else self.translate)
        if operation.startswith("Shear"):
            return share * self.shear
        if operation in UNMEASURED:
            return 0.0
        return share * (self.rotate if operation == "Rotate" else self.enhance)


def _changed(
    draw: np.random.Generator, image: Picture, operation: str, strengths: Strengths, level: int
) -> Picture:
    strength = strengths.at(level, operation, image.size)
    if operation in SIGNED and draw.random() < 0.5:
        strength = -strength
    return OPERATIONS[operation](image, strength)


# Pairs of (operation, probability, level of 10); an operation without strength has level 0.
IMAGENET_POLICIES = (
    (("Posterize", 0.4, 8), ("Rotate", 0.6, 9)),
    (("Solarize", 0.6, 5), ("AutoContrast", 0.6, 0)),
    (("Equalize", 0.8, 0), ("Equalize", 0.6, 0)),
    (("Posterize", 0.6, 7), ("Posterize", 0.6, 6)),
    (("Equalize", 0.4, 0), ("Solarize", 0.2, 4)),
    (("Equalize", 0.4, 0), ("Rotate", 0.8, 8)),
    (("Solarize", 0.6, 3), ("Equalize", 0.6, 0)),
    (("Posterize", 0.8, 5), ("Equalize", 1.0, 0)),
    (("Rotate", 0.2, 3), ("Solarize", 0.6, 8)),
    (("Equalize", 0.6, 0), ("Posterize", 0.4, 6)),
    (("Rotate", 0.8, 8), ("Color", 0.4, 0)),
    (("Rotate", 0.4, 9), ("Equalize", 0.6, 0)),
    (("Equalize", 0.0, 0), ("Equalize", 0.8, 0)),
    (("Invert", 0.6, 0), ("Equalize", 1.0, 0)),
    (("Color", 0.6, 4), ("Contrast", 1.0, 8)),
    (("Rotate", 0.8, 8), ("Color", 1.0, 2)),
    (("Color", 0.8, 8), ("Solarize", 0.8, 7)),
    (("Sharpness", 0.4, 7), ("Invert", 0.6, 0)),
    (("ShearX", 0.6, 5), ("Equalize", 1.0, 0)),
    (("Color", 0.4, 0), ("Equalize", 0.6, 0)),
    (("Equalize", 0.4, 0), ("Solarize", 0.2, 4)),
    (("Solarize", 0.6, 5), ("AutoContrast", 0.6, 0)),
    (("Invert", 0.6, 0), ("Equalize", 1.0, 0)),
    (("Color", 0.6, 4), ("Contrast", 1.0, 8)),
    (("Equalize", 0.8, 0), ("Equalize", 0.6, 0)),
)
AUTO = Strengths(10, shear=0.3, translate=None, rotate=30, enhance=0.9, posterize=4)
RAND = Strengths(31, shear=0.3, translate=None, rotate=30, enhance=0.9, posterize=4)
WIDE = Strengths(31, shear=0.99, translate=32, rotate=135, enhance=0.99, posterize=6)
# RandAugment and TrivialAugment choose from these operations.
CANDIDATES = tuple(name for name in OPERATIONS if name != "Invert")


@dataclass(frozen=True)
class AutoAugment:
    """Applies one of the 25 pairs found for ImageNet (Cubuk et al., arXiv 1805.09501, Table 9)."""

    def __call__(self, draw: np.random.Generator, image: Picture) -> Picture:
        for operation, probability, level in IMAGENET_POLICIES[draw.integers(25)]:
            if draw.random() < probability:
                image = _changed(draw, image, operation, AUTO, level)
        return image


@dataclass(frozen=True)
class RandAugment:
    """Applies evenly drawn operations, all at one level (Cubuk et al., arXiv 1909.13719).

    Attributes:
      operations: number of operations, applied one after another.
      magnitude: level of the operations, 0 to 30.
    """

    operations: Operations = 2
    magnitude: Level = 9

    def __call__(self, draw: np.random.Generator, image: Picture) -> Picture:
        for _ in range(self.operations):
            operation = CANDIDATES[draw.integers(len(CANDIDATES))]
            image = _changed(draw, image, operation, RAND, self.magnitude)
        return image


@dataclass(frozen=True)
class TrivialAugment:
    """Applies one operation at one level, both drawn evenly.

    This is the 'Wide' version of Müller & Hutter, arXiv 2103.10158.
    """

    def __call__(self, draw: np.random.Generator, image: Picture) -> Picture:
        operation = CANDIDATES[draw.integers(len(CANDIDATES))]
        return _changed(draw, image, operation, WIDE, int(draw.integers(WIDE.levels)))


@dataclass(frozen=True)
class ThreeAugment:
    """Makes the image grey, solarises it or blurs it, each as often as the others.

    Touvron et al., arXiv 2204.07118, section 3.1.
    """

    def __call__(self, draw: np.random.Generator, image: Picture) -> Picture:
        choice = draw.integers(3)
        if choice == 0:
            return ImageOps.grayscale(image).convert("RGB")
        if choice == 1:
            return ImageOps.solarize(image)
        return image.filter(ImageFilter.GaussianBlur(draw.uniform(0.1, 2.0)))


@dataclass(frozen=True)
class Jitter:
    """Changes brightness, contrast, saturation and hue in random order.

    Attributes:
      brightness, contrast, saturation: the factor is drawn from 1 - x to 1 + x.
      hue: the shift is drawn from -x to x, in turns of the colour wheel; x is at most 0.5.
    """

    brightness: float
    contrast: float
    saturation: float
    hue: float

    def __call__(self, draw: np.random.Generator, image: Picture) -> Picture:
        for place in draw.permutation(4):
            most = (self.brightness, self.contrast, self.saturation, self.hue)[place]
            if not most:
                continue
            if place == 3:
                image = shifted_hue(image, draw.uniform(-most, most))
            else:
                operation = ("Brightness", "Contrast", "Color")[place]
                image = OPERATIONS[operation](image, draw.uniform(max(-1, -most), most))
        return image


def shifted_hue(image: Picture, turns: float) -> Picture:
    """Turns the colour wheel, in 255 steps as torchvision does."""
    hue, saturation, value = image.convert("HSV").split()
    shift = math.trunc(turns * 255)
    turned = (np.asarray(hue).astype(np.int32) + shift) % 256
    hue = Image.fromarray(turned.astype(np.uint8))
    return Image.merge("HSV", (hue, saturation, value)).convert("RGB")


POLICIES = Table(
    "data.policy",
    {
        "none": lambda: None,
        "auto_augment": AutoAugment,
        "rand_augment": RandAugment,
        "timm_rand_augment": TimmRandAugment,
        "trivial_augment": TrivialAugment,
        "three_augment": ThreeAugment,
    },
)


@dataclass(frozen=True)
class ChangedCrop:
    """A random crop, then the changes in their order; see chunks.TrainTransform."""

    crop: Callable[[np.random.Generator, bytes, int], np.ndarray]
    changes: tuple[Change, ...]

    def __call__(self, draw: np.random.Generator, encoded: bytes, size: int) -> np.ndarray:
        pixels = self.crop(draw, encoded, size)
        if not self.changes:
            return pixels
        image = Image.fromarray(pixels)
        for change in self.changes:
            image = change(draw, image)
        return np.asarray(image)

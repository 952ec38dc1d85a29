"""timm's version of RandAugment, the one of 'ResNet strikes back'.

It differs from torchvision's (policies.RandAugment) in its operations, and in how often and how
strongly they are applied. Worker processes import this module, so it does without JAX.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from resnet_jax.tables.constraints import Interval
from resnet_jax.tables.domains import NonNegative, Probability

Operations = Annotated[int, Interval(1, 100)]
Level = Annotated[float, Interval(0, 10)]
Value = Annotated[int, Interval(0, 255)]
Picture = Image.Image
Enhancer = Callable[[Picture], ImageEnhance._Enhance]


@dataclass(frozen=True)
class TimmRandAugment:
    """Applies evenly drawn operations, each with a probability of its own.

    It is `rand-mM-mstdD-inc1` of timm (timm/data/auto_augment.py): level M is drawn anew for each
    operation from a normal distribution with deviation D, and cut to 0 to 10.

    Attributes:
      operations: number of operations that are drawn, with repetition.
      magnitude: mean level of the operations, 0 to 10.
      deviation: of the level.
      probability: that an operation which was drawn is applied.
      fill: colour, 0 to 255, of what an operation moves into the image; by default ImageNet's mean.
    """

    operations: Operations = 2
    magnitude: Level = 9.0
    deviation: NonNegative = 0.5
    probability: Probability = 0.5
    fill: tuple[Value, Value, Value] = (124, 116, 104)

    def __call__(self, draw: np.random.Generator, image: Picture) -> Picture:
        for name in draw.choice(list(OPERATIONS), self.operations):
            if draw.random() < self.probability:
                level = min(max(draw.normal(self.magnitude, self.deviation), 0.0), 10.0)
                image = OPERATIONS[name](image, level / 10, self._moved(draw), _sign(draw))
        return image

    def _moved(self, draw: np.random.Generator) -> Callable[..., Picture]:
        """Moves pixels with a filter that is drawn anew."""
        kind = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)[draw.integers(2)]

        def moved(
            image: Picture, matrix: tuple[float, ...] | None, degrees: float = 0.0
        ) -> Picture:
            if matrix is None:
                return image.rotate(degrees, resample=kind, fillcolor=self.fill)
            method = Image.Transform.AFFINE
            return image.transform(image.size, method, matrix, resample=kind, fillcolor=self.fill)

        return moved


def _sign(draw: np.random.Generator) -> int:
    return -1 if draw.random() < 0.5 else 1


def _enhanced(kind: Enhancer, image: Picture, share: float, moved: object, sign: int) -> Picture:
    return kind(image).enhance(max(0.1, 1 + sign * 0.9 * share))


def _solarize_add(image: Picture, share: float, moved: object, sign: int) -> Picture:
    """Adds up to 110 to the values below 128."""
    table = [min(255, value + int(110 * share)) if value < 128 else value for value in range(256)]
    return image.point(table * len(image.getbands()))


def _posterize(image: Picture, share: float, moved: object, sign: int) -> Picture:
    """Keeps the 4 highest bits of a value, and none at the highest level, which Pillow refuses."""
    removed = 2 ** (4 + int(4 * share)) - 1
    return image.point([value & ~removed for value in range(256)] * len(image.getbands()))


# (image, level as a share of the highest, how pixels move, 1 or -1) -> image
OPERATIONS: dict[str, Callable[..., Picture]] = {
    "AutoContrast": lambda image, *_: ImageOps.autocontrast(image),
    "Equalize": lambda image, *_: ImageOps.equalize(image),
    "Invert": lambda image, *_: ImageOps.invert(image),
    "Rotate": lambda image, share, moved, sign: moved(image, None, sign * 30 * share),
    "Posterize": _posterize,
    "Solarize": lambda image, share, *_: ImageOps.solarize(image, 256 - int(256 * share)),
    "SolarizeAdd": _solarize_add,
    "Color": partial(_enhanced, ImageEnhance.Color),
    "Contrast": partial(_enhanced, ImageEnhance.Contrast),
    "Brightness": partial(_enhanced, ImageEnhance.Brightness),
    "Sharpness": partial(_enhanced, ImageEnhance.Sharpness),
    "ShearX": lambda image, share, moved, sign: moved(image, (1, sign * 0.3 * share, 0, 0, 1, 0)),
    "ShearY": lambda image, share, moved, sign: moved(image, (1, 0, 0, sign * 0.3 * share, 1, 0)),
    "TranslateX": lambda image, share, moved, sign: moved(
        image, (1, 0, sign * 0.45 * share * image.width, 0, 1, 0)
    ),
    "TranslateY": lambda image, share, moved, sign: moved(
        image, (1, 0, 0, 0, 1, sign * 0.45 * share * image.height)
    ),
}

"""Random shifts of all pixels along the principal colours of photographs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

# Square roots of the variances of ImageNet's RGB values, on the scale of [0, 1], and their
# directions, one a column: fb.resnet.torch, datasets/imagenet.lua.
SPREAD = np.array([0.2175, 0.0188, 0.0045])
DIRECTIONS = np.array(
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]
)


@dataclass(frozen=True)
class Lighting:
    """Adds a colour to all pixels: the colour augmentation of Krizhevsky et al., NIPS 2012, 4.1.

    Values are rounded to whole levels of 0 to 255 and cut to them; fb.resnet.torch does neither.

    Attributes:
      deviation: of the factor that each principal direction is drawn with.
    """

    deviation: float

    def __call__(self, draw: np.random.Generator, image: Image.Image) -> Image.Image:
        shift = 255 * DIRECTIONS @ (draw.normal(0, self.deviation, 3) * SPREAD)
        return Image.fromarray(
            np.clip(np.round(np.asarray(image) + shift), 0, 255).astype(np.uint8)
        )

"""The views of an image that evaluation averages. Worker processes import this module."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from resnet_jax.data.images.crops import Box, centred, crop_of_resized, resized
from resnet_jax.tables import UserError, choose

if TYPE_CHECKING:
    from jaxtyping import UInt8


class Kind(NamedTuple):
    """The crops that are taken of an image at each scale: the centre, and others.

    Attributes:
      corners: whether the four corners are taken.
      mirrored: whether the mirror image of each crop is taken.
    """

    corners: bool
    mirrored: bool

    @property
    def crops(self) -> int:
        return (5 if self.corners else 1) * (2 if self.mirrored else 1)


KINDS = {
    "centre": Kind(corners=False, mirrored=False),
    "mirrored": Kind(corners=False, mirrored=True),
    # Krizhevsky et al., NIPS 2012, section 4.1.
    "ten": Kind(corners=True, mirrored=True),
}


class Views(NamedTuple):
    """A stack of crops of one size, of an image resized to each of the scales.

    The pixels equal those of torchvision's Resize with CenterCrop or TenCrop of a PIL image: the
    filters are Pillow's antialiased ones, the long side is rounded down, and nothing is padded.

    Attributes:
      size: side of a crop, in pixels.
      scales: short sides of the resized images, in pixels.
      kind: a key of KINDS.
      interpolation: a key of crops.FILTERS.
    """

    size: int
    scales: tuple[int, ...]
    kind: str = "centre"
    interpolation: str = "bilinear"

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return (len(self.scales) * KINDS[self.kind].crops, self.size, self.size, 3)

    def __call__(
        self, image: UInt8[np.ndarray, "height width 3"]
    ) -> UInt8[np.ndarray, "views size size 3"]:
        return np.concatenate([self._of_scale(image, scale) for scale in self.scales])

    def _of_scale(self, image: np.ndarray, scale: int) -> np.ndarray:
        kind = KINDS[self.kind]
        shape = resized(image.shape[:2], scale)
        down, right = shape[0] - self.size, shape[1] - self.size
        corners = [(centred(shape[0], self.size), centred(shape[1], self.size))]
        if kind.corners:
            corners += [(0, 0), (0, right), (down, 0), (down, right)]
        crops = np.stack(
            [
                crop_of_resized(
                    image, shape, Box(top, left, self.size, self.size), self.interpolation
                )
                for top, left in corners
            ]
        )
        return np.concatenate([crops, crops[:, :, ::-1]]) if kind.mirrored else crops


def views(
    size: int,
    crop_ratio: float = 0.875,
    kind: str = "centre",
    scales: tuple[int, ...] | None = None,
    interpolation: str = "bilinear",
) -> Views:
    """The views of an evaluation.

    Args:
      crop_ratio: `size` divided by the short side of the resized image; 0.875 is 224 of 256.
      scales: short sides, in place of the one that follows from `crop_ratio`.

    Raises:
      UserError: there is no such kind, or crops would reach over the edge of the resized image.
    """
    choose(KINDS, kind, "data.eval_views")
    scales = (round(size / crop_ratio),) if scales is None else scales
    if not scales or min(scales) < size:
        raise UserError(
            f"crops of {size} pixels don't fit into an image whose short side has"
            f" {min(scales, default=0)}: set data.crop_ratio to at most 1, and each of"
            " data.eval_scales to no less than data.eval_size"
        )
    return Views(size, tuple(scales), kind, interpolation)

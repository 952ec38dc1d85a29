"""The views of an image that evaluation averages. Worker processes import this module."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from resnet_jax.data.images.crops import FILTERS, centred, resized, resized_shape
from resnet_jax.tables import UserError, choose

if TYPE_CHECKING:
    from jaxtyping import UInt8


class Kind(NamedTuple):
    """The crops that are taken of an image at each scale: the centre, and others.

    Attributes:
      mirrored: whether the mirror image of each crop is taken.
      corners: whether the four corners are taken.
      shift: pixels by which the centre's crop is moved too: up and left, and down and right, over
        the reflection of what lies inside where the image ends. 0: it is not moved.
    """

    mirrored: bool = False
    corners: bool = False
    shift: int = 0

    @property
    def shifts(self) -> tuple[int, ...]:
        """How far down and right the crops of the centre are, the centre itself first."""
        return (0, -self.shift, self.shift) if self.shift else (0,)

    @property
    def crops(self) -> int:
        return (len(self.shifts) + 4 * self.corners) * (2 if self.mirrored else 1)

    @property
    def weights(self) -> tuple[float, ...] | None:
        """What each crop counts for, in their order; None: all the same.

        Half of the weight is the centre's and half that of both shifts (Jordan, arXiv 2404.00498,
        in airbench94.py and airbench96.py).
        """
        if not self.shift:
            return None
        sides = 2 if self.mirrored else 1
        return (1 / 2 / sides, 1 / 4 / sides, 1 / 4 / sides) * sides


KINDS = {
    "centre": Kind(),
    "mirrored": Kind(mirrored=True),
    # The centre, and crops one pixel above and left of it, and below and right of it.
    "mirrored_shifted": Kind(mirrored=True, shift=1),
    # Krizhevsky et al., NIPS 2012, section 4.1.
    "ten": Kind(mirrored=True, corners=True),
}


class Views(NamedTuple):
    """A stack of crops of one size, of an image resized to each of the scales.

    The pixels are those of torchvision's Resize with CenterCrop or TenCrop of a PIL image, to the
    last value: Pillow resizes the whole image, its long side rounded down, and then it is cropped.

    Attributes:
      size: side of a crop, in pixels.
      scales: short sides of the resized images, in pixels. None keeps an image as it is, unless it
        is smaller than a crop, whose size its short side then gets.
      kind: a key of KINDS.
      interpolation: a key of crops.FILTERS.
    """

    size: int
    scales: tuple[int | None, ...]
    kind: str = "centre"
    interpolation: str = "bilinear"

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return (len(self.scales) * KINDS[self.kind].crops, self.size, self.size, 3)

    @property
    def weights(self) -> tuple[float, ...] | None:
        """What each view counts for in their average, in their order; None: all the same."""
        of_scale = KINDS[self.kind].weights
        scales = len(self.scales)
        return None if of_scale is None else tuple(w / scales for w in of_scale) * scales

    def __call__(
        self, image: UInt8[np.ndarray, "height width 3"]
    ) -> UInt8[np.ndarray, "views size size 3"]:
        return np.concatenate([self._of_scale(image, scale) for scale in self.scales])

    def _of_scale(self, image: np.ndarray, scale: int | None) -> np.ndarray:
        kind, size = KINDS[self.kind], self.size
        short = max(min(image.shape[:2]), size) if scale is None else scale
        whole = resized(image, resized_shape(image.shape[:2], short), self.interpolation)
        down, right = whole.shape[0] - size, whole.shape[1] - size
        top, left = centred(whole.shape[0], size), centred(whole.shape[1], size)
        whole = np.pad(whole, ((kind.shift,) * 2, (kind.shift,) * 2, (0, 0)), "reflect")
        corners = [(top + kind.shift + by, left + kind.shift + by) for by in kind.shifts]
        if kind.corners:
            corners += [(0, 0), (0, right), (down, 0), (down, right)]
        crops = np.stack([whole[top : top + size, left : left + size] for top, left in corners])
        return np.concatenate([crops, crops[:, :, ::-1]]) if kind.mirrored else crops


def views(
    size: int,
    crop_ratio: float = 0.875,
    kind: str = "centre",
    scales: tuple[int | None, ...] | None = None,
    interpolation: str = "bilinear",
) -> Views:
    """The views of an evaluation.

    Args:
      crop_ratio: `size` divided by the short side of the resized image, which is rounded down, as
        in timm's transforms_factory.py and FixRes's transforms_v2.py: 0.875 is 224 of 256, and 0.95
        is 224 of 235.
      scales: short sides, in place of the one that follows from `crop_ratio`; see Views.

    Raises:
      UserError: there is no such kind or filter, or crops would reach over the edge of the resized
        image.
    """
    choose(KINDS, kind, "data.eval_views")
    choose(FILTERS, interpolation, "data.interpolation")
    scales = (math.floor(size / crop_ratio),) if scales is None else tuple(scales)
    least = min((size if scale is None else scale for scale in scales), default=0)
    if least < size:
        raise UserError(
            f"crops of {size} pixels don't fit into an image whose short side has {least}: set"
            " data.crop_ratio to at most 1, and each of data.eval_scales to no less than"
            " data.eval_size"
        )
    return Views(size, scales, kind, interpolation)

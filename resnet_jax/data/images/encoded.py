"""Sets of images that stay encoded until a batch needs them, and how an image is decoded.

`modes` says what pixels mean. A rotation in EXIF is ignored, as it is by torchvision and the codes
behind published accuracies. Worker processes import this module, so it does without JAX.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import numpy as np

from resnet_jax.data.images.jpeg_cut import END, START, cut
from resnet_jax.data.images.jpeg_region import decode_region
from resnet_jax.data.images.modes import UnreadableImage, rgb

if TYPE_CHECKING:
    from jaxtyping import UInt8

# Colour spaces of a JPEG that are left to Pillow, which converts them to RGB as others do.
INKS = ("CMYK", "YCCK")
# Names of image files end so, in any case of letters.
ENDINGS = (".jpeg", ".jpg", ".png", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp")
ORIENTATION = 0x0112  # the tag of EXIF
# Pillow refuses larger images, since a small file that claims so many pixels may fill the memory.
MOST_PIXELS = 178_956_970
TAIL = 1_024  # the marker at the end of a JPEG is among its last so many bytes


class EncodedSet(Protocol):
    """Encoded images that are read one at a time, and the class of each."""

    def __len__(self) -> int: ...

    def read(self, index: int) -> tuple[bytes, int]:
        """The content of an image file and its class; raises OSError if it can't be read."""
        ...

    def name(self, index: int) -> str:
        """The name of an image in messages: its path, or another name where it has none."""
        ...


def decode(
    encoded: bytes, least: tuple[float, float] | None = None
) -> UInt8[np.ndarray, "height width 3"]:
    """RGB pixels of an image file of any kind that Pillow knows; see modes.MEANING.

    Args:
      least: height and width in pixels. A JPEG may be decoded to half its size or less if the
        result is no smaller than this; libjpeg-turbo does so in the frequency domain. None asks for
        the whole size.

    Raises:
      UnreadableImage: the content is damaged, cut off, no image, of a mode without a meaning, or of
        more than MOST_PIXELS.
    """
    import simplejpeg

    if encoded[:2] == START:
        height, width = least or (0, 0)
        try:
            *shape, colours, _ = simplejpeg.decode_jpeg_header(encoded)
            _check_size(*shape)
            if colours not in INKS:
                return simplejpeg.decode_jpeg(
                    encoded,
                    "RGB",
                    min_height=int(np.ceil(height)),
                    min_width=int(np.ceil(width)),
                    # Sizes between the half and the whole take longer than the whole.
                    min_factor=2.0,
                )
        except ValueError:
            # libjpeg warns of faults that leave the pixels intact; Pillow, below, accepts those.
            pass
    return _decode_with_pillow(encoded)


def decode_part(
    encoded: bytes, height: int, width: int, box: tuple[int, int, int, int]
) -> UInt8[np.ndarray, "box_height box_width 3"]:
    """A part of the pixels that `decode` returns; for a JPEG, few others are computed.

    The next call may overwrite them.

    Args:
      height, width: of the image.
      box: top, left, height and width of the part.

    Raises:
      UnreadableImage: as `decode`; damage outside of the part may go unnoticed.
    """
    piece = cut(encoded, height, width, box)
    # A truncated file may hold the whole part; what it gives must not depend on what is installed.
    if piece.encoded is encoded and encoded[:2] == START and END in encoded[-TAIL:]:
        part = decode_region(encoded, *box)
        if part is not None:
            return part
    top, left = box[0] - piece.top, box[1] - piece.left
    return decode(piece.encoded)[top : top + box[2], left : left + box[3]]


def size_of(encoded: bytes) -> tuple[int, int]:
    """Height and width of an image, from its header alone.

    Raises:
      UnreadableImage: the content has no header of an image, or one of more than MOST_PIXELS.
    """
    import simplejpeg

    if encoded[:2] == START:
        try:
            height, width = simplejpeg.decode_jpeg_header(encoded)[:2]
        except ValueError:
            pass
        else:
            _check_size(height, width)
            return height, width
    image = _open(encoded)
    return image.height, image.width


def _check_size(height: int, width: int) -> None:
    if height * width > MOST_PIXELS:
        raise UnreadableImage(f"it has {height} x {width} pixels, more than {MOST_PIXELS:,}")


def orientation_of(encoded: bytes) -> int:
    """The rotation that EXIF asks for, 1 to 8; 1 is none.

    Raises:
      UnreadableImage: the content has no header of an image.
    """
    image = _open(encoded)
    with _refusing():
        found = image.getexif().get(ORIENTATION, 1)
    return found if found in range(1, 9) else 1


def _decode_with_pillow(encoded: bytes) -> np.ndarray:
    image = _open(encoded)
    with _refusing():
        return rgb(image)


def _open(encoded: bytes):
    from PIL import Image, UnidentifiedImageError

    if not encoded:
        raise UnreadableImage("the file is empty")
    with _refusing():
        try:
            return Image.open(io.BytesIO(encoded))
        except UnidentifiedImageError:
            raise UnreadableImage("the content is of no known kind of image") from None


@contextmanager
def _refusing() -> Iterator[None]:
    """Entered while Pillow reads: what it raises becomes UnreadableImage, and it warns of nothing.

    Its readers of some thirty kinds of files raise whatever their parsing of damaged ones ends in,
    KeyError and NotImplementedError among others.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        try:
            yield
        except UnreadableImage:
            raise
        except Exception as error:
            said = str(error).strip().partition("\n")[0].rstrip(". ")
            raise UnreadableImage(said or type(error).__name__) from None

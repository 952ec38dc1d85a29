"""Sets whose images stay as files have them until a batch asks for them, and their decoding.

What is decoded is the image as it is stored: a rotation that EXIF asks for is not applied, as
torchvision and the codes behind published accuracies don't. Worker processes import this module, so
it does without JAX.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import UInt8

# Starts of a JPEG's colour spaces that Pillow converts to RGB as everyone else does.
INKS = ("CMYK", "YCCK")


class UnreadableImage(Exception):
    """An image can't be read or decoded; the text says why."""


class EncodedSet(Protocol):
    """Images that are read one at a time, undecoded, and the class of each."""

    def __len__(self) -> int: ...

    def read(self, index: int) -> tuple[bytes, int]:
        """The content of an image file and its class; raises OSError where it can't be had."""
        ...

    def name(self, index: int) -> str:
        """What to call an image where one speaks of it: its path."""
        ...


def decode(
    encoded: bytes, least: tuple[float, float] | None = None
) -> UInt8[np.ndarray, "height width 3"]:
    """RGB pixels of an image file of any kind that Pillow knows.

    Args:
      least: height and width in pixels; a JPEG may be decoded to half its size or less that has as
        many, which libjpeg-turbo does in the frequency domain. None is the whole size.

    Raises:
      UnreadableImage: the content is damaged, cut off or no image.
    """
    import simplejpeg

    if encoded[:2] == b"\xff\xd8":
        height, width = least or (0, 0)
        try:
            if simplejpeg.decode_jpeg_header(encoded)[2] not in INKS:
                return simplejpeg.decode_jpeg(
                    encoded,
                    "RGB",
                    min_height=int(np.ceil(height)),
                    min_width=int(np.ceil(width)),
                    # Sizes between the whole and the half take longer than the whole.
                    min_factor=2.0,
                )
        except ValueError:
            # It refuses whatever libjpeg warns of. Pillow passes over what leaves pixels intact.
            pass
    return _decode_with_pillow(encoded)


def size_of(encoded: bytes) -> tuple[int, int]:
    """Height and width, from the header alone.

    Raises:
      UnreadableImage: the content has no header of an image.
    """
    import simplejpeg

    if encoded[:2] == b"\xff\xd8":
        try:
            return simplejpeg.decode_jpeg_header(encoded)[:2]
        except ValueError:
            pass
    image = _open(encoded)
    return image.height, image.width


def _decode_with_pillow(encoded: bytes) -> np.ndarray:
    image = _open(encoded)
    try:
        return np.asarray(image.convert("RGB"))
    # Pillow raises these, by the kind of file and of damage.
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise UnreadableImage(str(error)) from None


def _open(encoded: bytes):
    from PIL import Image, UnidentifiedImageError

    if not encoded:
        raise UnreadableImage("the file is empty")
    try:
        return Image.open(io.BytesIO(encoded))
    except UnidentifiedImageError:
        raise UnreadableImage("the content is of no known kind of image") from None
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise UnreadableImage(str(error)) from None

"""Sets whose images stay as files have them until a batch asks for them, and their decoding.

What is decoded is the image as it is stored: a rotation that EXIF asks for is not applied, as
torchvision and the codes behind published accuracies don't. Worker processes import this module, so
it does without JAX.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Protocol

import numpy as np

from resnet_jax.data.images.jpeg_cut import END, START, cut
from resnet_jax.data.images.jpeg_region import decode_region

if TYPE_CHECKING:
    from jaxtyping import UInt8

# Starts of a JPEG's colour spaces that Pillow converts to RGB as everyone else does.
INKS = ("CMYK", "YCCK")
TAIL = 1_024  # bytes, among which the end of a JPEG is marked


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

    if encoded[:2] == START:
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


def decode_part(
    encoded: bytes, height: int, width: int, box: tuple[int, int, int, int]
) -> UInt8[np.ndarray, "box_height box_width 3"]:
    """Some of the pixels that `decode` gives; of a JPEG, few others are computed.

    They may lie in memory that the next call uses again.

    Args:
      height, width: of the image.
      box: top, left, height and width of the part.

    Raises:
      UnreadableImage: as `decode`, but damage outside of the part may go unnoticed.
    """
    piece = cut(encoded, height, width, box)
    # Of a file that is cut off, a part may be there: that is not to depend on what is installed.
    if piece.encoded is encoded and encoded[:2] == START and END in encoded[-TAIL:]:
        part = decode_region(encoded, *box)
        if part is not None:
            return part
    top, left = box[0] - piece.top, box[1] - piece.left
    return decode(piece.encoded)[top : top + box[2], left : left + box[3]]


def size_of(encoded: bytes) -> tuple[int, int]:
    """Height and width, from the header alone.

    Raises:
      UnreadableImage: the content has no header of an image.
    """
    import simplejpeg

    if encoded[:2] == START:
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

"""What the pixels of an image file mean: three channels of 8 bits, whatever Pillow's mode.

Training, evaluation, prediction and prepared copies read images through this one function. It does
what torchvision's folders do, `Image.convert("RGB")`, except where that clamps 16 bits, shows the
colours behind transparent pixels, or makes something up. Worker processes import this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from PIL import Image

# In words, for those who prepare images for an exported network.
MEANING = (
    "the first frame as stored, without colour profile and EXIF rotation; 8 bits of RGB, grey in"
    " all three; the high byte of 16 bits; what is transparent lies on white"
)
PLAIN = ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr", "HSV")
WITH_ALPHA = ("LA", "PA", "RGBA")
WIDE = ("I;16", "I;16L", "I;16B", "I;16N")
# Tags of TIFF.
BITS, PHOTOMETRIC, WHITE_IS_ZERO = 258, 262, 0


class UnreadableImage(Exception):
    """Raised where an image can't be read or decoded; the message says why."""


def rgb(image: Image.Image) -> UInt8[np.ndarray, "height width 3"]:
    """The pixels of an opened file, see MEANING.

    Raises:
      UnreadableImage: the mode says nothing of what is black and what is white. A damaged file
        raises what Pillow raises.
    """
    # Pillow scales a PGM of more than 8 bits to 16 of them; before its version 11, PNG was "I" too.
    if image.mode in WIDE or (image.mode == "I" and image.format in ("PNG", "PPM")):
        return _of_wide(image)
    if image.mode in WITH_ALPHA or (image.mode in PLAIN and "transparency" in image.info):
        return _on_white(image)
    if image.mode in PLAIN:
        return np.asarray(image.convert("RGB"))
    raise UnreadableImage(
        f"its pixels are of Pillow's mode {image.mode}, which does not say what is black and what"
        " is white: save it with 8 or 16 bits of grey or colour"
    )


def _of_wide(image: Image.Image) -> np.ndarray:
    """Grey of 16 bits, or of 12 in a TIFF: the 8 highest, as Pillow reads colours of 16 bits."""
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(BITS, (16,))[0]
    values = np.asarray(image).astype(np.int64)
    pixels = values >> (bits - 8)
    if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        pixels = 255 - pixels
    if (clear := image.info.get("transparency")) is not None:
        pixels = np.where(values == clear, 255, pixels)
    return np.repeat(pixels.astype(np.uint8)[..., None], 3, axis=-1)


def _on_white(image: Image.Image) -> np.ndarray:
    from PIL import Image

    clear = image.info.get("transparency")
    if isinstance(clear, tuple) and max(clear) > 255:
        # Of 16 bits, which Pillow cuts from the pixels alone.
        image.info["transparency"] = tuple(value >> 8 for value in clear)
    over = image.convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", over.size, "white"), over))[..., :3]

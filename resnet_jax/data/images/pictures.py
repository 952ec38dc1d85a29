"""Reads single pictures for a network: turns them upright, resizes and crops them."""

import io
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from resnet_jax.data.images.crops import Box, centred, crop_of_resized, resized
from resnet_jax.tables import UserError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm")


def read_picture(
    file: Path | BinaryIO,
    shape: tuple[int, int, int],
    *,
    crop_ratio: float | None = None,
    interpolation: str | None = None,
    name: str = "",
) -> UInt8[np.ndarray, "height width channels"]:
    """Returns the centre of a picture, cut out as evaluation does (see views.Views).

    A picture that has the network's size already stays as it is.

    Args:
      shape: height, width and channels (1 or 3) of the network's images.
      crop_ratio: the longer side of the crop divided by the short side of the resized picture; None
        means 0.875 (224 of 256, as is usual on ImageNet), or 1 for images of up to 64 pixels.
      interpolation: a key of crops.FILTERS; None means bilinear.
      name: of the file, for errors; by default its path.

    Raises:
      UserError: the file can't be read as a picture.
    """
    height, width, channels = shape
    try:
        opened: Image.Image = Image.open(file)
        # Transparent pixels have colours that must not show: the picture lies on white.
        if opened.mode in ("RGBA", "LA", "PA") or "transparency" in opened.info:
            over = opened.convert("RGBA")
            opened = Image.alpha_composite(Image.new("RGBA", over.size, "white"), over)
        picture = ImageOps.exif_transpose(opened).convert("L" if channels == 1 else "RGB")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, SyntaxError) as error:
        raise UserError(
            f"{name or file} can't be read as a picture ({error}): give JPEG, PNG or another format"
            " that Pillow opens"
        ) from None
    pixels = np.asarray(picture)
    if pixels.shape[:2] != (height, width):
        size = max(height, width)
        ratio = crop_ratio or (0.875 if size > 64 else 1.0)
        down, across = resized(pixels.shape[:2], round(size / ratio))
        box = Box(centred(down, height), centred(across, width), height, width)
        pixels = crop_of_resized(pixels, (down, across), box, interpolation or "bilinear")
    return pixels.reshape(shape)


def picture_files(arguments: list[str], stdin: BinaryIO) -> list[tuple[str, Path | BinaryIO]]:
    """Names and files of all pictures that the arguments stand for, in order.

    An argument is a file; a folder, which stands for all pictures in it and below it; a pattern
    like 'photos/*.jpg'; or '-' for standard input, which holds either one picture or the path of a
    picture on each line.

    Raises:
      UserError: an argument stands for no picture.
    """
    found: list[tuple[str, Path | BinaryIO]] = []
    for argument in arguments:
        if argument != "-":
            found += [(str(path), path) for path in _paths(argument)]
            continue
        content = stdin.read()
        if _is_picture(content):
            found.append(("standard input", io.BytesIO(content)))
        else:
            lines = content.decode(errors="replace").splitlines()
            found += [(str(p), p) for line in lines if line.strip() for p in _paths(line.strip())]
    if not found:
        raise UserError("there is no picture to look at: give files, folders, patterns or -")
    return found


def _is_picture(content: bytes) -> bool:
    try:
        Image.open(io.BytesIO(content))
    except (UnidentifiedImageError, OSError):
        return False
    return True


def _paths(argument: str) -> list[Path]:
    path = Path(argument)
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
        if not found:
            raise UserError(f"folder {argument} holds no picture ({', '.join(SUFFIXES)})")
        return found
    if path.exists():
        return [path]
    if any(character in argument for character in "*?["):
        root = Path(path.anchor) if path.is_absolute() else Path()
        found = sorted(p for p in root.glob(str(path.relative_to(root))) if p.is_file())
        if found:
            return found
    raise UserError(f"there is no picture {argument}: give a file, a folder, a pattern or -")

"""Single pictures as a network takes them: read, turned upright, resized and cropped."""

import io
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from resnet_jax.tables import UserError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm")


def read_picture(
    file: Path | BinaryIO, shape: tuple[int, int, int], *, crop_ratio: float = 0.875, name: str = ""
) -> UInt8[np.ndarray, "height width channels"]:
    """Returns the centre of a picture.

    The shorter side is resized to the network's divided by `crop_ratio` (256 for 224 pixels, as is
    usual on ImageNet), then the centre is cut out. A picture of just the network's size stays as it
    is, and images of up to 64 pixels are not cropped beyond what makes them square.

    Args:
      shape: height, width and channels (1 or 3) of the network's images.
      name: of the file, for errors; by default its path.

    Raises:
      UserError: it can't be read as a picture.
    """
    height, width, channels = shape
    try:
        opened: Image.Image = Image.open(file)
        # Colours behind an alpha channel would show: a page is white.
        if opened.mode in ("RGBA", "LA", "PA") or "transparency" in opened.info:
            over = opened.convert("RGBA")
            opened = Image.alpha_composite(Image.new("RGBA", over.size, "white"), over)
        picture = ImageOps.exif_transpose(opened).convert("L" if channels == 1 else "RGB")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, SyntaxError) as error:
        raise UserError(
            f"{name or file} can't be read as a picture ({error}): give JPEG, PNG or another format"
            " that Pillow opens"
        ) from None
    if picture.size != (width, height):
        ratio = crop_ratio if min(height, width) > 64 else 1.0
        scale = max(height / picture.height, width / picture.width) / ratio
        size = (
            max(width, round(picture.width * scale)),
            max(height, round(picture.height * scale)),
        )
        picture = picture.resize(size, Image.Resampling.BILINEAR)
        left, top = (size[0] - width) // 2, (size[1] - height) // 2
        picture = picture.crop((left, top, left + width, top + height))
    return np.asarray(picture, np.uint8).reshape(shape)


def picture_files(arguments: list[str], stdin: BinaryIO) -> list[tuple[str, Path | BinaryIO]]:
    """Names and files of all pictures that the arguments mean, in order.

    An argument is a file; a folder, whose pictures in it and below it are taken; a pattern as
    'photos/*.jpg'; or '-', standard input, which holds either one picture or the paths of
    pictures, one a line.

    Raises:
      UserError: an argument means no picture.
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

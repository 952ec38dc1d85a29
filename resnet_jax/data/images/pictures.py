"""Reads single pictures for a network, as evaluation reads the images of a set."""

import io
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
from absl import logging
from jaxtyping import UInt8
from PIL import Image, ImageOps

from resnet_jax.data.images.encoded import (
    ENDINGS,
    ORIENTATION,
    UnreadableImage,
    decode,
    orientation_of,
    size_of,
)
from resnet_jax.data.images.views import Views
from resnet_jax.tables import UserError


class UnreadablePicture(UserError):
    """A picture can't be read; others may be."""

    def __init__(self, name: str, reason: str):
        super().__init__(
            f"{name} can't be read as a picture ({reason}): give JPEG, PNG or another format that"
            " Pillow opens"
        )
        self.name, self.reason = name, reason


def read_picture(
    file: Path | BinaryIO,
    views: Views,
    shape: tuple[int, int, int],
    *,
    name: str = "",
    upright: bool = False,
) -> UInt8[np.ndarray, "views height width channels"]:
    """Returns the views of a picture that evaluation averages, the centre first.

    Args:
      views: of squares whose side is the longer one of `shape`.
      shape: height, width and channels (1 or 3) of the network's images.
      name: of the file, for messages; by default its path.
      upright: turn the picture as its EXIF says, which training and evaluation don't; without it, a
        picture that asks for it is named in the log.

    Raises:
      UnreadablePicture: the file can't be read as a picture.
    """
    height, width, channels = shape
    try:
        encoded = file.read_bytes() if isinstance(file, Path) else file.read()
        pixels, orientation = decode(encoded), orientation_of(encoded)
        crops = views(_turned(pixels, orientation) if upright else pixels)
    except (OSError, UnreadableImage) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise UnreadablePicture(str(name or file), reason or str(error)) from None
    if not upright and orientation != 1:
        logging.error(
            "%s is shown to the network as it is stored, as in training and evaluation; its EXIF"
            " asks for a rotation or a mirror image, which --upright applies",
            name or file,
        )
    top, left = (views.size - height) // 2, (views.size - width) // 2
    crops = crops[:, top : top + height, left : left + width]
    if channels == 1:
        crops = np.stack([np.asarray(Image.fromarray(crop).convert("L")) for crop in crops])
    return crops.reshape(len(crops), *shape)


def _turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    picture = Image.fromarray(pixels)
    picture.getexif()[ORIENTATION] = orientation
    return np.asarray(ImageOps.exif_transpose(picture))


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
            # As Python has names of files that are no UTF-8.
            lines = os.fsdecode(content).splitlines()
            found += [(str(p), p) for line in lines if line.strip() for p in _paths(line.strip())]
    if not found:
        raise UserError("there is no picture to look at: give files, folders, patterns or -")
    return found


def _is_picture(content: bytes) -> bool:
    """Whether it is a picture, readable or not, and no list of paths."""
    try:
        size_of(content)
    except UnreadableImage:
        return b"\0" in content
    return True


def _paths(argument: str) -> list[Path]:
    path = Path(argument)
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if p.suffix.lower() in ENDINGS and not p.is_dir())
        if not found:
            raise UserError(f"folder {argument} holds no picture ({', '.join(ENDINGS)})")
        return found
    if path.exists():
        return [path]
    if any(character in argument for character in "*?["):
        root = Path(path.anchor) if path.is_absolute() else Path()
        found = sorted(p for p in root.glob(str(path.relative_to(root))) if p.is_file())
        if found:
            return found
    raise UserError(f"there is no picture {argument}: give a file, a folder, a pattern or -")

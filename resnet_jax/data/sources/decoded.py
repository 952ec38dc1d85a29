"""Keeps the images of a data set decoded, since decoding them takes longer than reading pixels."""

import hashlib
import os
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import logging
from jaxtyping import Int32, UInt8

from resnet_jax.runtime import cache_folder


class ImageSet(NamedTuple):
    """Images in memory and the class of each."""

    images: UInt8[np.ndarray, "examples height width channels"]
    labels: Int32[np.ndarray, "examples"]


def keep_decoded(name: str, files: Iterable[Path], decode: Callable[[], ImageSet]) -> ImageSet:
    """Returns the result of `decode`, from the cache if there is one.

    Args:
      name: of the images, in the cache.
      files: the files that are decoded; if one has changed, they are decoded again.
    """
    facts = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in sorted(files)]
    digest = hashlib.sha256(repr((name, facts)).encode()).hexdigest()
    path = cache_folder("images") / f"{digest[:32]}.npz"
    try:
        # The archive holds a checksum of each array.
        with path.open("rb") as file, np.load(file) as arrays:
            return ImageSet(arrays["images"], arrays["labels"])
    except (OSError, EOFError, ValueError, zipfile.BadZipFile):
        image_set = decode()
    try:
        _save(path, image_set)
    except OSError as error:
        logging.error("the decoded images of %s are not kept (%s)", name, error)
    return image_set


def _save(path: Path, image_set: ImageSet) -> None:
    # Another process may be writing the same file.
    temporary = path.with_suffix(f".{os.getpid()}.npz")
    try:
        np.savez(temporary, images=image_set.images, labels=image_set.labels)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)

"""Image files in a folder for each class, as in ImageNet and torchvision's ImageFolder.

    DIR/train/n01440764/n01440764_10026.JPEG
    DIR/val/n01440764/ILSVRC2012_val_00000293.JPEG

A class has the images in its folder and in the folders below it, in torchvision's order; links are
followed, and hidden files are left out. The folder of the split 'validation' may be called 'val'. A
split may also have all its images in one folder and the labels in a file beside it, DIR/val.txt or
DIR/val.csv; see label_file.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from absl import logging

from resnet_jax.data.images.encoded import ENDINGS
from resnet_jax.data.sources.label_file import read_labels
from resnet_jax.tables import UserError, nearest

HOW_TO_GET_IMAGENET = (
    "to get ImageNet, register at image-net.org, download ILSVRC2012_img_train.tar and"
    " ILSVRC2012_img_val.tar, unpack each class into DIR/train/CLASS/ and DIR/val/CLASS/, and give"
    " --config.data.dir=DIR; without it, --config=imagenet:synthetic runs the same step"
    " on made-up images"
)


class Folder:
    """A split whose images are files; see encoded.EncodedSet.

    Args:
      root: the folder of the files.
      files: their paths in that folder.
      labels: the class of each.
    """

    def __init__(self, root: Any, files: Sequence[str], labels: Sequence[int]):
        self._root = root
        self._local = "://" not in str(root)
        # Python's strings for a million files would take ten times the memory in each worker.
        self._files = np.array([os.fsencode(file) for file in files])
        self._labels = np.array(labels, np.int32)

    def __len__(self) -> int:
        return len(self._files)

    def read(self, index: int) -> tuple[bytes, int]:
        path = os.fsdecode(self._files[index])
        if self._local:
            # This equals root / path and takes half the time.
            with open(f"{self._root}/{path}", "rb", buffering=0) as file:
                return file.read(), int(self._labels[index])
        return (self._root / path).read_bytes(), int(self._labels[index])

    def name(self, index: int) -> str:
        return str(self._path(index))

    def _path(self, index: int) -> Any:
        return self._root / self.file(index)

    def file(self, index: int) -> str:
        """The path of an image in the folder."""
        return os.fsdecode(self._files[index])

    @property
    def labels(self) -> np.ndarray:
        """The class of each image."""
        return self._labels

    def subset(self, indices: np.ndarray) -> "Folder":
        """The images of these numbers."""
        return Folder(self._root, [self.file(index) for index in indices], self._labels[indices])


def place(where: str) -> Any:
    """A path on this machine, or elsewhere, such as gs://BUCKET/FOLDER; see etils.epath.

    Raises:
      UserError: the package that opens such paths is missing.
    """
    from etils import epath

    path = epath.Path(where).expanduser()
    try:
        path.exists()
    except ImportError as error:
        # The error names the missing package.
        raise UserError(f"{where} can't be opened: {error}") from None
    return path


def class_names(root: Any, splits: Sequence[str]) -> tuple[str, ...]:
    """The sorted class folders of the first of these splits that is there.

    Raises:
      UserError: none of them is there, or the first has no folders.
    """
    for split in splits:
        folder = _folder_of(root, split)
        if folder is not None:
            names = tuple(sorted(_entries(folder)[0]))
            if not names:
                raise UserError(
                    f"{folder} has no folder for each class: put the images of each class into a"
                    " folder that has its name"
                )
            return names
    raise _missing(root, splits)


def classes_of(root: Any) -> tuple[str, ...]:
    """The sorted class folders of a folder that has no splits."""
    return tuple(sorted(_entries(root)[0]))


def open_classes(root: Any, classes: Sequence[str]) -> Folder:
    """Lists the images of a folder that has no splits; raises what `open_folder` raises."""
    return _by_class(root, _entries(root)[0], classes)


def open_folder(root: Any, split: str, classes: Sequence[str]) -> Folder:
    """Lists the images of a split.

    Args:
      classes: names of labels 0, 1, ...; the split may have some of them only.

    Raises:
      UserError: the split is missing, unreadable or empty, has a class that is not among these, or
        holds an image without a label.
    """
    folder = _folder_of(root, split)
    if folder is None:
        raise _missing(root, [split])
    folders, files = _entries(folder)
    images = sorted(filter(_is_image, files))
    if folders:
        if images:
            logging.error(
                "%s lies beside the folders of the classes and is left out%s",
                folder / images[0], f", as are {len(images) - 1} others" if images[1:] else "",
            )  # fmt: skip
        return _by_class(folder, folders, classes)
    if not images:
        raise UserError(f"{folder} holds no images and no folders of them; {HOW_TO_GET_IMAGENET}")
    labels = read_labels(_labels_beside(folder), images, classes)
    return Folder(folder, images, [labels[image] for image in images])


def _folder_of(root: Any, split: str) -> Any | None:
    for name in (split, "val") if split == "validation" else (split,):
        if (root / name).is_dir():
            return root / name
    return None


def _missing(root: Any, splits: Sequence[str]) -> UserError:
    where = " or ".join(dict.fromkeys(str(root / split) for split in splits))
    return UserError(f"there is no folder {where}; {HOW_TO_GET_IMAGENET}")


def _by_class(folder: Any, names: Sequence[str], classes: Sequence[str]) -> Folder:
    numbers = {name: number for number, name in enumerate(classes)}
    names = sorted(names)
    for name in names:
        if name not in numbers:
            raise UserError(
                f"{folder / name} is a class that the training set does not have"
                f"{nearest(name, classes)}: rename or remove the folder"
            )
    # Folders on other machines take their time to answer.
    with ThreadPoolExecutor(32) as pool:
        found = list(pool.map(lambda name: _images_below(folder / name), names))
    empty = [name for name, images in zip(names, found, strict=True) if not images]
    if empty:
        raise UserError(
            f"{folder / empty[0]} holds no images{_and_others(len(empty) - 1)}: unpack the class"
            " again, or remove the folder"
        )
    files = [f"{name}/{image}" for name, images in zip(names, found, strict=True)
             for image in images]  # fmt: skip
    labels = [numbers[name] for name, images in zip(names, found, strict=True) for _ in images]
    return Folder(folder, files, labels)


def _and_others(count: int) -> str:
    return f", nor do {count} other class folders" if count else ""


def _labels_beside(folder: Any) -> Any:
    candidates = [folder.parent / f"{folder.name}{ending}" for ending in (".txt", ".csv")]
    for path in candidates:
        if path.exists():
            return path
    raise UserError(
        f"{folder} has no folder for each class and no {candidates[0]} beside it: write a line"
        " 'IMAGE CLASS' for each image into that file"
    )


def _is_image(file: str) -> bool:
    return file.lower().endswith(ENDINGS)


def _images_below(folder: Any) -> list[str]:
    """Paths of the images in a folder and below it, in the order of their folders' paths."""
    found = sorted(_walk(folder), key=lambda entry: str(entry[0]))
    start = len(str(folder)) + 1
    return [
        f"{place}/{file}" if (place := str(where)[start:]) else file
        for where, _, files in found
        if not any(part.startswith(".") for part in str(where)[start:].split("/"))
        for file in sorted(files)
        if _is_image(file) and not file.startswith(".")
    ]


def _entries(folder: Any) -> tuple[list[str], list[str]]:
    """The names of the folders and of the files in a folder, without hidden ones."""
    _, *found = next(_walk(folder))
    folders, files = ([name for name in names if not name.startswith(".")] for names in found)
    return folders, files


def _walk(folder: Any) -> Iterator[tuple[Any, list[str], list[str]]]:
    """A folder and all those below it, each with the names of its folders and of its files."""

    def refuse(error: OSError) -> None:
        raise UserError(
            f"can't list {error.filename or folder} ({error.strerror or error}): give this user the"
            " right to read it"
        ) from None

    # pathlib takes a link to a folder for a file.
    local = "://" not in str(folder)
    return (
        os.walk(folder, followlinks=True, onerror=refuse) if local else folder.walk(on_error=refuse)
    )

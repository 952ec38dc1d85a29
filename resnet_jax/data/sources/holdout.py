"""A test set that is held out of a folder of class folders, for photographs of one's own.

DIR/cats/tom.jpg
DIR/dogs/rex.jpg
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from resnet_jax.data.sources.folder import Folder, classes_of, open_classes
from resnet_jax.tables import UserError


def classes(root: Any) -> tuple[str, ...]:
    """The sorted class folders.

    Raises:
      UserError: the folder is not there, has fewer than two classes, or two whose names differ in
        case only.
    """
    if not root.is_dir():
        raise UserError(
            f"there is no folder {root}: give --config.data.dir=DIR with a folder of photographs"
            " for each class"
        )
    names = classes_of(root)
    if len(names) < 2:
        raise UserError(
            f"{root} has {len(names)} class folder{'' if len(names) == 1 else 's'}, and to tell"
            " classes apart takes two: put the photographs of each class into a folder that has"
            " its name"
        )
    folded: dict[str, str] = {}
    for name in names:
        other = folded.setdefault(name.casefold(), name)
        if other != name:
            raise UserError(
                f"the class folders {other} and {name} in {root} differ in case only: rename one,"
                " or move its photographs into the other"
            )
    return names


def open_part(
    root: Any, part: str, *, names: Sequence[str], splits: Sequence[str], share: float
) -> Folder:
    """The training or the test photographs.

    Of each class round(share * photographs) are held out, but at least one and never all. Which
    ones follows from their file names alone, so that it is the same everywhere.

    Args:
      part: one of `splits`, those of training and test.

    Raises:
      UserError: there is no such part, or a class has a single photograph.
    """
    if part not in splits:
        raise UserError(
            f"unknown split '{part}' of photographs with data.holdout; valid: {', '.join(splits)}"
        )
    whole = open_classes(root, names)
    held = np.zeros(len(whole), bool)
    labels = whole.labels
    for label, name in enumerate(names):
        here = np.flatnonzero(labels == label)
        if len(here) == 1:
            raise UserError(
                f"{root / name} holds one photograph, and one of each class is held out for the"
                " test: add another, or remove the folder"
            )
        count = min(max(1, round(share * len(here))), len(here) - 1)
        held[sorted(here.tolist(), key=lambda index: _draw(whole.file(index)))[:count]] = True
    return whole.subset(np.flatnonzero(held == (part == splits[1])))


def _draw(file: str) -> bytes:
    """What sorts a class's photographs: a number for each that its name alone decides."""
    return hashlib.sha256(file.encode(errors="surrogateescape")).digest()


def described(names: Sequence[str], training: Any, test: Any) -> str:
    """How many photographs of each class train and test, and whether classes are of unequal size.

    Args:
      training, test: as `open_part` returns them.
    """
    counts = np.bincount([*training.labels, *test.labels], minlength=len(names))
    each = dict(zip(names, counts.tolist(), strict=True))
    ordered = sorted(each, key=lambda name: -each[name])
    shown = [f"{name} {each[name]:,}" for name in ordered]
    if len(shown) > 8:
        shown = [*shown[:4], f"{len(shown) - 8} others", *shown[-4:]]
    line = (
        f"{len(training):,} photographs train and {len(test):,} test, of {len(names)} classes:"
        f" {', '.join(shown)}"
    )
    most, least = ordered[0], ordered[-1]
    if each[most] > 2 * each[least]:
        line += (
            f"; {most} has {each[most] / each[least]:.1f} times as many as {least}, so compare the"
            " accuracy with the share of the largest class,"
            f" {each[most] / sum(each.values()):.2f}"
        )
    return line

"""Further test sets for networks trained on ImageNet, from folders or prepared TFDS sets."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int32

from resnet_jax.data.images.encoded import EncodedSet
from resnet_jax.data.sources.catalogue import tfds
from resnet_jax.data.sources.classes import renumbered
from resnet_jax.data.sources.folder import open_folder, place
from resnet_jax.tables import UserError, choose


class Benchmark(NamedTuple):
    """A test set, or a subset of one.

    Attributes:
      name: of the set; the name of a subset follows after a colon.
      examples: undecoded; a label is a place in `classes`, or a row of `answers`.
      classes: numbers of the network's classes that a prediction may name; None means all.
      answers: the right classes, with a row for each label; None if each example has one.
      cropped: whether the images are crops already, which evaluation does not resize.
    """

    name: str
    examples: EncodedSet
    classes: Int32[np.ndarray, "kept"] | None = None
    answers: Bool[np.ndarray, "rows classes"] | None = None
    cropped: bool = False


class TrainingData(NamedTuple):
    """The data that a network was trained on, as far as a benchmark needs to know.

    Attributes:
      classes: names of the network's classes.
      validation: the run's evaluation split.
      tfds_dir: folder of prepared sets; '' means TFDS_DATA_DIR.
    """

    classes: tuple[str, ...]
    validation: EncodedSet
    tfds_dir: str


class Relabelled:
    """Some examples of a set with new labels; see encoded.EncodedSet.

    Args:
      indices: of these examples in the set, in their new order.
      labels: the new label of each.
    """

    def __init__(self, examples: EncodedSet, indices: Sequence[int], labels: Sequence[int]):
        self._examples = examples
        self._indices, self._labels = np.array(indices, np.int64), np.array(labels, np.int32)

    def __len__(self) -> int:
        return len(self._indices)

    def read(self, index: int) -> tuple[bytes, int]:
        encoded, _ = self._examples.read(int(self._indices[index]))
        return encoded, int(self._labels[index])

    def name(self, index: int) -> str:
        return self._examples.name(int(self._indices[index]))


def whole(name: str, where: str, trained: TrainingData) -> list[Benchmark]:
    """A set of all classes: ImageNet-V2 (arXiv 1902.10811), ImageNet-Sketch (arXiv 1905.13549)."""
    return [Benchmark(name, _open(where, name, "test", trained))]


def subset(name: str, where: str, trained: TrainingData) -> list[Benchmark]:
    """A set of 200 classes, to which predictions are restricted, as in the papers.

    ImageNet-A: Hendrycks et al., arXiv 1907.07174; ImageNet-R: arXiv 2006.16241.
    """
    examples = _open(where, name, "test", trained)
    labels = np.array([examples.read(index)[1] for index in range(len(examples))])
    classes, places = np.unique(labels, return_inverse=True)
    kept = Relabelled(examples, range(len(examples)), places.tolist())
    return [Benchmark(name, kept, classes.astype(np.int32))]


def corrupted(name: str, where: str, trained: TrainingData) -> list[Benchmark]:
    """The 15 corruptions at five severities (Hendrycks & Dietterich, arXiv 1903.12261).

    The files are crops of 224 pixels of images whose short side was 256, and the authors' test.py
    takes their centre without resizing them.
    """
    # Here, since SciPy takes a second to import and no other set needs it.
    from resnet_jax.data.changes.corruptions import CORRUPTIONS, SEVERITIES

    def subset_of(corruption: str, severity: int) -> EncodedSet:
        if where:
            return _open(f"{where}/{corruption}/{severity}", name, "", trained)
        prepared = f"imagenet2012_corrupted/{corruption}_{severity}"
        return _open("", prepared, "validation", trained)

    return [
        Benchmark(f"{name}:{corruption}:{severity}", subset_of(corruption, severity), cropped=True)
        for corruption in CORRUPTIONS
        for severity in SEVERITIES
    ]


def reassessed(name: str, where: str, trained: TrainingData) -> list[Benchmark]:
    """The validation set with ReaL labels (Beyer et al., arXiv 2006.07159).

    A prediction is right if it is one of the image's labels; images without labels don't count. The
    file lists the labels of each image ILSVRC2012_val_00000001.JPEG, ..., in this order.
    """
    try:
        with open(where) as file:
            labels = json.load(file)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{name}={where} can't be read ({error}): give the file real.json of"
            " github.com/google-research/reassessed-imagenet"
        ) from None
    rows: dict[tuple[int, ...], int] = {}
    indices, row_of = [], []
    for index in range(len(trained.validation)):
        image = trained.validation.name(index)
        found = re.search(r"ILSVRC2012_val_(\d{8})", image)
        if found is None or not 0 < int(found[1]) <= len(labels):
            raise UserError(
                f"{name} needs images called ILSVRC2012_val_ and a number that {where} has, and one"
                f" is {image}: use data.source=folder with ImageNet's validation set"
            )
        answers = tuple(sorted(labels[int(found[1]) - 1]))
        if answers:
            indices.append(index)
            row_of.append(rows.setdefault(answers, len(rows)))
    if not rows or max(answer for row in rows for answer in row) >= len(trained.classes):
        raise UserError(
            f"{where} has no label of these images, or one that is none of the network's"
            f" {len(trained.classes)} classes: {name} is for networks trained on ImageNet"
        )
    table = np.zeros((len(rows), len(trained.classes)), bool)
    for answers, row in rows.items():
        table[row, list(answers)] = True
    return [Benchmark(name, Relabelled(trained.validation, indices, row_of), None, table)]


BENCHMARKS: dict[str, Callable[[str, str, TrainingData], list[Benchmark]]] = {
    "imagenet_v2": whole,
    "imagenet_sketch": whole,
    "imagenet_a": subset,
    "imagenet_r": subset,
    "imagenet_c": corrupted,
    "imagenet_real": reassessed,
}


def open_benchmarks(where: Mapping[str, str], trained: TrainingData) -> list[Benchmark]:
    """Opens test sets.

    Args:
      where: the folder of each set by its name, or the file of ReaL; '' means a prepared TFDS set.

    Raises:
      UserError: a set is unknown, or is not there.
    """
    return [
        benchmark
        for name, place in where.items()
        for benchmark in choose(BENCHMARKS, name, "test set")(name, place, trained)
    ]


def _open(where: str, name: str, split: str, trained: TrainingData) -> EncodedSet:
    """Opens a folder of class folders, or a prepared set, with the network's labels."""
    if where:
        folder = place(where)
        # ImageNet-V2 comes in folders 0, 1, ... 999.
        numbered = folder.is_dir() and (folder / "0").is_dir()
        classes = tuple(map(str, range(len(trained.classes)))) if numbered else trained.classes
        return open_folder(folder.parent, folder.name, classes)
    source = tfds(name, trained.tfds_dir)
    examples = source.load(split)
    mapped: Any = renumbered(examples, source.class_names, trained.classes)
    return mapped

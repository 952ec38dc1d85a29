"""The file of labels beside a folder of images: a line for each image, its name and then its class.

A class is a name or a number among the sorted names; which of both is decided once for the whole
file. Fields are separated by tabs or by commas where every line has them, and by spaces elsewhere.
A field may stand in double quotes, and a name that contains spaces needs none where it is known.
What follows the class is ignored, and so is a first line of headings. Caffe's val.txt and Kaggle's
LOC_val_solution.csv are such files.
"""

import csv
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from resnet_jax.tables import UserError, nearest


class Line(NamedTuple):
    """A line of the file.

    Attributes:
      number: counted from 1.
      image: its name, with or without its ending.
      label: its class, as text.
    """

    number: int
    image: str
    label: str


def read_labels(path: Any, images: Collection[str], classes: Sequence[str]) -> dict[str, int]:
    """Returns the label of each of these images.

    Args:
      path: of the file.
      images: names of files.
      classes: names of labels 0, 1, ...

    Raises:
      UserError: the file can't be read or is no UTF-8, a line is wrong, two lines disagree, its
        numbers may be labels as well as names, or an image has no line.
    """
    files = _by_written_name(images)
    lines = _lines(path, files, set(classes))
    if lines and lines[0].image not in files and not _is_class(lines[0].label, classes):
        lines = lines[1:]  # headings
    numbers = _numbers(path, lines, classes)
    found: dict[str, Line] = {}
    for line in lines:
        for image in files.get(line.image, ()):
            before = found.setdefault(image, line)
            if numbers[before.label] != numbers[line.label]:
                raise UserError(
                    f"{path} gives {image} the class {before.label} in line {before.number} and"
                    f" {line.label} in line {line.number}: remove the wrong one"
                )
    for image in sorted(images):
        if image not in found:
            raise UserError(f"{path} has no line for {image}: add its label there")
    return {image: numbers[line.label] for image, line in found.items()}


def _by_written_name(images: Collection[str]) -> Mapping[str, list[str]]:
    """The images that a name stands for: of that name, or else of that name and an ending."""
    files: dict[str, list[str]] = {image: [image] for image in images}
    for image in images:
        stem = image.rpartition(".")[0]
        if stem not in images:
            files.setdefault(stem, []).append(image)
    return files


def _lines(path: Any, files: Mapping[str, Any], classes: set[str]) -> list[Line]:
    rows = [(number, row.rstrip("\r")) for number, row in enumerate(_text(path).split("\n"), 1)]
    rows = [(number, row) for number, row in rows if row.strip()]
    delimiter = next((mark for mark in "\t," if all(mark in row for _, row in rows)), " ")
    found = []
    for number, row in rows:
        try:
            fields = next(csv.reader([row], delimiter=delimiter, skipinitialspace=True))
        except csv.Error as error:
            raise UserError(f"line {number} of {path} can't be read: {error}") from None
        fields = [field.strip() for field in fields if field.strip()]
        image, rest = _longest(fields, files)
        # A CSV's second field may hold more than the class.
        label, _ = _longest(rest if delimiter == " " or not rest else rest[0].split(" "), classes)
        if not label:
            raise UserError(f"line {number} of {path} is not 'IMAGE CLASS' but '{row}'")
        found.append(Line(number, image, label))
    return found


def _text(path: Any) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} can't be read ({error.strerror}): give a text file") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(
            f"{path} is no UTF-8 text (line {line} has the byte {content[error.start]:#04x}): save"
            " it as UTF-8"
        ) from None


def _longest(fields: Sequence[str], known: Collection[str]) -> tuple[str, Sequence[str]]:
    """The most of the first fields that are a known name together, or the first, and the rest."""
    for count in range(len(fields), 1, -1):
        if (name := " ".join(fields[:count])) in known:
            return name, fields[count:]
    return (fields[0], fields[1:]) if fields else ("", ())


def _is_class(label: str, classes: Sequence[str]) -> bool:
    return label in classes or _is_number(label, classes)


def _is_number(label: str, classes: Sequence[str]) -> bool:
    return label.isdecimal() and len(label) < 10 and int(label) < len(classes)


def _numbers(path: Any, lines: Sequence[Line], classes: Sequence[str]) -> dict[str, int]:
    """What each text of a class means: the number of a name, or a number."""
    by_name = {name: number for number, name in enumerate(classes)}
    labels = {line.label: line for line in reversed(lines)}  # the first line of each
    for label, line in labels.items():
        if not _is_class(label, classes):
            raise UserError(
                f"line {line.number} of {path} gives {line.image} the class {label}"
                f"{nearest(label, classes)}: a class is one of the {len(classes)} names of the"
                f" training set, or a number from 0 to {len(classes) - 1}"
            )
    named = {label: by_name[label] for label in labels if label in by_name}
    counted = {label: int(label) for label in labels if _is_number(label, classes)}
    if len(named) < len(labels) and len(counted) < len(labels):
        name = next(line for label, line in labels.items() if label not in counted)
        number = next(line for label, line in labels.items() if label not in named)
        raise UserError(
            f"{path} has the name {name.label} in line {name.number} and the number {number.label}"
            f" in line {number.number}: write names everywhere, or numbers"
        )
    if len(named) == len(labels) == len(counted) and named != counted:
        label = next(label for label in labels if named[label] != counted[label])
        raise UserError(
            f"{path} may mean names or numbers: {label} is the name of class {named[label]}, and"
            f" class {label} is called {classes[counted[label]]}: put the images into a folder for"
            " each class instead"
        )
    return named if len(named) == len(labels) else counted

"""Reads a smaller copy of an image folder, which lies in ArrayRecord files.

The images of a split lie in DIR/SPLIT-00000-of-00016.array_record and so on. Each record is the
class, in four bytes with the lowest first, and then a JPEG. DIR/prepared.json has the names of the
classes, the number of examples in each split, and the options that the images were made with.
`preparing` writes these files.
"""

from __future__ import annotations

import errno
import re
from typing import Any

from resnet_jax.reporting.files import read_object
from resnet_jax.tables import UserError

FACTS = "prepared.json"
EXAMPLES_A_FILE = 20_000
CURE = "prepare the copy again in another folder"


class Prepared:
    """A split of a prepared copy; see encoded.EncodedSet."""

    def __init__(self, folder: Any, split: str, examples: int):
        self._folder, self._split, self._examples = folder, split, examples
        self._source: Any = None

    def __len__(self) -> int:
        return self._examples

    def read(self, index: int) -> tuple[bytes, int]:
        try:
            record = self._opened()[index]
        except RuntimeError as error:  # what the reader says of a damaged record
            raise OSError(errno.EIO, brief(error)) from None
        return record[4:], int.from_bytes(record[:4], "little")

    def check(self) -> None:
        """Opens the files, which are there with as many records as there are examples.

        Raises:
          UserError: they are not.
        """
        try:
            found = len(self._opened())
            reason = f"its files have {found:,} records and {FACTS} says {self._examples:,}"
        except RuntimeError as error:
            found, reason = -1, brief(error)
        if found != self._examples:
            raise UserError(
                f"the prepared copy {self._folder / self._split} is damaged ({reason}): {CURE}"
            )

    def _opened(self) -> Any:
        if self._source is None:
            from array_record.python.array_record_data_source import ArrayRecordDataSource

            self._source = ArrayRecordDataSource(paths(self._folder, self._split, self._examples))
        return self._source

    def name(self, index: int) -> str:
        return f"record {index} of {self._folder / self._split}"

    def __getstate__(self) -> dict[str, Any]:
        # Every process opens the files for itself.
        return {**self.__dict__, "_source": None}


def facts(folder: Any) -> dict[str, Any]:
    """The content of prepared.json.

    Raises:
      UserError: the folder holds no prepared copy, or an unfinished one.
    """
    path = folder / FACTS
    if not path.exists():
        raise UserError(
            f"{folder} holds no prepared copy (no {FACTS}): write it with"
            f" `python -m resnet_jax prepare SOURCE {folder}`"
        )
    found = read_object(path, CURE)
    names, counts = found.get("class_names"), found.get("examples")
    numbers = list(counts.values()) if isinstance(counts, dict) else []
    whole = isinstance(names, list) and numbers
    if not whole or not all(type(count) is int and count > 0 for count in numbers):
        raise UserError(f"{path} is damaged (it lacks names of classes or examples): {CURE}")
    return found


def open_prepared(folder: Any, split: str) -> Prepared:
    """Opens a split of a prepared copy; raises UserError if it is damaged or not there."""
    examples = facts(folder)["examples"]
    if split == "validation" and split not in examples:
        split = "val"
    if split not in examples:
        raise UserError(f"{folder} has no split '{split}'; valid: {', '.join(examples)}")
    opened = Prepared(folder, split, examples[split])
    opened.check()
    return opened


def brief(error: Exception) -> str:
    """The first clause of what the reader of records says."""
    return re.split(r"[;\n]", str(error))[0][:150] or "it is cut off"


def paths(folder: Any, split: str, examples: int) -> list[str]:
    """The files of a split."""
    count = -(-examples // EXAMPLES_A_FILE)
    return [
        str(folder / f"{split}-{number:05}-of-{count:05}.array_record") for number in range(count)
    ]

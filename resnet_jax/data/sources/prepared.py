"""Reads a smaller copy of an image folder, which lies in ArrayRecord files.

The images of a split lie in DIR/SPLIT-00000-of-00016.array_record and so on. Each record is the
class, in four bytes with the lowest first, and then a JPEG. DIR/prepared.json has the names of the
classes, the number of examples in each split, and the options that the images were made with.
`preparing` writes these files.
"""

from __future__ import annotations

import json
from typing import Any

from resnet_jax.tables import UserError

FACTS = "prepared.json"
EXAMPLES_A_FILE = 20_000


class Prepared:
    """A split of a prepared copy; see encoded.EncodedSet."""

    def __init__(self, folder: Any, split: str, examples: int):
        self._folder, self._split, self._examples = folder, split, examples
        self._source: Any = None

    def __len__(self) -> int:
        return self._examples

    def read(self, index: int) -> tuple[bytes, int]:
        if self._source is None:
            from array_record.python.array_record_data_source import ArrayRecordDataSource

            self._source = ArrayRecordDataSource(paths(self._folder, self._split, self._examples))
        record = self._source[index]
        return record[4:], int.from_bytes(record[:4], "little")

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
    return json.loads(path.read_text())


def open_prepared(folder: Any, split: str) -> Prepared:
    """Opens a split of a prepared copy; raises UserError if the copy has no such split."""
    examples = facts(folder)["examples"]
    if split == "validation" and split not in examples:
        split = "val"
    if split not in examples:
        raise UserError(f"{folder} has no split '{split}'; valid: {', '.join(examples)}")
    return Prepared(folder, split, examples[split])


def paths(folder: Any, split: str, examples: int) -> list[str]:
    """The files of a split."""
    count = -(-examples // EXAMPLES_A_FILE)
    return [
        str(folder / f"{split}-{number:05}-of-{count:05}.array_record") for number in range(count)
    ]

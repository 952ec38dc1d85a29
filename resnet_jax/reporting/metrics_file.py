"""metrics.jsonl: a JSON object on each line. A step stands there once, also after a resume."""

import errno
import json
import os
from pathlib import Path
from typing import Any, BinaryIO

from absl import logging

from resnet_jax.reporting.files import replace
from resnet_jax.tables import UserError


class MetricsFile:
    """Appends lines. Once `write` has returned, its line survives even a killed process.

    Raises:
      UserError: the file can't be written.
    """

    def __init__(self, path: Path):
        self._path = path
        self._file = self._opened()

    def _opened(self) -> BinaryIO:
        try:
            return self._path.open("ab", buffering=0)
        except OSError as error:
            raise self._refusal(error) from None

    def _refusal(self, error: OSError) -> UserError:
        return UserError(
            f"can't write {self._path} ({error.strerror}): mend that, and the same command goes on"
            " from the newest checkpoint"
        )

    def rewind(self, step: int) -> None:
        """Drops the lines after `step`, and those that `read_lines` leaves out."""
        self._file.close()
        kept = [line for line in read_lines(self._path) if line["step"] <= step]
        try:
            replace(self._path, "".join(json.dumps(line) + "\n" for line in kept))
        except OSError as error:
            raise self._refusal(error) from None
        self._file = self._opened()

    def write(self, step: int, metrics: dict[str, Any]) -> None:
        line = (json.dumps({"step": step, **metrics}) + "\n").encode()
        try:
            if self._file.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise self._refusal(error) from None

    def close(self) -> None:
        self._file.close()


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Returns the objects of a metrics file.

    A last line that a killed process left unfinished is left out, and so is any damaged one, as a
    machine that lost its power may leave; these are told in the log.
    """
    *whole, _ = path.read_bytes().split(b"\n")
    found = [_object(line) for line in whole]
    damaged = [number for number, line in enumerate(found, start=1) if line is None]
    if damaged:
        logging.error("%s: damaged lines are left out: %s", path, ", ".join(map(str, damaged)))
    return [line for line in found if line is not None]


def _object(line: bytes) -> dict[str, Any] | None:
    """What a line says; None where it is not what `write` writes."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or type(found.get("step")) is not int:
        return None
    numbers = all(value is None or isinstance(value, int | float) for value in found.values())
    return found if numbers else None

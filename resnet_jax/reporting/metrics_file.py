"""metrics.jsonl: a JSON object on each line. A step stands there once, also after a resume."""

import json
from pathlib import Path
from typing import Any

from resnet_jax.reporting.files import replace


class MetricsFile:
    """Appends lines. Once `write` has returned, its line survives even a killed process."""

    def __init__(self, path: Path):
        self._path = path
        self._file = path.open("a")

    def rewind(self, step: int) -> None:
        """Drops the lines after `step`, and a line that a killed process left half written."""
        self._file.close()
        kept = [line for line in read_lines(self._path) if line["step"] <= step]
        replace(self._path, "".join(json.dumps(line) + "\n" for line in kept))
        self._file = self._path.open("a")

    def write(self, step: int, metrics: dict[str, Any]) -> None:
        self._file.write(json.dumps({"step": step, **metrics}) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Returns the objects of a metrics file; an unfinished last line is left out."""
    text = path.read_text()
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

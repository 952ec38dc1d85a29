"""TensorBoard event files, written without TensorFlow."""

from pathlib import Path
from typing import Any


class TensorBoard:
    """Writes a scalar for each metric. A resumed run's steps replace those that it repeats."""

    def __init__(self, directory: Path):
        self._directory = directory
        self._writer: Any = None

    def rewind(self, step: int) -> None:
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(str(self._directory), purge_step=step + 1 if step else None)

    def write(self, step: int, metrics: dict[str, Any]) -> None:
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        if self._writer:
            self._writer.close()

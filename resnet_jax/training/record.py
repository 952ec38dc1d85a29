"""What a checkpoint says of itself: its step, its figures, its run, and checksums of all.

The record lies beside the arrays, as JSON with a checksum of its own, since a damaged file may well
be read without an error.
"""

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple, Protocol, Self

import jax
import numpy as np
from absl import logging
from etils import epath

from resnet_jax.training import parallel

# The folder in a checkpoint that holds the record, and the file that Orbax writes there.
NAME, FILE = "checksum", "metadata"
METRICS = "metrics"  # the folder and the file of the metrics, as Orbax calls them
# The file in which Orbax writes when a checkpoint was begun and finished.
TIMES = "_CHECKPOINT_METADATA"


class Owner(Protocol):
    """What checkpoints are of: a run."""

    def as_json(self) -> Mapping[str, Any]:
        """What makes the run the run that it is."""
        ...

    def unlike(self, stored: Mapping[str, Any]) -> str:
        """How a run, as JSON, differs from this one, in words; '' where it does not."""
        ...


class Record(NamedTuple):
    """What a checkpoint says of itself.

    Attributes:
      arrays: checksum of the arrays; see `checksum`.
      step: None in a checkpoint of a version before records.
      metrics: of the evaluation after that step, where there was one.
      run: what the checkpoint's run is, as JSON; None where it was saved without.
      owed: the line of metrics that waits for the evaluation of this step, which failed; whoever
        goes on evaluates first. None: nothing is owed.
      best: step and top-1 of the best evaluation up to this step, for a run that has patience.
    """

    arrays: int
    step: int | None = None
    metrics: Mapping[str, float] | None = None
    run: Mapping[str, Any] | None = None
    owed: Mapping[str, Any] | None = None
    best: Mapping[str, Any] | None = None

    def sealed(self) -> dict[str, Any]:
        """The record as JSON, with its own checksum."""
        content = self._asdict()
        return {**content, "record": _of_json(content)}

    @classmethod
    def of_json(cls, content: Mapping[str, Any]) -> Self:
        """The record that `sealed` returned.

        Raises:
          ValueError: it does not match its checksum.
        """
        if set(content) == {"crc32"}:  # before records, a checkpoint held no more than that
            return cls(int(content["crc32"]))
        fields = {key: value for key, value in content.items() if key != "record"}
        if _of_json(fields) != content.get("record") or not fields.keys() <= {*cls._fields}:
            raise ValueError("its record does not match its checksum")
        return cls(**fields)

    @classmethod
    def read(cls, checkpoint: epath.Path) -> Self:
        """The record of the checkpoint in a folder.

        Raises:
          OSError, ValueError: it can't be read, or does not match its checksum.
        """
        content = json.loads((checkpoint / NAME / FILE).read_bytes())
        if not isinstance(content, dict):
            raise ValueError("its record is none")
        return cls.of_json(content)


def steps_in(directory: epath.Path) -> list[int]:
    """Steps of the finished checkpoints in a folder, oldest first."""
    # Names of folders that are being written have an ending.
    names = [path.name for path in directory.iterdir()] if directory.exists() else []
    return sorted(int(name) for name in names if name.isdecimal() and name == str(int(name)))


def newest_records(directory: epath.PathLike) -> Iterator[Record]:
    """Records of the checkpoints in a folder, the newest first, without those that are damaged."""
    directory = epath.Path(directory)
    for step in reversed(steps_in(directory)):
        try:
            yield Record.read(directory / str(step))
        except (OSError, ValueError):
            continue


def metrics_of(checkpoint: epath.Path) -> Mapping[str, float] | None:
    """The figures of the evaluation after a checkpoint's step; None: there was none, or damage."""
    try:
        record = Record.read(checkpoint)
    except (OSError, ValueError):
        return None
    if record.step is None:
        return _read_metrics(checkpoint)
    return record.metrics if str(record.step) == checkpoint.name else None


def mend(directory: epath.Path) -> None:
    """Mends the files by which Orbax decides which checkpoints to keep.

    Damaged metrics are written anew, and what was there is kept beside them. A damaged file of the
    time of saving is deleted: Orbax does without it, and does not open a folder with one that is
    JSON and no object.
    """
    for step in steps_in(directory):
        checkpoint = directory / str(step)
        if not _is_object(checkpoint / TIMES):
            (checkpoint / TIMES).unlink(missing_ok=True)
        found, right = _read_metrics(checkpoint), metrics_of(checkpoint)
        folder = checkpoint / METRICS
        if found == right and (found is not None or not folder.exists()):
            continue
        logging.error("the metrics in %s are damaged", folder / METRICS)
        if folder.exists():
            folder.rename(checkpoint / f"{METRICS}.damaged")
        if right is not None:
            folder.mkdir()
            (folder / METRICS).write_text(json.dumps(right))


def _is_object(path: epath.Path) -> bool:
    """Whether a file holds a JSON object; a folder counts, since Orbax takes no notice of it."""
    if path.is_dir():
        return True
    try:
        return isinstance(json.loads(path.read_bytes()), dict)
    except (OSError, ValueError):
        return False


def _read_metrics(checkpoint: epath.Path) -> Mapping[str, float] | None:
    """What Orbax reads of them; None where they are not as it needs them."""
    try:
        metrics = json.loads((checkpoint / METRICS / METRICS).read_bytes())
        top1(metrics)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return metrics


def set_aside(directory: epath.Path, steps: Sequence[int]) -> None:
    """Moves checkpoints into the folder 'damaged' beside them."""
    for step in steps:
        folder = directory / "damaged"
        folder.mkdir(exist_ok=True)
        taken = [path.name for path in folder.iterdir()]
        names = (f"{step}-{number}" if number else f"{step}" for number in count())
        name = next(name for name in names if name not in taken)
        (directory / str(step)).rename(folder / name)


def top1(metrics: Mapping[str, float]) -> float:
    """The figure that says which checkpoint is the best."""
    return metrics["top1"]


def checksum(tree: Any) -> int:
    """CRC-32 over the bytes of all arrays, in the order of the tree."""
    value = 0
    for leaf in jax.tree.leaves(tree):
        value = zlib.crc32(
            np.ascontiguousarray(parallel.whole(leaf)).view(np.uint8).reshape(-1), value
        )
    return value


def _of_json(content: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(content, sort_keys=True).encode())

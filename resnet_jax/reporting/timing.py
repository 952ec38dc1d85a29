"""What a run has spent up to each of its evaluations, from the lines of metrics.jsonl."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple


class Spent(NamedTuple):
    """What a run has spent up to an evaluation.

    Attributes:
      step: updates.
      top1: of this evaluation.
      training: seconds of the updates alone, from the first one on.
      compiling: seconds in which steps were compiled, at each start of the run.
      evaluating: seconds of the evaluations before this one; the first one compiles too.
    """

    step: int
    top1: float
    training: float
    compiling: float
    evaluating: float


def training_seconds(
    lines: Iterable[Mapping[str, Any]], batch_size: float, start: int = 0
) -> list[float]:
    """Seconds of the updates alone, up to each line; see `spent`."""
    seconds, before, found = 0.0, start, []
    for line in lines:
        # A run can have gone on from an older checkpoint than the newest, which was damaged.
        updates = max(0, line["step"] - before)
        seconds += updates * batch_size / line["images_per_second"]
        before = line["step"]
        found.append(seconds)
    return found


def spent(lines: Sequence[Mapping[str, Any]], batch_size: float, start: int = 0) -> list[Spent]:
    """What the run has spent up to each evaluation.

    Args:
      batch_size: examples in an update; of a member of a program, its share of these.
      start: updates that another run had made, from whose state this one started.
    """
    compiling = evaluating = 0.0
    found = []
    for line, training in zip(lines, training_seconds(lines, batch_size, start), strict=True):
        compiling += line.get("compile_seconds", 0.0)
        if "eval/top1" in line:
            found.append(Spent(line["step"], line["eval/top1"], training, compiling, evaluating))
        evaluating += line.get("eval/seconds", 0.0)
    return found


def first_at(found: Iterable[Spent], target: float) -> Spent | None:
    """The first evaluation whose top-1 is the target or more; None where there is none."""
    return next((one for one in found if one.top1 >= target), None)

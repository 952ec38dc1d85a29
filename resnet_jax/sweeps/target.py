"""Time to target: what the runs of a row had spent when they first reached an accuracy."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from resnet_jax.analysis.counts import PASSES
from resnet_jax.reporting.timing import Spent, first_at
from resnet_jax.sweeps.costs import Cost
from resnet_jax.sweeps.records import Record
from resnet_jax.sweeps.statistics import Summary, summary


class ToTarget(NamedTuple):
    """What the runs of a row had spent at their first evaluation at or over the target.

    Attributes:
      target: top-1 in percent.
      runs: that are done, and were evaluated with a clock.
      reached: how many of them reached the target; the figures are of these.
      seconds: of the updates alone.
      with_compiling: seconds of the updates, and of compiling their steps.
      pflop: arithmetic of the updates, in 10^15 operations.
    """

    target: float
    runs: int
    reached: int
    seconds: Summary | None
    with_compiling: Summary | None
    pflop: Summary | None


def to_target(records: Iterable[Record], target: float, cost: Cost | None) -> ToTarget:
    """The time to target of a row, from the records of its runs.

    Args:
      target: top-1 in percent.
    """
    done = [record for record in records if record.status == "done" and record.spent]
    firsts = [
        (found, (found.step - record.first_step) * record.batch_size)
        for record in done
        if (found := first_at(map(_read, record.spent), target / 100))
    ]
    images = [count for _, count in firsts]
    return ToTarget(
        target,
        len(done),
        len(firsts),
        summary([found.training for found, _ in firsts]),
        summary([found.training + found.compiling for found, _ in firsts]),
        summary([PASSES * cost.flops * count / 1e15 for count in images]) if cost else None,
    )


def _read(fields: Sequence[float]) -> Spent:
    step, *rest = fields
    return Spent(int(step), *rest)


def cells(found: ToTarget | None) -> dict[str, str]:
    """The text of each column that a reader sees; all empty where no run was timed."""
    if found is None or not found.runs:
        return dict.fromkeys(("target reached", "s to target", "with compiling", "PFLOP to it"), "")
    return {
        "target reached": f"{found.reached} of {found.runs}",
        "s to target": _spread(found.seconds, ".1f"),
        "with compiling": _spread(found.with_compiling, ".1f"),
        "PFLOP to it": _spread(found.pflop, ".3g"),
    }


def flat(found: ToTarget | None) -> dict[str, Any]:
    """Every figure, for CSV; none where the experiment has no target."""
    if found is None:
        return {}
    numbers: dict[str, Any] = {
        "target": found.target, "target_runs": found.runs, "target_reached": found.reached
    }  # fmt: skip
    for name in ("seconds", "with_compiling", "pflop"):
        for field in ("mean", "std"):
            value = getattr(getattr(found, name), field, math.nan)
            numbers[f"target_{name}_{field}"] = "" if math.isnan(value) else f"{value:.6g}"
    return numbers


def _spread(found: Summary | None, form: str) -> str:
    if found is None:
        return ""
    mean = f"{found.mean:{form}}"
    return mean if math.isnan(found.std) else f"{mean} ± {found.std:{form}}"

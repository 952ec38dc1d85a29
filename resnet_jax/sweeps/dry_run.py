"""What a sweep would run, how much arithmetic that is and how long it may take."""

import math
from collections import Counter, defaultdict
from typing import NamedTuple

from resnet_jax.analysis.counts import PASSES
from resnet_jax.assembly import Assembly, configuration
from resnet_jax.sweeps import costs
from resnet_jax.sweeps.experiment import Task
from resnet_jax.sweeps.records import Store


class Item(NamedTuple):
    """The missing runs of one row.

    Attributes:
      flops: arithmetic of training them all; a multiply-add counts as two.
      seconds: how long training them one after another may take; NaN where no run tells.
    """

    row: str
    runs: int
    flops: float
    seconds: float


def training_flops(config: str) -> float:
    """Floating-point operations of the convolutions and the head in all steps of a run."""
    assembly = Assembly(configuration.read(config))
    images = assembly.steps * assembly.batch_size
    return PASSES * images * costs.of_assembly(assembly).flops


def missing_runs(tasks: list[Task], missing: list[Task], store: Store) -> list[Item]:
    """Returns what is to be run, an item for each row.

    The time follows from the arithmetic and the rate of finished runs: the row's own runs where
    some are finished, else all runs of this experiment.
    """
    flops = {task.row.name: training_flops(task.config) for task in tasks if task.seed == 0}
    done, seconds = defaultdict[str, float](float), defaultdict[str, float](float)
    for task in tasks:
        record = store.find(task)
        if record is not None and record.status == "done":
            done[task.row.name] += flops[task.row.name]
            seconds[task.row.name] += record.seconds

    def rate(row: str) -> float:
        if seconds[row]:
            return done[row] / seconds[row]
        spent = sum(seconds.values())
        return sum(done.values()) / spent if spent else math.nan

    counts = Counter(task.row.name for task in missing)
    return [
        Item(row, count, count * flops[row], count * flops[row] / rate(row))
        for row, count in counts.items()
    ]


def describe(items: list[Item], at_once: int) -> str:
    """A line for each item, and a last one for all."""
    total = Item(
        "all",
        sum(item.runs for item in items),
        sum(item.flops for item in items),
        sum(item.seconds for item in items),
    )
    width = max(len(item.row) for item in [*items, total]) + 2
    lines = [f"{'row':<{width}}{'runs':>5}{'PFLOP':>12}{'time':>12}"]
    for item in [*items, total]:
        lines.append(
            f"{item.row:<{width}}{item.runs:>5}{item.flops / 1e15:>12,.3f}"
            f"{duration(item.seconds / at_once):>12}"
        )
    if math.isnan(total.seconds):
        lines.append("No run of this experiment is finished, so the time is unknown.")
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """'2 h 05 min', '12 min', '40 s' or 'unknown'."""
    if math.isnan(seconds):
        return "unknown"
    if seconds < 100:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours:,} h {minutes:02} min" if hours else f"{minutes} min"

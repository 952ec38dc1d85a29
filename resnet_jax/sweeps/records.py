"""The outcomes of runs, and the files that keep them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from resnet_jax.assembly import environment
from resnet_jax.reporting.files import read_object, replace
from resnet_jax.reporting.metrics_file import read_lines
from resnet_jax.reporting.timing import spent, training_seconds
from resnet_jax.sweeps.experiment import Task, defaults
from resnet_jax.training.metrics import in_brief

# A run's curve has so many points, each the mean over a part of the updates.
PARTS = 40


class Record(NamedTuple):
    """The outcome of a run.

    Attributes:
      status: 'done'; 'diverged', which a rerun would repeat; or 'failed', which it might not.
      reason: a sentence, where the status is not 'done'.
      test_error, test_loss: of the last evaluation, in percent and in nats.
      train_error, train_loss: means over the last tenth of the updates, in percent and in nats, on
        the images as training saw them.
      seconds: how long the training steps took, without compiling and evaluating.
      curve: [step, train error, train loss] over each part of the run.
      test_curve: [step, test error] at each evaluation.
      others: figures of the last evaluation that have no field of their own; see `others`.
      test_examples: images of the last evaluation; None in records from before it was kept.
      spent: what the run had spent at each evaluation, the fields of reporting.timing.Spent; the
        members of a program share its training, and each has the whole time of compiling.
      batch_size: examples in an update, where `spent` is kept.
      first_step: updates of the run whose state this one started from; 0 where there is none.
      devices: that the run was trained on, as its environment.json names them; '' in records from
        before they were kept.
    """

    status: str
    reason: str = ""
    test_error: float | None = None
    test_loss: float | None = None
    train_error: float | None = None
    train_loss: float | None = None
    seconds: float = 0.0
    curve: Sequence[Sequence[float]] = ()
    test_curve: Sequence[Sequence[float]] = ()
    others: Mapping[str, float] = {}
    test_examples: int | None = None
    spent: Sequence[Sequence[float]] = ()
    batch_size: int = 0
    devices: str = ""
    first_step: int = 0

    @property
    def best_test_error(self) -> float | None:
        """The least test error of all evaluations, in percent: chosen by the test set itself."""
        return min((error for _, error in self.test_curve), default=None)

    @property
    def last_minus_best(self) -> float | None:
        """By how much the best evaluation flatters the last, in points."""
        best = self.best_test_error
        return None if best is None or self.test_error is None else self.test_error - best

    @property
    def final(self) -> bool:
        return self.status != "failed"

    def figure(self, name: str) -> float | None:
        """One of the figures by its name; None where the run has none."""
        return self.others[name] if name in self.others else getattr(self, name, None)


def others() -> dict[str, str]:
    """The names of figures in records -> the metrics in brief that have no field of a record."""
    return {f"test_{name}": name for name in in_brief() if name not in ("loss", "top1")}


def of_run(
    workdir: Path, batch_size: int, status: str, reason: str = "", members: int = 1
) -> Record:
    """Returns the record of a run from its metrics.jsonl.

    Args:
      members: of the program that it was trained in; of its time each gets its share.
    """
    path = workdir / "metrics.jsonl"
    lines = read_lines(path) if path.exists() else []
    devices, start = environment.devices_of(workdir), environment.first_step(workdir)
    progress = _progress(lines, batch_size / members, start)
    record = Record(status, reason, devices=", ".join(devices), first_step=start, **progress)
    if status != "done":
        return record
    last = lines[-1]["step"]
    late = [line for line in lines if line["step"] > 0.9 * last + 0.1 * start]
    return record._replace(
        test_error=_percent_wrong(lines[-1]["eval/top1"]),
        test_loss=lines[-1]["eval/loss"],
        train_error=_percent_wrong(_mean(late, "train/top1")),
        train_loss=_mean(late, "train/loss"),
        others={
            figure: lines[-1][f"eval/{name}"]
            for figure, name in others().items()
            if f"eval/{name}" in lines[-1]
        },
        test_examples=lines[-1].get("eval/examples"),
        spent=[
            [one.step, one.top1, *(round(seconds, 4) for seconds in one[2:])]
            for one in spent(lines, batch_size / members, start)
        ],
        batch_size=batch_size,
    )


def _progress(lines: list[dict[str, Any]], batch_size: float, start: int) -> dict[str, Any]:
    curve: list[list[float]] = []
    seconds = (training_seconds(lines, batch_size, start) or [0.0])[-1]
    made = lines[-1]["step"] - start if lines else 0
    for part in range(PARTS):
        bounds = start + part * made / PARTS, start + (part + 1) * made / PARTS
        here = [line for line in lines if bounds[0] < line["step"] <= bounds[1]]
        if here:
            error, loss = _percent_wrong(_mean(here, "train/top1")), _mean(here, "train/loss")
            curve.append([here[-1]["step"], round(error, 3), round(loss, 5)])
    tests = [
        [line["step"], round(_percent_wrong(line["eval/top1"]), 3)]
        for line in lines
        if "eval/top1" in line
    ]
    return {"seconds": round(seconds, 1), "curve": curve, "test_curve": tests}


def _mean(lines: list[dict[str, Any]], name: str) -> float:
    return sum(line[name] for line in lines) / len(lines)


def _percent_wrong(top1: float) -> float:
    return 100 * (1 - top1)


class Store:
    """The records of an experiment's runs. The folder of a run is asked first, then the kept file.

    Args:
      runs: folder that holds a folder for each run, named by its address.
      kept: JSON file with the records of a scale, small enough to be committed.
    """

    def __init__(self, runs: Path, kept: Path):
        self._runs, self._path = runs, kept
        self._kept: dict[str, Any] = {"defaults": {}, "runs": {}}
        if kept.exists():
            self._kept = read_object(kept, "put a copy of it back, or remove it")
        self._defaults = defaults()

    def workdir(self, task: Task) -> Path:
        return self._runs / task.address

    def find(self, task: Task) -> Record | None:
        """Returns the outcome of the run; None where it has not ended.

        An address stands for what differs from the defaults, so a record counts only while all
        other keys, and the options of the rows that it chose, have the defaults of that time.
        """
        content = read(self.workdir(task))
        if content is None and task.address in self._kept["runs"]:
            kept = self._kept["runs"][task.address]
            content = {"defaults": self._kept["defaults"], "record": kept["record"]}
        if content is None or not self._still_holds(task.changes, content["defaults"]):
            return None
        return Record(**content["record"])

    def _still_holds(self, changes: dict[str, Any], then: dict[str, Any]) -> bool:
        """Whether all that the run leaves at its default still has that default."""
        return all(
            self._defaults.get(key, value) == value
            for key, value in then.items()
            if _left_at_default(key, changes, then)
        )

    def keep(self, tasks: list[Task]) -> None:
        """Copies the records of these runs to where they can be committed."""
        runs = {
            address: run
            for address, run in self._kept["runs"].items()
            if self._still_holds(run["changes"], self._kept["defaults"])
        }
        for task in tasks:
            if (record := self.find(task)) is not None:
                runs[task.address] = {"changes": task.changes, "record": record._asdict()}
        self._kept = {"defaults": self._defaults, "runs": runs}
        # A line for each run, so that a new run shows as a new line between two versions.
        lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(run)}" for key, run in runs.items())
        replace(
            self._path, f'{{"defaults": {json.dumps(self._defaults)},\n"runs": {{\n{lines}\n}}}}\n'
        )


def put(workdir: Path, record: Record) -> None:
    """Keeps the record of the run in its folder."""
    content = {"defaults": defaults(), "record": record._asdict()}
    replace(workdir / "result.json", json.dumps(content) + "\n")


def read(workdir: Path) -> dict[str, Any] | None:
    """Returns what `put` has written."""
    path = workdir / "result.json"
    cure = "remove it, and the sweep goes on with this run from its checkpoint"
    return read_object(path, cure) if path.exists() else None


def is_over(workdir: Path) -> bool:
    """Whether the run in the folder has an outcome that a rerun would repeat."""
    content, now = read(workdir), defaults()
    return (
        content is not None
        and Record(**content["record"]).final
        and all(now.get(key, value) == value for key, value in content["defaults"].items())
    )


def _left_at_default(key: str, changes: dict[str, Any], then: dict[str, Any]) -> bool:
    """Whether a run depends on the default of this key, or of this option of a row.

    Args:
      key: see assembly.choices.defaults_of_options for that of an option.
      then: all defaults.
    """
    where, of_a_row, rest = key.partition("=")
    if not of_a_row:
        return key not in changes
    row, _, option = rest.partition(":")
    values = {**then, **changes}
    # A choice that is left to the network's family may be any row.
    chosen = values.get(f"{where}.name", values.get(where))
    return chosen in (None, row) and f"{where}.{option}" not in changes

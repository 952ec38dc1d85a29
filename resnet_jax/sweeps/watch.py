"""The live table of a sweep, redrawn on a terminal; elsewhere each finished run is a line."""

import re
import sys
from pathlib import Path
from typing import TextIO

from resnet_jax.sweeps.experiment import Task
from resnet_jax.sweeps.records import Record, Store

ROW = "test error of"  # heads the column of names


class LiveTable:
    """Shows the outcome of every run that has ended, and how far the others are.

    Args:
      tasks: all runs of the sweep, also the finished ones.
    """

    def __init__(self, tasks: list[Task], store: Store, out: TextIO = sys.stdout):
        self._tasks, self._store, self._out = tasks, store, out
        self._told = {task.address for task in tasks if self._outcome(task)}
        self._drawn = 0

    def _outcome(self, task: Task) -> Record | None:
        return self._store.find(task)

    def tick(self, running: set[Path]) -> None:
        """Brings the table up to date.

        Args:
          running: folders of the runs under way.
        """
        if self._out.isatty():
            self._redraw(running)
            return
        for task in self._tasks:
            if task.address in self._told or self._store.workdir(task) in running:
                continue
            record = self._outcome(task)
            if record is not None:
                self._told.add(task.address)
                over = sum(other.address in self._told for other in self._tasks)
                print(
                    f"{over}/{len(self._tasks)}  {task.row.name}, seed {task.seed}:"
                    f" {describe(record)}",
                    file=self._out, flush=True,
                )  # fmt: skip

    def _redraw(self, running: set[Path]) -> None:
        lines = self.lines(running)
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        self._out.write(up + "".join(f"\x1b[2K{line}\n" for line in lines))
        self._out.flush()
        self._drawn = len(lines)

    def lines(self, running: set[Path]) -> list[str]:
        """A header, then a line for each row, with a column for each seed."""
        names = list(dict.fromkeys(task.row.name for task in self._tasks))
        width = max(map(len, [ROW, *names])) + 2
        seeds = dict.fromkeys(f"{f'seed {task.seed}':<16}" for task in self._tasks)
        found = [f"{ROW:<{width}}{''.join(seeds)}".rstrip()]
        for name in names:
            cells = [
                f"{self._cell(task, running):<16}" for task in self._tasks if task.row.name == name
            ]
            found.append(f"{name:<{width}}{''.join(cells)}".rstrip())
        return found

    def _cell(self, task: Task, running: set[Path]) -> str:
        workdir = self._store.workdir(task)
        if workdir in running:
            return progress(workdir / "log.txt") or "starting"
        record = self._outcome(task)
        if record is None:
            return "waiting"
        return record.status if record.test_error is None else f"{record.test_error:.2f}%"


def describe(record: Record) -> str:
    """One line about a finished run."""
    if record.test_error is None:
        return f"{record.status}: {record.reason}"
    return (
        f"test error {record.test_error:.2f}%, training error {record.train_error:.2f}%,"
        f" {record.seconds:.0f} s of training"
    )


def progress(log: Path) -> str | None:
    """Returns the last 'step 120/468' of a run's log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 1_000))
            steps = re.findall(rb"^step (\d+/\d+)", file.read(), re.MULTILINE)
    except OSError:
        return None
    return f"step {steps[-1].decode()}" if steps else None

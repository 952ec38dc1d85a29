"""The processes of a sweep, and what becomes of those that fail."""

import json
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from resnet_jax.sweeps import records
from resnet_jax.sweeps.experiment import Task
from resnet_jax.sweeps.records import Store

# The keys that runs of one program may differ in, for each value of --vectorize.
VECTORIZE: dict[str, tuple[str, ...]] = {
    "none": (),
    "seeds": ("seed",),
    "members": ("seed", "optim.rate", "optim.weight_decay"),
}


class Job(NamedTuple):
    """One process, which makes one run, or several as members of one program.

    Attributes:
      configs: the configuration of each run, written as for --config.
      workdirs: the folder of each run.
    """

    configs: tuple[str, ...]
    workdirs: tuple[Path, ...]

    @property
    def log(self) -> Path:
        """The file that the process prints into; the call makes its folder."""
        self.workdirs[0].mkdir(parents=True, exist_ok=True)
        return self.workdirs[0] / "log.txt"


def _one(scale: str) -> int:
    return 1


@dataclass(frozen=True)
class Launcher:
    """A way to run jobs.

    Attributes:
      function: (jobs, how many at a time, tick, folder, options as keywords): runs every job to its
        end and records those that fail. It calls `tick` every second or two with the folders of the
        runs under way, and may write into `folder`.
      at_once: scale -> how many jobs run at a time where the user does not say.
    """

    function: Callable[..., None]
    at_once: Callable[[str], int] = _one


def command(job: Job) -> list[str]:
    """The command line of the process."""
    found = [sys.executable, "-m", "resnet_jax", "execute"]
    for config, workdir in zip(job.configs, job.workdirs, strict=True):
        found += [f"--config={config}", f"--workdir={workdir}"]
    return found


def jobs(tasks: Iterable[Task], store: Store, together: tuple[str, ...]) -> list[Job]:
    """Returns the processes that make these runs.

    Args:
      together: the keys that runs of one process may differ in; if empty, each run has a process
        of its own, as one with patience always has.
    """
    groups: dict[str, list[Task]] = {}
    for task in tasks:
        rest = {key: value for key, value in task.changes.items() if key not in together}
        # Runs that may end at different steps would not share the program's time evenly.
        alone = not together or task.changes.get("eval.patience")
        groups.setdefault(task.address if alone else json.dumps(rest), []).append(task)
    return [
        Job(
            tuple(task.config for task in group),
            tuple(store.workdir(task) for task in group),
        )
        for group in groups.values()
    ]


def record_failure(job: Job, returncode: int) -> None:
    """Records that the process ended without an outcome, unless it was asked to stop."""
    if returncode == 0:
        return
    if returncode < 0:
        reason = f"killed by {signal.Signals(-returncode).name}"
    else:
        lines = job.log.read_text(errors="replace").split("\n")
        words = [line for line in lines if line.strip()]
        reason = words[-1].removeprefix("error: ")[:300] if words else f"status {returncode}"
    record(job, reason)


def record(job: Job, reason: str) -> None:
    """Records the failure of those runs of the process that had not ended before."""
    for workdir in job.workdirs:
        if not records.is_over(workdir):
            records.put(workdir, records.Record("failed", reason))

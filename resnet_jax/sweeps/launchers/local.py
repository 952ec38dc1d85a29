"""Runs the jobs of a sweep as processes of this machine, each on its share of the cores."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from resnet_jax.runtime import core_count
from resnet_jax.sweeps.jobs import Job, Launcher, command, record_failure


def run(
    waiting: Sequence[Job], at_once: int, tick: Callable[[set[Path]], None], folder: Path
) -> None:
    """Runs every job and records those that fail; see Launcher.

    Raises:
      KeyboardInterrupt: Ctrl-C or SIGTERM, after every process has saved and stopped.
    """
    shares = share_cores(_cores(), at_once)
    queue, running = list(waiting), dict[int, tuple[Job, subprocess.Popen]]()
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        while queue or running:
            for slot in range(at_once):
                if queue and slot not in running:
                    job = queue.pop(0)
                    running[slot] = job, _start(job, shares[slot])
            tick({workdir for job, _ in running.values() for workdir in job.workdirs})
            time.sleep(0.5)
            for slot, (job, process) in list(running.items()):
                if process.poll() is not None:
                    del running[slot]
                    record_failure(job, process.returncode)
    finally:
        for _, process in running.values():
            process.terminate()
        for _, process in running.values():
            process.wait()
        signal.signal(signal.SIGTERM, previous)
        tick(set())


def _cores() -> list[int]:
    """The cores that this process may use; empty where the system does not say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def share_cores(cores: list[int], at_once: int) -> list[list[int]]:
    """Splits the cores evenly; where there are fewer cores than processes, each has one.

    Each process starts as many threads as it has cores, so that no process waits for another.
    """
    if at_once == 1 or not cores:
        return [cores] * at_once
    size = max(1, len(cores) // at_once)
    return [[cores[(slot * size + i) % len(cores)] for i in range(size)] for slot in range(at_once)]


def _start(job: Job, cores: list[int]) -> subprocess.Popen:
    with job.log.open("a") as log:
        return subprocess.Popen(
            [*command(job), *([f"--cores={','.join(map(str, cores))}"] if cores else [])],
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def at_once(scale: str) -> int:
    """One process, which uses every core; smoke runs, which mostly compile, take a core each."""
    return core_count() if scale == "smoke" else 1


LAUNCHER = Launcher(run, at_once)

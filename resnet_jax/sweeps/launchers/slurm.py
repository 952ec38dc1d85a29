"""Submits the jobs of a sweep to Slurm as an array, through submitit."""

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from resnet_jax.sweeps import jobs
from resnet_jax.sweeps.jobs import Job, Launcher
from resnet_jax.tables import UserError


class Execution:
    """What Slurm executes for a job; submitit requeues it if it is preempted or its time is over.

    Args:
      command: the command line of the job's process.
    """

    def __init__(self, job: Job, command: list[str]):
        self._job, self._command = job, command
        self._process: subprocess.Popen | None = None

    def __call__(self) -> None:
        """Runs the process to its end, and records a failure."""
        with self._job.log.open("a") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
            jobs.record_failure(self._job, self._process.wait())

    def checkpoint(self) -> Any:
        """Lets the run save and queues it again; submitit calls it when the job must leave."""
        from submitit.helpers import DelayedSubmission

        if self._process is not None:
            self._process.terminate()
            self._process.wait()
        return DelayedSubmission(Execution(self._job, self._command))


def run(
    waiting: Sequence[Job],
    at_once: int,
    tick: Callable[[set[Path]], None],
    folder: Path,
    *,
    cluster: str = "slurm",
    **parameters: Any,
) -> None:
    """Submits every job, and returns when all have ended; see Launcher.

    Args:
      cluster: submitit's name of the kind of cluster.
      parameters: what submitit's AutoExecutor takes, for example slurm_partition="gpu".

    Raises:
      UserError: submitit is not installed, there is no Slurm, or it knows no such parameter.
    """
    try:
        import submitit
    except ImportError:
        raise UserError(
            "--launcher=slurm needs the submitit package: pip install submitit, or choose"
            " --launcher=local"
        ) from None
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
        executor.update_parameters(**{"slurm_array_parallelism": at_once, **parameters})
    except (RuntimeError, NameError, TypeError, AssertionError) as error:
        raise UserError(f"submitit can't submit: {str(error).splitlines()[0]}") from None
    with executor.batch():
        submitted = [(job, executor.submit(Execution(job, jobs.command(job)))) for job in waiting]
    try:
        while pending := [(job, handle) for job, handle in submitted if not handle.done()]:
            running = [job for job, handle in pending if handle.state == "RUNNING"]
            tick({workdir for job in running for workdir in job.workdirs})
            time.sleep(2)
        for job, handle in submitted:
            if handle.exception() is not None:
                jobs.record(job, f"the Slurm job ended as {handle.state}")
    except BaseException:
        for _, handle in submitted:
            handle.cancel()
        raise
    tick(set())


LAUNCHER = Launcher(run, at_once=lambda scale: 100)

"""One run of a sweep in a process of its own: the ordinary training, then a record of it.

python -m resnet_jax.sweeps.execute --config=configs/smoke.py:depth=14 --workdir=runs/sweeps/x
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from absl import flags

from resnet_jax.command import launch


def execute(text: str, workdir: Path) -> dict[str, Any]:
    """Starts or continues the run unless it has come to its end, and records how it ended.

    A second process that is to execute the same run waits for the first.
    """
    from resnet_jax import configuration, run
    from resnet_jax.assembly import Assembly
    from resnet_jax.sweeps import records
    from resnet_jax.tables import Diverged

    config = configuration.read(text)
    with locked(workdir):
        if records.is_over(workdir):
            return {"workdir": str(workdir)}
        status, reason = "done", ""
        try:
            result = run.train(config, workdir)
        except Diverged as error:
            status, reason, result = "diverged", str(error).partition(":")[0], {}
        if "stopped" not in result:
            record = records.of_run(workdir, Assembly(config).batch_size, status, reason)
            records.put(workdir, record)
    return {**result, "status": status, "workdir": str(workdir)}


@contextmanager
def locked(workdir: Path) -> Iterator[None]:
    """Holds the folder's lock, which ends with the process however that ends."""
    workdir.mkdir(parents=True, exist_ok=True)
    with (workdir / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main() -> dict[str, Any]:
    """Executes the run that the flags name."""
    if flags.FLAGS.cores:
        # Before JAX counts the cores to start its threads.
        os.sched_setaffinity(0, map(int, flags.FLAGS.cores))
    return execute(flags.FLAGS.config, Path(flags.FLAGS.workdir))


if __name__ == "__main__":
    flags.DEFINE_string("config", None, "FILE or FILE:key=value,...", required=True)
    flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
    flags.DEFINE_list("cores", [], "Numbers of the processor cores to use; all if not given.")
    launch(main)

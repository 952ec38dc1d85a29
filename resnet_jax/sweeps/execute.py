"""One run of a sweep in a process of its own: the ordinary training, then a record of it.

python -m resnet_jax.sweeps.execute --config=configs/smoke.py:depth=14 --workdir=runs/sweeps/x

Several pairs of flags are members of one program.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from absl import flags

from resnet_jax.verbs.launch import launch


def execute(text: str, workdir: Path) -> dict[str, Any]:
    """Starts or continues the run unless it has come to its end, and records how it ended.

    A second process that is to execute the same run waits for the first.
    """
    from resnet_jax.assembly import Assembly, configuration, run
    from resnet_jax.sweeps import records
    from resnet_jax.tables import Diverged

    config = configuration.read(text)
    with locked([workdir]):
        if records.is_over(workdir):
            return {"workdir": str(workdir)}
        status, reason = "done", ""
        try:
            result = run.train(config, workdir)
        except Diverged as error:
            status, reason, result = "diverged", str(error).partition(":")[0], {}
        if "stopped" in result:
            return result
        record = records.of_run(workdir, Assembly(config).batch_size, status, reason)
        records.put(workdir, record)
    return {**result, "status": status, "workdir": str(workdir)}


def execute_members(texts: list[str], workdirs: list[Path]) -> dict[str, Any]:
    """Does the same for runs that can be members of one program."""
    from resnet_jax.assembly import Assembly, configuration
    from resnet_jax.assembly.run import opened
    from resnet_jax.sweeps import records
    from resnet_jax.sweeps.members import MemberDispatch
    from resnet_jax.training.loop import Member, train_together

    with locked(workdirs), ExitStack() as stack:
        members, profiles = {}, []
        for text, workdir in zip(texts, workdirs, strict=True):
            if records.is_over(workdir):
                continue
            config = configuration.read(text)
            assembly = Assembly(config)
            parts = stack.enter_context(opened(assembly, config, workdir))
            members[workdir] = Member(*parts)
            profiles.append(assembly.profile(workdir))
        if not members:
            return {}
        # One program has one profile, in the folder of its first member.
        stopped = train_together(list(members.values()), profiles[0], MemberDispatch)
    if stopped:
        return {"stopped": stopped}
    statuses = {}
    for workdir, member in members.items():
        status = "diverged" if member.diverged else "done"
        reason = str(member.diverged or "").partition(":")[0]
        # Of the time that all spent together each gets its share.
        share = member.run.batch_size / len(members)
        record = records.of_run(workdir, share, status, reason)
        records.put(workdir, record)
        statuses[str(workdir)] = status
    return statuses


@contextmanager
def locked(workdirs: list[Path]) -> Iterator[None]:
    """Holds the folders' locks, which end with the process however that ends."""
    with ExitStack() as stack:
        # In one order, so that no two processes wait for each other.
        for workdir in sorted(workdirs):
            workdir.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context((workdir / "lock").open("w"))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main() -> dict[str, Any]:
    """Executes the runs that the flags name."""
    if flags.FLAGS.cores:
        # Before JAX counts the cores to start its threads.
        os.sched_setaffinity(0, map(int, flags.FLAGS.cores))
    texts, workdirs = flags.FLAGS.config, [Path(path) for path in flags.FLAGS.workdir]
    if len(texts) == 1:
        return execute(texts[0], workdirs[0])
    return execute_members(texts, workdirs)


if __name__ == "__main__":
    flags.DEFINE_multi_string("config", None, "FILE or FILE:key=value,...", required=True)
    flags.DEFINE_multi_string("workdir", None, "Folder of each run.", required=True)
    flags.DEFINE_list("cores", [], "Numbers of the processor cores to use; all if not given.")
    launch(main)

"""One run of a sweep in a process of its own: the ordinary training, then a record of it."""

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from resnet_jax.assembly import Assembly, run
from resnet_jax.sweeps import records
from resnet_jax.sweeps.members import MemberDispatch, side_by_side
from resnet_jax.tables import Diverged
from resnet_jax.training.loop import Member, train_together


def execute(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Starts or continues the run unless it has come to its end, and records how it ended.

    A second process that is to execute the same run waits for the first.
    """
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


def execute_members(configs: list[ConfigDict], workdirs: list[Path]) -> dict[str, Any]:
    """Does the same for runs that can be members of one program."""
    with locked(workdirs), ExitStack() as stack:
        members, profiles = {}, []
        for config, workdir in zip(configs, workdirs, strict=True):
            if records.is_over(workdir):
                continue
            assembly = Assembly(config, side_by_side=side_by_side())
            parts = stack.enter_context(run.opened(assembly, config, workdir))
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

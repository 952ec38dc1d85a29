"""One run of a sweep in a process of its own: the ordinary training, then a record of it."""

from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from resnet_jax.assembly import Assembly, run
from resnet_jax.assembly.lock import alone
from resnet_jax.sweeps import records
from resnet_jax.sweeps.members import MemberDispatch, side_by_side
from resnet_jax.tables import Diverged
from resnet_jax.training.loop import Member, train_together


def execute(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Starts or continues the run unless it has come to its end, and records how it ended.

    A second process that is to execute the same run waits for the first.
    """
    with alone([workdir], wait=True):
        if records.is_over(workdir):
            return {"workdir": str(workdir)}
        status, reason = "done", ""
        try:
            result = run.train(config, workdir, lock=nullcontext)
        except Diverged as error:
            status, reason, result = "diverged", str(error).partition(":")[0], {}
        if "stopped" in result:
            return result
        record = records.of_run(workdir, Assembly(config).batch_size, status, reason)
        records.put(workdir, record)
    return {**result, "status": status, "workdir": str(workdir)}


def execute_members(configs: list[ConfigDict], workdirs: list[Path]) -> dict[str, Any]:
    """Does the same for runs that can be members of one program."""
    with alone(workdirs, wait=True), ExitStack() as stack:
        members, profiles = {}, []
        for config, workdir in zip(configs, workdirs, strict=True):
            if records.is_over(workdir):
                continue
            assembly = run.assembled(config, workdir, side_by_side=side_by_side())
            parts = stack.enter_context(run.opened(assembly, workdir))
            members[workdir] = Member(assembly.run(workdir), *parts)
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
        record = records.of_run(workdir, member.run.batch_size, status, reason, len(members))
        records.put(workdir, record)
        statuses[str(workdir)] = status
    return statuses

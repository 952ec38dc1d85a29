"""Readable names beside the addresses of a sweep's runs: links, which say what a folder holds."""

import os
import re
from pathlib import Path

from resnet_jax.sweeps.experiment import Task
from resnet_jax.sweeps.records import Store

FOLDER = "by_name"


def link(tasks: list[Task], store: Store, runs: Path, experiment: str, scale: str) -> None:
    """Links RUNS/by_name/EXPERIMENT/SCALE/ROW,seed=K to the folder of each run that has one.

    Links of runs that the sweep no longer has are removed, and everything else stays. Where the
    file system has no links there are none.
    """
    folder = runs / FOLDER / experiment / scale
    wanted = {
        folder / f"{_as_file(task.row.name)},seed={task.seed}": store.workdir(task)
        for task in tasks
        if store.workdir(task).is_dir()
    }
    try:
        for old in folder.glob("*"):
            if old.is_symlink() and old not in wanted:
                old.unlink()
        for name, workdir in wanted.items():
            name.parent.mkdir(parents=True, exist_ok=True)
            target = os.path.relpath(workdir, name.parent)
            if not name.is_symlink() or os.readlink(name) != target:
                name.unlink(missing_ok=True)
                name.symlink_to(target, target_is_directory=True)
    except (OSError, NotImplementedError):
        return


def _as_file(name: str) -> str:
    """A row's name without what a file's name may not have."""
    return re.sub(r"[^\w.+=()-]+", " ", name).strip()

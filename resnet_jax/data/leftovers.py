"""Temporary folders of runs that were killed: the next run with workers removes them.

The socket by which a run asks for workers lies in a temporary folder of multiprocessing's, which
nothing removes where the run is killed. So the run holds a lock in that folder, which ends with it:
a folder whose lock is free is a dead run's.
"""

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from functools import cache
from multiprocessing import util
from pathlib import Path

MARK = "resnet_jax.lock"


@cache
def tidy() -> int:
    """Removes what dead runs left, and marks this process's folder; done once a process.

    Returns:
      The descriptor of the lock, which is held until the process ends.
    """
    folder = Path(util.get_temp_dir())
    draft = folder / f"{MARK}.new"
    lock = os.open(draft, os.O_WRONLY | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    # Nobody sees the mark before its lock is held.
    draft.rename(folder / MARK)
    for mark in Path(tempfile.gettempdir()).glob(f"pymp-*/{MARK}"):
        with suppress(OSError), mark.open("rb") as other:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(mark.parent)
    return lock

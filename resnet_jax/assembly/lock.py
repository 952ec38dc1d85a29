"""The lock of a run's folder, so that no two processes train one run at once."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from absl import logging

from resnet_jax.tables import UserError
from resnet_jax.training import parallel

FILE = "lock"


@contextmanager
def alone(workdirs: list[Path], *, wait: bool = False) -> Iterator[None]:
    """Holds the locks of these folders, for all processes of a run.

    A lock ends with the process that holds it, however that ends; the file stays. It holds between
    machines too where the file system has locks, as NFS has: there Linux makes a byte-range lock of
    it. Where it has none, a line says so.

    Args:
      wait: until other processes are done.

    Raises:
      UserError: another process holds one of them, or they can't be written.
    """
    problem = ""
    with ExitStack() as stack:
        if parallel.is_first_process():
            # In one order, so that no two processes wait for each other.
            for workdir in sorted(workdirs):
                problem = problem or _take(workdir, wait, stack)
        if not parallel.holds_everywhere(not problem):
            raise UserError(problem or f"the first process can't lock {workdirs[0]}")
        yield


def _take(workdir: Path, wait: bool, stack: ExitStack) -> str:
    """Takes a lock until the stack ends; returns why it can't, or ''."""
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        file = stack.enter_context((workdir / FILE).open("a+"))
    except OSError as error:
        return f"can't write into {workdir} ({error.strerror}): give another --workdir"
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "another process"
        return (
            f"{holder} trains the run in {workdir} at this moment: wait for it to end or stop it,"
            " or give another --workdir"
        )
    except OSError as error:
        logging.error("%s has no locks (%s): let one process at a time train there", workdir, error)
        return ""
    try:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        stack.callback(file.truncate, 0)
    except OSError:
        pass  # the name in a sentence is no reason not to train
    return ""

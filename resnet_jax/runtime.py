"""What is process-wide: memory pages, precision, caches, logging, and the processes of a run.

The command line alone calls these functions, so that a program that imports the package stays as it
is. `cache_folder` changes nothing and is for everyone.
"""

import ctypes
import logging as python_logging
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from absl import flags, logging

from resnet_jax.tables import UserError

# Huge pages for what malloc gives: XLA takes memory for temporaries anew in every step, and small
# pages cost a CPU a seventh of its time.
HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


def restart_with_huge_pages() -> None:
    """Replaces this process by itself, once, since glibc reads its settings when a process starts.

    A GLIBC_TUNABLES of the user's own stands, and so does an interactive session.
    """
    interactive = hasattr(sys, "ps1") or sys.flags.interactive
    if sys.platform == "linux" and not interactive and not HUGE_PAGES.keys() & os.environ.keys():
        os.execve(sys.executable, sys.orig_argv, {**os.environ, **HUGE_PAGES})


def prepare() -> None:
    """Sets up logging and the compilation cache for a verb."""
    # `python -m` does so too; configurations are imported from there.
    if not {"", os.getcwd()} & set(sys.path):
        sys.path.insert(0, os.getcwd())
    # Verbs have flags of their own; absl's keep their defaults.
    flags.FLAGS.mark_as_parsed()
    logging.use_absl_handler()
    # Orbax and JAX tell at length what goes well.
    logging.set_verbosity(logging.ERROR)
    python_logging.getLogger("jax").setLevel(python_logging.ERROR)
    hush_late_readers()

    import jax

    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(cache_folder("compilation")))


def cache_folder(kind: str) -> Path:
    """Returns the folder for one kind of what can be made again; XDG_CACHE_HOME moves them all."""
    root = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(root).expanduser() / "resnet_jax" / kind


def hush_late_readers() -> None:
    """Silences the readers of other arrays that Orbax leaves behind where one is damaged.

    Each of them would print a traceback over the one line that says what happened.
    """
    python_logging.getLogger("asyncio").setLevel(python_logging.CRITICAL)
    hook = sys.unraisablehook

    def quiet(unraisable: Any) -> None:
        message = str(unraisable.exc_value)
        if "Event loop is closed" not in message and "TensorStore" not in message:
            hook(unraisable)

    sys.unraisablehook = quiet


def compute_in(dtype: str) -> None:
    """Lets JAX compute in 64 bits where `dtype` has them; JAX knows no other way than for all."""
    if dtype == "float64":
        import jax

        jax.config.update("jax_enable_x64", True)


class Peers(NamedTuple):
    """How the processes of a run meet, each on its machine.

    All of the first three are None where JAX finds its cluster (TPU VM, Slurm, Open MPI, GKE), and
    for a process alone.

    Attributes:
      coordinator: HOST:PORT of process 0.
      processes: in all.
      process: this one, counted from 0.
      start_timeout: seconds to wait for the others to start.
      peer_timeout: seconds without a sign of life after which a process is given up.
    """

    coordinator: str | None
    processes: int | None
    process: int | None
    start_timeout: int
    peer_timeout: int


@contextmanager
def together(peers: Peers) -> Iterator[None]:
    """Waits until all processes of the run have met; from then on the first alone prints.

    Where a process is lost the others end with status 2 and a sentence on standard error.
    """
    _join(peers)
    import jax

    if jax.process_count() == 1:
        yield
        return
    if jax.process_index():
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, until the process ends
    with ending_together():
        yield


@contextmanager
def ending_together() -> Iterator[None]:
    """Ends this process at once where it fails or another is lost, without waiting for that one."""
    import jax

    try:
        yield
    except UserError:
        # A mistake of the user, which every process finds.
        raise
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1:
            raise
        _end(f"{_lost()} ({str(error).splitlines()[0]})")
    except BaseException:
        if jax.process_count() == 1:
            raise
        traceback.print_exc()
        _end("this process failed, and the others of the run end with it")


def _join(peers: Peers) -> None:
    """Returns once all processes have met, or at once where there is but one."""
    import jax

    given = coordinator, processes, process = peers[:3]
    if given == (None, 1, None):
        return
    if any(value is not None for value in given):
        if coordinator is None or processes is None or process is None:
            raise UserError("give all of --coordinator=HOST:PORT, --processes=N and --process=K")
        if process >= processes:
            raise UserError(
                f"--process={process} of --processes={processes}: processes are counted from 0"
            )
    _end_on_abort(
        f"not all processes of the run met within {peers.start_timeout} s: start the same command"
        " on every machine, with the same --coordinator and --processes and its own --process, and"
        " see that they reach each other; --start_timeout=SECONDS waits longer, --processes=1 runs"
        " this one alone"
    )
    # The loop has a way of its own to hear SIGTERM, see training.interruption.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(
            *given,
            initialization_timeout=peers.start_timeout,
            heartbeat_timeout_seconds=peers.peer_timeout,
            shutdown_timeout_seconds=peers.peer_timeout,
        )
    except (ValueError, IndexError):
        if any(value is not None for value in given):
            raise UserError(f"--coordinator={coordinator} is not HOST:PORT") from None
        # JAX found no cluster: a process alone.
    _end_on_abort(_lost() if jax.process_count() > 1 else None)


def _lost() -> str:
    return (
        "another process of the run has stopped or can't be reached: start all of them again, and"
        " the run goes on from its last checkpoint"
    )


def _end_on_abort(sentence: str | None) -> None:
    """Says this where JAX's runtime aborts the process, its only answer to a peer that is lost.

    A handler of Python's would not be called: the abort comes from a thread of the runtime. None
    takes the handler away.
    """
    global _on_abort
    kind = ctypes.CFUNCTYPE(None, ctypes.c_int)
    _on_abort = kind() if sentence is None else kind(lambda number: _end(sentence))
    ctypes.CDLL(None).signal(int(signal.SIGABRT), _on_abort)


# Python must hold on to what C calls.
_on_abort: Any = None


def _end(sentence: str) -> Any:
    """Ends the process at once: an orderly end would wait for the process that is lost."""
    sys.stdout.flush()
    os.write(2, f"error: {sentence}\n".encode())
    os._exit(2)

"""Process-wide settings: memory pages, precision, caches, logging, and the processes of a run.

Only the command line calls these functions, so importing the package changes nothing process-wide.
`cache_folder` and `core_count` change nothing and are for everyone.
"""

import ctypes
import logging as python_logging
import os
import signal
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from absl import flags, logging

from resnet_jax.tables import UserError

# malloc gives huge pages: XLA allocates its temporaries anew in every step, and on small pages that
# costs a CPU a seventh of its time.
HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


def restart_with_huge_pages() -> None:
    """Restarts this process once, since glibc reads its settings when a process starts.

    Where the user has set GLIBC_TUNABLES, and in an interactive session, nothing happens.
    """
    interactive = hasattr(sys, "ps1") or sys.flags.interactive
    if sys.platform == "linux" and not interactive and not HUGE_PAGES.keys() & os.environ.keys():
        # A Ctrl-C while Python starts again waits for `hear_interrupts`.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            os.execve(sys.executable, sys.orig_argv, {**os.environ, **HUGE_PAGES})
        finally:
            hear_interrupts()


def hear_interrupts() -> None:
    """Raises KeyboardInterrupt where Ctrl-C came while `restart_with_huge_pages` did its work.

    From here on no Ctrl-C is lost: where one comes inside a callback of the garbage collector or a
    finaliser, Python prints the traceback and goes on.
    """
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    hook = sys.unraisablehook

    def again(unraisable: Any) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            hook(unraisable)
            return
        # Later, since it would be raised in this function.
        later = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
        later.daemon = True
        later.start()

    sys.unraisablehook = again


def prepare() -> None:
    """Sets up logging and the compilation cache for a verb."""
    # A user's configuration may import files of the current folder, as `python -m` has it.
    if not {"", os.getcwd()} & set(sys.path):
        sys.path.insert(0, os.getcwd())
    # Verbs have flags of their own; absl's keep their defaults.
    flags.FLAGS.mark_as_parsed()
    logging.use_absl_handler()
    # Orbax and JAX log at length what goes well.
    logging.set_verbosity(logging.ERROR)
    python_logging.getLogger("jax").setLevel(python_logging.ERROR)
    hush_orbax()

    import jax

    # Whatever JAX_ENABLE_X64 says: a configuration decides, see compute_in.
    jax.config.update("jax_enable_x64", False)
    if jax.config.jax_compilation_cache_dir is None:
        if _kept_folder("compilation") is None:
            print(
                "nothing is kept between runs, and each compiles anew: set XDG_CACHE_HOME to a"
                " folder that can be written to",
                file=sys.stderr,
            )
        jax.config.update("jax_compilation_cache_dir", str(cache_folder("compilation")))


def cache_folder(kind: str) -> Path:
    """Returns the folder for one kind of cache; XDG_CACHE_HOME moves all of them.

    Where that can't be written to, the folder lasts as long as this process.
    """
    folder = _kept_folder(kind) or Path(_temporary().name) / kind
    folder.mkdir(exist_ok=True)
    return folder


def _kept_folder(kind: str) -> Path | None:
    try:
        root = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
        folder = root / "resnet_jax" / kind
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # the latter where this user has no home
        return None
    return folder if os.access(folder, os.W_OK) else None


@cache
def _temporary() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="resnet_jax_")


def missing_device() -> str | None:
    """The sentence on devices that JAX_PLATFORMS asks for and JAX does not find; else None."""
    import jax

    try:
        jax.devices()
    except (RuntimeError, AssertionError):
        return (
            f"JAX finds no device of JAX_PLATFORMS={jax.config.jax_platforms}: unset JAX_PLATFORMS"
            " to use what is there, or install JAX for that device"
        )
    return None


def core_count() -> int:
    """Returns the number of cores that this process may use, which an affinity can limit."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def hush_orbax() -> None:
    """Silences what Orbax prints beside the error that it raises, and that is told in a sentence.

    It logs each failure of its threads with a traceback; and readers that still run after one of
    them met a damaged array, or have not begun, would each print one, too.
    """
    warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
    logging.get_absl_logger().addFilter(lambda record: "orbax" not in Path(record.pathname).parts)
    python_logging.getLogger("asyncio").setLevel(python_logging.CRITICAL)
    hook = sys.unraisablehook

    def quiet(unraisable: Any) -> None:
        expected = "Event loop is closed", "TensorStore", "was never awaited"
        if not any(text in str(unraisable.exc_value) for text in expected):
            hook(unraisable)

    sys.unraisablehook = quiet


def compute_in(*dtypes: str) -> None:
    """Lets JAX compute in 64 bits where one of these needs it; JAX sets this process-wide."""
    import jax

    jax.config.update("jax_enable_x64", "float64" in dtypes)


class Peers(NamedTuple):
    """How the processes of a run find each other, each on its machine.

    The first three are None where JAX finds its cluster (TPU VM, Slurm, Open MPI, GKE), and for a
    single process.

    Attributes:
      coordinator: HOST:PORT of process 0.
      processes: number of processes.
      process: number of this process, counted from 0.
      start_timeout: seconds to wait for the other processes to start.
      peer_timeout: seconds without a sign of life after which a process counts as lost.
    """

    coordinator: str | None
    processes: int | None
    process: int | None
    start_timeout: int
    peer_timeout: int


@contextmanager
def together(peers: Peers) -> Iterator[None]:
    """Waits until all processes of the run have met; from then on only the first one prints.

    Where a process is lost, the others end with status 2 and a sentence on standard error.
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
    """Ends this process at once where it fails or another is lost; it waits for no other."""
    import jax

    try:
        yield
    except UserError:
        # Every process finds a user's mistake, so none has to be ended.
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
    """Returns once all processes have met, or at once where there is only one."""
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
    # The loop hears SIGTERM itself, see training.interruption.
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
        # JAX found no cluster: this process is alone.
    _end_on_abort(_lost() if jax.process_count() > 1 else None)


def _lost() -> str:
    return (
        "another process of the run has stopped or can't be reached: start all of them again, and"
        " the run goes on from its last checkpoint"
    )


def _end_on_abort(sentence: str | None) -> None:
    """Ends the process with this sentence where JAX's runtime aborts it, as for a lost peer.

    A Python handler would not be called, since the abort comes from a thread of the runtime.

    Args:
      sentence: None removes the handler.
    """
    global _on_abort
    kind = ctypes.CFUNCTYPE(None, ctypes.c_int)
    _on_abort = kind() if sentence is None else kind(lambda number: _end(sentence))
    ctypes.CDLL(None).signal(int(signal.SIGABRT), _on_abort)


# A reference that keeps alive what C calls.
_on_abort: Any = None


def _end(sentence: str) -> Any:
    """Ends the process at once, since an orderly end would wait for the lost process."""
    try:
        sys.stdout.flush()
        os.write(2, f"error: {sentence}\n".encode())
    finally:
        os._exit(2)

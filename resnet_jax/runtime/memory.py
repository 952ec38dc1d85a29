"""The allocator of a verb's process, which the system reads from the environment at its start.

XLA takes the temporaries of a step from malloc anew in every step. glibc's malloc gives them back
to the system in between, which zeroes them each time; mimalloc keeps them for some seconds. With it
the training steps of ResNet-20 and ResNet-50 are 1.2 times as fast on two cores, bit for bit the
same. experiments/throughput has all figures, of memory too.
"""

import ctypes
import importlib.metadata
import importlib.util
import os
import pkgutil
import platform
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# On small pages a CPU spends a seventh of its time on what glibc gives and takes back.
GLIBC = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
# Milliseconds until mimalloc gives back what is free. A tenth of it keeps nothing between two
# steps; without an end the training loop takes four times as much memory.
MIMALLOC = {"MIMALLOC_PURGE_DELAY": "10000"}
# Says that a process has been restarted, to itself and to those that it starts.
RESTARTED = "RESNET_JAX_ALLOCATOR"


def restart() -> None:
    """Restarts this process once with the allocator that is fastest for it.

    That is mimalloc where the package cmeel-mimalloc is installed and JAX computes on CPUs alone,
    else glibc's with huge pages. What cannot be had is said once on standard error. An LD_PRELOAD
    or GLIBC_TUNABLES of the user stands, and nothing happens in an interactive session.
    """
    if RESTARTED in os.environ:
        _check_preload()
    elif sys.platform == "linux" and not _interactive() and (settings := _settings()):
        # A Ctrl-C while Python starts again waits for `hear_interrupts`.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            os.execve(sys.executable, sys.orig_argv, {**os.environ, **settings})
        except OSError as error:
            _tell(f"this process can't start anew ({error.strerror})")
        finally:
            hear_interrupts()


def hear_interrupts() -> None:
    """Raises KeyboardInterrupt where Ctrl-C came while `restart` did its work.

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
        # Later, since it would be raised in this function: on a busy machine the start of a thread
        # can take longer than what the thread waits.
        returning = threading.Event()

        def interrupt() -> None:
            returning.wait()
            time.sleep(0.1)
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=interrupt, daemon=True).start()
        returning.set()

    sys.unraisablehook = again


@contextmanager
def holding_interrupts() -> Iterator[None]:
    """While entered, a Ctrl-C waits: a library in C may make an error of another kind of it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def allocator() -> str:
    """The name of this process's allocator: mimalloc, jemalloc, tcmalloc, glibc or the system's."""
    found = re.search(r"/lib(mimalloc|jemalloc|tcmalloc)[^/]*$", _loaded(), re.MULTILINE)
    if found:
        return found[1]
    return "glibc" if platform.libc_ver()[0] == "glibc" else "the system"


def library() -> Path | None:
    """mimalloc's library; None where the package that brings it is not installed."""
    try:
        package = importlib.metadata.distribution("cmeel-mimalloc")
    except importlib.metadata.PackageNotFoundError:
        return None
    path = Path(str(package.locate_file("cmeel.prefix/lib/libmimalloc.so")))
    return path if path.is_file() else None


def preloading(path: Path) -> dict[str, str]:
    """The environment of a process whose allocator is this library; the user's delay stands."""
    delay = {key: os.environ.get(key, value) for key, value in MIMALLOC.items()}
    return {**GLIBC, **delay, "LD_PRELOAD": str(path)}


def _interactive() -> bool:
    return hasattr(sys, "ps1") or bool(sys.flags.interactive)


def _settings() -> dict[str, str]:
    """Variables of the environment to restart with; none where the process stays as it is."""
    own = os.environ.get("LD_PRELOAD")
    # The loader would complain a second time of what it could not preload.
    missing = [name for name in re.split("[ :]+", own or "") if Path(name).name not in _loaded()]
    if "GLIBC_TUNABLES" in os.environ or missing:
        return {}
    path = library() if not own and _on_cpus_alone() else None
    if path is None or not _loadable(path):
        return {RESTARTED: "glibc", **GLIBC}
    return {RESTARTED: "mimalloc", **preloading(path)}


def _on_cpus_alone() -> bool:
    """Whether JAX, which is not imported yet, will find no plugin for another device."""
    chosen = os.environ.get("JAX_PLATFORMS")
    if chosen:
        return chosen == "cpu"
    plugins = importlib.util.find_spec("jax_plugins")
    folders = plugins.submodule_search_locations if plugins else None
    return not (
        any(pkgutil.iter_modules(folders or []))
        or importlib.metadata.entry_points(group="jax_plugins")
        or importlib.util.find_spec("libtpu")
    )


def _loadable(path: Path) -> bool:
    try:
        ctypes.CDLL(str(path))
    except OSError as error:
        _tell(f"mimalloc can't be loaded ({error})")
        return False
    return True


def _check_preload() -> None:
    """Says where the loader has left mimalloc out, as it does for a setuid Python.

    Processes that this one starts do not say it again.
    """
    if os.environ[RESTARTED] == "mimalloc" and allocator() != "mimalloc":
        os.environ[RESTARTED] = "glibc"
        os.environ.pop("LD_PRELOAD", None)
        _tell("the loader has left mimalloc out")


def _tell(reason: str) -> None:
    print(f"memory comes from {allocator()}, which is slower here: {reason}", file=sys.stderr)


def _loaded() -> str:
    """What is mapped into this process, a file a line."""
    try:
        return Path("/proc/self/maps").read_text()
    except OSError:
        return ""

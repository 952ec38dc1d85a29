"""What this machine gives to a process; asking for it changes nothing."""

import os
import tempfile
from functools import cache
from pathlib import Path


def cache_folder(kind: str) -> Path:
    """Returns the folder for one kind of cache; XDG_CACHE_HOME moves all of them.

    Where that can't be written to, the folder lasts as long as this process.
    """
    folder = kept_folder(kind) or Path(_temporary().name) / kind
    folder.mkdir(exist_ok=True)
    return folder


def kept_folder(kind: str) -> Path | None:
    """Returns the folder for one kind of cache; None where it can't be written to."""
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


def core_count() -> int:
    """Returns the number of cores that this process may use, which an affinity can limit."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

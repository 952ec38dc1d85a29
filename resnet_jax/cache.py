"""Where this project keeps what it can make again: compiled functions and decoded images."""

import os
from pathlib import Path


def folder(kind: str) -> Path:
    """Returns the folder for one kind of content; XDG_CACHE_HOME moves them all."""
    root = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(root).expanduser() / "resnet_jax" / kind

"""Files that others may be reading while they are written."""

import os
from pathlib import Path


def replace(path: Path, text: str) -> None:
    """Writes a file in such a way that a reader sees the whole old one or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    draft.write_text(text)
    os.replace(draft, path)

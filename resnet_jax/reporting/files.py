"""Files that others may be reading while they are written."""

import os
from pathlib import Path


def replace(path: Path, content: str | bytes) -> None:
    """Writes a file in such a way that a reader sees the whole old one or the whole new one.

    Raises:
      OSError: it can't be written; names the path. Nothing is left of the new one.
    """
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(content if isinstance(content, bytes) else content.encode())
        os.replace(draft, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        draft.unlink(missing_ok=True)


def clear_drafts(folder: Path) -> None:
    """Removes what processes that were killed while they replaced files of a folder left there."""
    for draft in folder.glob("*.[0-9]*.tmp"):
        draft.unlink(missing_ok=True)

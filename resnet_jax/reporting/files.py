"""Files that others may be reading while they are written."""

import json
import os
from pathlib import Path
from typing import Any

from resnet_jax.tables import UserError


def replace(path: Path, content: str | bytes) -> None:
    """Writes a file in such a way that a reader sees the whole old one or the whole new one.

    Text is UTF-8; what that can't say, as of names of files that are not, is written as numbers.

    Raises:
      OSError: it can't be written; names the path. Nothing is left of the new one.
    """
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            content = content.encode(errors="backslashreplace")
        draft.write_bytes(content)
        os.replace(draft, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        draft.unlink(missing_ok=True)


def read_object(path: Path, cure: str) -> dict[str, Any]:
    """The JSON object in a file.

    Args:
      cure: what to do where there is none, as the end of a sentence.

    Raises:
      UserError: the file can't be read, or holds no JSON object.
    """
    try:
        found = json.loads(path.read_bytes())
        reason = "it holds no JSON object"
    except (OSError, ValueError, RecursionError) as error:
        found, reason = None, str(getattr(error, "strerror", None) or error)
    if not isinstance(found, dict):
        raise UserError(f"{path} is damaged ({reason}): {cure}")
    return found


def clear_drafts(folder: Path) -> None:
    """Removes what processes that were killed while they replaced files of a folder left there."""
    for draft in folder.glob("*.[0-9]*.tmp"):
        draft.unlink(missing_ok=True)

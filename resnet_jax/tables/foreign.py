"""Rows of a user's own file: 'my_rows.py:scalar_gate' names one, and running the file makes it."""

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from resnet_jax.tables.errors import UserError, nearest

# The users' files that this process has run, by the names of their modules: paths and contents,
# for other processes that are sent their objects.
FOREIGN_FILES: dict[str, tuple[Path, bytes]] = {}


def foreign_file(name: object) -> Path | None:
    """The file of 'my_rows.py:scalar_gate'; None for everything else."""
    if not isinstance(name, str):
        return None
    path, colon, attribute = name.rpartition(":")
    return Path(path) if colon and path.endswith(".py") and attribute.isidentifier() else None


def content_hash(path: Path) -> str:
    """SHA-256 of a user's file of rows, in hexadecimal digits.

    Raises:
      UserError: it can't be read.
    """
    return hashlib.sha256(_content(path)).hexdigest()


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(
            f"the file of rows {path} can't be read ({error.strerror}): give its path from here"
        ) from None


def foreign_row(name: str) -> Any:
    """The row that 'my_rows.py:scalar_gate' names.

    Raises:
      UserError: the file can't be run, or has no such row.
    """
    path = foreign_file(name)
    assert path is not None
    attribute = name.rpartition(":")[2]
    rows = vars(foreign_module(path))
    if attribute not in rows:
        own = [key for key in rows if not key.startswith("_")]
        raise UserError(f"{path} defines no '{attribute}'{nearest(attribute, own)}")
    return rows[attribute]


def foreign_module(path: Path, content: bytes | None = None) -> ModuleType:
    """Runs a user's file once for each content that it has.

    Args:
      content: of the file; None: as it is read now.
    """
    content = _content(path) if content is None else content
    name = f"{path.stem}_{hashlib.sha256(content).hexdigest()[:16]}"
    if name not in sys.modules:
        module = ModuleType(name)
        module.__file__ = str(path)
        # Entered before it runs, since a dataclass looks its module up there.
        sys.modules[name] = module
        try:
            with running(path):
                exec(compile(content, str(path), "exec"), module.__dict__)
        except UserError:
            del sys.modules[name]
            raise
        FOREIGN_FILES[name] = path, content
    return sys.modules[name]


@contextmanager
def running(path: Path) -> Iterator[None]:
    """Enter it to run a user's file: what the file raises becomes a UserError with its line."""
    try:
        yield
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        raise _mistake(path, error) from error


def _mistake(path: Path, error: BaseException) -> UserError:
    """The sentence on an error that running a user's file raised: which line of it, and why."""
    number = _line_of(error, path)
    where, shown = "", ""
    if number:
        lines = path.read_text(errors="replace").splitlines()
        where = f", line {number},"
        shown = f"; the line is '{_brief(lines[number - 1], 80)}'" if number <= len(lines) else ""
    said = _brief(str(error).strip().partition("\n")[0], 200) or "no message"
    return UserError(f"{path}{where} raises {type(error).__name__}: {said}{shown}")


def _brief(text: str, most: int) -> str:
    text = "".join(letter if letter.isprintable() else " " for letter in text).strip()
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _line_of(error: BaseException, path: Path) -> int | None:
    """The number of the file's last line on the way to the error."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno
    trace, line = error.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line

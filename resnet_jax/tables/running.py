"""What a user's file raises while it runs becomes one sentence with its line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resnet_jax.tables.errors import UserError


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

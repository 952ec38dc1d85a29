"""Standard output and standard error that may fail: a closed pipe, a full disk behind a log."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any


class Stream:
    """A stream that can't stop who writes to it: once it fails, what follows is dropped.

    Args:
      stream: standard output or standard error.
      name: its name in a sentence.
      other: where the failure is told.
    """

    def __init__(self, stream: Any, name: str, other: Any):
        self._stream, self._name, self._other = stream, name, other
        self.failure: OSError | None = None

    def write(self, text: str) -> int:
        # Letters that the stream can't write, as of names of files that are no UTF-8, as numbers.
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        shown = text.encode(encoding, "backslashreplace").decode(encoding)
        self._try(lambda: self._stream.write(shown))
        return len(text)

    def flush(self) -> None:
        self._try(self._stream.flush)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _try(self, work: Callable[[], object]) -> None:
        if self.failure is None:
            try:
                work()
            except OSError as error:
                self._fail(error)

    def _fail(self, error: OSError) -> None:
        self.failure = error
        with suppress(OSError, ValueError), open(os.devnull, "w") as nowhere:
            # What lies in buffers, and what libraries write there, goes nowhere too.
            os.dup2(nowhere.fileno(), self._stream.fileno())
        if isinstance(error, BrokenPipeError):
            return  # who reads through a pipe may stop, as `head` does
        with suppress(OSError, ValueError):
            reason = error.strerror or error
            self._other.write(
                f"{self._name} can't be written ({reason}): nothing more goes there\n"
            )
            self._other.flush()


@contextmanager
def surviving() -> Iterator[Stream]:
    """While entered, standard output and standard error may fail; yields the former."""
    open_standard_files()
    before = sys.stdout, sys.stderr
    output = Stream(before[0], "standard output", before[1])
    sys.stdout = output
    sys.stderr = Stream(before[1], "standard error", before[0])
    try:
        yield output
    finally:
        output.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = before


def open_standard_files() -> None:
    """Opens those of the first three files that a caller closed, as nowhere.

    Else the next file that is opened, such as a checkpoint, would be taken for one of them.
    """
    number = os.open(os.devnull, os.O_RDWR)
    while number < 3:
        number = os.open(os.devnull, os.O_RDWR)
    os.close(number)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, until the process ends

"""Errors that a user reads, and the name that was probably meant."""

import difflib
import os
import re
from collections.abc import Iterable
from typing import Any


class UserError(ValueError):
    """A mistake that the user can correct; it is shown as one sentence, without a traceback."""


class Incomplete(UserError):
    """A part of what was asked for could not be done; the rest was.

    Args:
      result: of the rest, which is printed before the sentence.
    """

    def __init__(self, sentence: str, result: dict[str, Any]):
        super().__init__(sentence)
        self.result = result


class Diverged(UserError):
    """A loss or a gradient is no longer finite; a rerun would repeat this."""


def nearest(name: object, valid: Iterable[str]) -> str:
    """Returns " (did you mean 'X'?)" for the valid name closest to `name`, or ''."""
    found = difflib.get_close_matches(str(name), list(valid), n=1, cutoff=0.5)
    return f" (did you mean '{found[0]}'?)" if found else ""


def system_reason(error: Exception) -> str | None:
    """What the operating system answered, also to TensorStore; None where it is another error."""
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    answer = re.search(r"os_error_code='(\d+)'", str(error))
    return os.strerror(int(answer[1])) if answer else None

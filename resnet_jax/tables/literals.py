"""Values as text: as a user writes them, and as errors show them."""

import ast
from typing import Any


def literal(text: str) -> Any:
    """The value of text that is written as in Python; other text is a string. No code is run."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        # The last three: a list as a key of a mapping, and brackets in brackets without end.
        return text


def shown(value: Any, most: int = 80) -> str:
    """The value in one line of at most so many characters."""
    try:
        text = repr(value)
    except ValueError:
        text = "a number of thousands of digits"  # which Python refuses to write
    except RecursionError:
        text = "a value that is nested too deeply"
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 3]}..."

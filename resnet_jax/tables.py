"""Choosing a row of a table by name, and the errors that a user's mistake raises.

Arrangements, branches, shortcuts, norms, optimizers, schedules and sources are rows of tables.
Where a row is a function, its keyword parameters are its options: their defaults stand in its
signature, and an option that the chosen row would ignore is an error.
"""

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar

Row = TypeVar("Row")

# Types of options that say which values are valid; those of an int or a float are above 0.
Count = int  # 0 or more
Share = float  # above 0, at most 1


class UserError(ValueError):
    """A mistake that the user can mend: one sentence, shown without a traceback."""


class Diverged(UserError):
    """A loss or a gradient is no longer finite, which a rerun would repeat."""


def nearest(name: object, valid: Iterable[str]) -> str:
    """Returns " (did you mean 'X'?)" for the valid name closest to `name`, or ''."""
    found = difflib.get_close_matches(str(name), list(valid), n=1, cutoff=0.5)
    return f" (did you mean '{found[0]}'?)" if found else ""


def choose(table: Mapping[str, Row], name: str, what: str) -> Row:
    """Returns `table[name]`.

    Raises:
      UserError: there is no such row; names the valid ones and the nearest.
    """
    if name not in table:
        raise UserError(f"unknown {what} '{name}'{nearest(name, table)}; valid: {', '.join(table)}")
    return table[name]


def options_of(row: Callable[..., Any]) -> dict[str, Any]:
    """Returns the options that a row takes and their defaults."""
    parameters = inspect.signature(row).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def configure(
    table: Mapping[str, Callable[..., Any]], name: str, what: str, options: Mapping[str, Any]
) -> Callable[..., Any]:
    """Returns the row with its options set; an option that is None keeps the row's default.

    Raises:
      UserError: there is no such row, or it takes no such option.
    """
    row = choose(table, name, what)
    given = {key: value for key, value in options.items() if value is not None}
    for option in given:
        if option not in options_of(row):
            takers = [other for other, function in table.items() if option in options_of(function)]
            raise UserError(
                f"{what} '{name}' takes no {option}: leave it unset, or choose a {what} that"
                f" takes it: {', '.join(takers)}"
            )
    return partial(row, **given)

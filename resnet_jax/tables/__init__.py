"""Tables of rows, which are chosen by name: rows of this package or of a user's own file.

A row is a function, or a record of a function (its field `function`) and facts that other rooms
need. The function's keyword parameters are the row's options: their names, defaults and meanings
stand there and nowhere else. A choice is a row's name, or a mapping of that `name` and options:

    "C"    {"name": "exclusive_gating", "gate_bias": -5.0}    "my_rows.py:scalar_gate"

The last one names a row in a user's own file, which is run to get the row. An option's annotation
says which values are valid, see `domains`.
"""

import dataclasses
import inspect
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from resnet_jax.tables import domains
from resnet_jax.tables.constraints import Constraint
from resnet_jax.tables.errors import Diverged, Incomplete, UserError, nearest
from resnet_jax.tables.foreign import foreign_file, foreign_row
from resnet_jax.tables.literals import literal

__all__ = [
    "Choice",
    "Diverged",
    "Incomplete",
    "Table",
    "UserError",
    "annotations_of",
    "choose",
    "configure",
    "literal",
    "nearest",
    "options_of",
    "split",
    "with_options",
]

Choice = str | Mapping[str, Any]
Item = TypeVar("Item")


def choose(table: Mapping[str, Item], name: str, what: str) -> Item:
    """Returns `table[name]`.

    Raises:
      UserError: there is no such row; names the valid ones and the nearest.
    """
    if name not in table:
        raise UserError(f"unknown {what} '{name}'{nearest(name, table)}; valid: {', '.join(table)}")
    return table[name]


def options_of(row: Any) -> dict[str, Any]:
    """Returns the options that a row takes and their defaults; a row that is a value takes none."""
    return {p.name: p.default for p in _parameters(row) if p.default is not p.empty}


def annotations_of(row: Any) -> dict[str, Any]:
    """Returns the annotation of each parameter; where there is none, the type of its default."""
    return {parameter.name: _annotation(row, parameter) for parameter in _parameters(row)}


def _parameters(row: Any) -> list[inspect.Parameter]:
    function = getattr(row, "function", row)
    if not inspect.isroutine(function) and not isinstance(function, partial | type):
        return []
    return list(inspect.signature(function).parameters.values())


def _annotation(row: Any, parameter: inspect.Parameter) -> Any:
    annotation = parameter.annotation
    if isinstance(annotation, str):
        function = getattr(row, "function", row)
        module = getattr(function, "func", function).__module__
        try:
            return eval(annotation, vars(sys.modules[module]))
        except (NameError, TypeError, AttributeError):
            return Any  # names that only type checkers see
    if annotation is not parameter.empty:
        return annotation
    kind = type(parameter.default)
    return kind if kind in (bool, int, float, str, tuple) else Any


def with_options(row: Any, **options: Any) -> Any:
    """Returns the row with options set; the row itself where there are none."""
    if not options:
        return row
    if hasattr(row, "function"):
        return dataclasses.replace(row, function=partial(row.function, **options))
    return partial(row, **options)


def configure(
    table: Mapping[str, Any], name: str, what: str, options: Mapping[str, Any]
) -> Callable[..., Any]:
    """Returns the row with its options set; an option that is None keeps the row's default.

    Raises:
      UserError: there is no such row, or it takes no such option.
    """
    return with_options(choose(table, name, what), **typed(table, name, what, options))


def typed(
    table: Mapping[str, Any], name: str, what: str, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the options that are not None, in the types that the row has for them.

    Raises:
      UserError: there is no such row, it takes no such option, or not this value of it.
    """
    given = {key: value for key, value in options.items() if value is not None}
    row = choose(table, name, what)
    taken, annotations = options_of(row), annotations_of(row)
    for option, value in given.items():
        if option not in taken:
            raise UserError(_refusal(table, name, what, option, taken))
        given[option] = domains.checked(
            value, annotations[option], f"{what} '{name}' option {option}"
        )
    return given


def _refusal(
    table: Mapping[str, Any], name: str, what: str, option: str, taken: Mapping[str, Any]
) -> str:
    takers = [other for other, row in table.items() if option in options_of(row)]
    valid = f"; it takes: {', '.join(taken)}" if taken else ""
    if takers:
        valid = f": leave it unset, or choose a {what} that takes it: {', '.join(takers)}"
    return f"{what} '{name}' takes no {option}{nearest(option, taken)}{valid}"


class Table(dict[str, Any], Constraint):
    """Rows by name, in the order of their importance.

    Annotated[Choice, TABLE] is the domain of a key whose value chooses one of them.

    Attributes:
      what: the word for a row in errors, as in "unknown shortcut 'E'".
      records: classes of the rows; a function in a user's file is wrapped in the first.
    """

    def __init__(self, what: str, rows: Mapping[str, Any], *records: type) -> None:
        super().__init__(rows)
        self.what, self.records = what, records

    def __hash__(self) -> int:  # type: ignore[override]
        # Python hashes the parts of an annotation.
        return id(self)

    def row(self, name: str) -> Any:
        """Returns the row of this name, which may be one of a user's own file.

        Raises:
          UserError: there is no such row; names the valid ones and the nearest.
        """
        return choose(self.with_foreign(name), name, self.what)

    def choose(self, choice: Choice) -> Any:
        """Returns the chosen row with its options set.

        Raises:
          UserError: there is no such row, it takes no such option, or not this value of it.
        """
        name, options = split(choice, self.what)
        return configure(self.with_foreign(name), name, self.what, options)

    def check(self, value: Choice) -> None:
        """Raises what `choose` raises."""
        self.choose(value)

    def words(self, kind: str) -> str:
        return f"one of {', '.join(self)}"

    def typed(self, choice: Choice) -> dict[str, Any]:
        """Returns the options of a choice in the types that the row has for them.

        Raises:
          UserError: as `choose`.
        """
        name, options = split(choice, self.what)
        return typed(self.with_foreign(name), name, self.what, options)

    def with_foreign(self, name: str) -> Mapping[str, Any]:
        """The table, with the row of a user's own file added where `name` names one.

        Raises:
          UserError: the file can't be run, or has no such row.
        """
        if name in self or foreign_file(name) is None:
            return self
        row = foreign_row(name)
        if self.records and not isinstance(row, self.records):
            row = self.records[0](row)
        self._check_call(name, row)
        return {**self, name: row}

    def _check_call(self, name: str, row: Any) -> None:
        """Raises UserError where the row is not called, or not of the type, as the table's are."""
        example = next((r for r in self.values() if type(r) is type(row)), [*self.values()][-1])
        expected, found = _required(example), _required(row)
        if expected is None:
            if not isinstance(row, type(example)):
                raise UserError(
                    f"{name} is a {type(row).__name__}, which is no {self.what}: give an object of"
                    f" type {type(example).__name__}"
                )
            return
        called = f"every {self.what} is called with ({', '.join(expected)})"
        if found is None:
            raise UserError(f"{name} is no function, and {called}: give a function of these")
        if len(expected) != len(found):
            raise UserError(
                f"{name} takes ({', '.join(found)}), and {called}: give every other parameter a"
                " default"
            )


def _required(row: Any) -> list[str] | None:
    """Names of the parameters without a default; None for a row that is no function."""
    function = getattr(row, "function", row)
    if not callable(function):
        return None
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]


def split(choice: Choice, what: str = "row") -> tuple[str, dict[str, Any]]:
    """Returns the name and the options of a choice.

    Raises:
      UserError: a mapping without a name.
    """
    if isinstance(choice, str):
        return choice, {}
    options = dict(choice) if isinstance(choice, Mapping) else {}
    if not isinstance(options.get("name"), str):
        raise UserError(
            f"{choice!r} chooses no {what}: give its name, or name and options as a mapping"
        )
    return options.pop("name"), options

"""Dataclasses whose fields are rows of tables, chosen by name: the pieces of a network."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from resnet_jax.tables import Choice, Table

Record = TypeVar("Record")


def chosen(table: Table, default: str, *, call: bool = False) -> Any:
    """A field of a dataclass whose value is a row of `table`; see `build`.

    Args:
      call: the value is what the row returns when it is called.
    """
    return dataclasses.field(
        default_factory=lambda: _value(table, default, call),
        metadata={"table": table, "call": call, "default": default},
    )


def derived(default: Any) -> Any:
    """A field of a dataclass that no caller gives, since it follows from other things."""
    return dataclasses.field(default=default, metadata={"derived": True})


def arguments_of(record: Any) -> set[str]:
    """The fields of a dataclass that a caller may give; the others are derived."""
    return {f.name for f in dataclasses.fields(record) if not f.metadata.get("derived")}


def defaults_of(record: Any) -> dict[str, Any]:
    """The arguments of a dataclass and their defaults; a row's default is its name."""
    fields = [field for field in dataclasses.fields(record) if field.name in arguments_of(record)]
    return {field.name: field.metadata.get("default", field.default) for field in fields}


def _value(table: Table, choice: Choice, call: bool) -> Any:
    row = table.choose(choice)
    return row() if call else row


def tables_of(record: Any) -> dict[str, Table]:
    """The tables that fields of a dataclass choose from, by the field's name."""
    fields = dataclasses.fields(record)
    return {field.name: field.metadata["table"] for field in fields if "table" in field.metadata}


def build(record: Callable[..., Record], values: Mapping[str, Any]) -> Record:
    """Makes a dataclass from arguments: a choice becomes the row of its field's table.

    Values that are no choices (a row itself, a number) are used as they are.
    """
    fields = {field.name: field.metadata for field in dataclasses.fields(record)}  # type: ignore
    made = {
        name: _value(fields[name]["table"], value, fields[name]["call"])
        if "table" in fields[name] and isinstance(value, str | Mapping)
        else value
        for name, value in values.items()
    }
    return record(**made)

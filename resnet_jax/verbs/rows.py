"""Lists what can be chosen by name: python -m resnet_jax rows shortcut.

Without an argument it lists the tables; with a table's name, each of its rows: the first line of
its docstring, and its options with their defaults and the values that are valid.
"""

import inspect
from typing import Any

from absl import flags

FLAGS = flags.FlagValues()


def main(table: str = "") -> dict[str, Any]:
    """Prints the tables or the rows of one, and returns their names."""
    from resnet_jax.assembly.choices import every_table
    from resnet_jax.tables import choose

    tables = every_table()
    if not table:
        for key, found in tables.items():
            print(f"{key:<20}{', '.join(found)}")
        return {"tables": list(tables)}
    found = choose(tables, table, "table")
    for name, row in found.items():
        print("\n    ".join([name, *described(row)]))
    return {"table": table, "rows": list(found)}


def described(row: Any) -> list[str]:
    """The first line of the row's docstring, and a line for each option."""
    from resnet_jax.tables import annotations_of, domains, options_of

    function = getattr(row, "function", row)
    function = getattr(function, "func", function)
    said = inspect.getdoc(function) if inspect.isroutine(function) else None
    annotations = annotations_of(row)
    options = [
        f"{key}={value!r}: {domains.words(annotations[key])}"
        for key, value in options_of(row).items()
    ]
    return [*(said or "").splitlines()[:1], *options]

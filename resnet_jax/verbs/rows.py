"""Lists what can be chosen by name: python -m resnet_jax rows shortcut.

Without an argument it lists the tables; with a table's name, each of its rows with the options,
their defaults, and the first line of the row's docstring.
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
        print(f"{name}{described(row)}")
    return {"table": table, "rows": list(found)}


def described(row: Any) -> str:
    """The row's options with their defaults, and on the next line the first of its docstring."""
    from resnet_jax.tables import options_of

    options = "".join(f" {key}={value!r}" for key, value in options_of(row).items())
    function = getattr(row, "function", row)
    function = getattr(function, "func", function)
    said = inspect.getdoc(function) if inspect.isroutine(function) else None
    return options + (f"\n    {said.partition(chr(10))[0]}" if said else "")

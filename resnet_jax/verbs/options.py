"""Flags for the options of rows: a row is a function, and its keyword parameters are its options.

Options are read from the function's source, since importing it would import JAX, and --help does
not wait for that.
"""

import ast
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from absl import flags

from resnet_jax.tables import UserError, choose, domains, literal

# By the kind of an option's annotation.
DEFINE: dict[type, Callable[..., Any]] = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}
# The annotation of another network to compare with: the folder of a run.
OTHER_RUN = "Subject | None"


class RowHelp(NamedTuple):
    """A row of a table as --help describes it.

    Attributes:
      line: first line of the docstring of its file or its function.
      kinds: the annotation of each option, as it is written; see tables.domains.
      defaults: the default of each option.
      words: the meaning of options, as far as the function's docstring gives it.
    """

    line: str
    kinds: dict[str, str]
    defaults: dict[str, Any]
    words: dict[str, str]

    def __str__(self) -> str:
        shown = ("..." if value is None else value for value in self.defaults.values())
        options = (f" --{key}={value}" for key, value in zip(self.kinds, shown, strict=True))
        return f"{''.join(options)}\n      {self.line}"


def of_files(paths: Iterable[Path], function: str) -> dict[str, RowHelp]:
    """Rows of files that each define this function, by the file's name."""
    found = {}
    for path in paths:
        tree = ast.parse(path.read_text())
        found[path.stem] = _row(_functions(tree)[function], tree, tree)
    return found


def of_table(path: Path, table: str) -> dict[str, RowHelp]:
    """Rows of the table of this name, whose functions stand in the same file."""
    tree = ast.parse(path.read_text())
    functions = _functions(tree)
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == table:
            assert isinstance(node.value, ast.Dict)
            names = [ast.literal_eval(key) for key in node.value.keys if key]
            rows = [functions[ast.unparse(value)] for value in node.value.values]
            return {name: _row(row, row, tree) for name, row in zip(names, rows, strict=True)}
    raise LookupError(f"{path} has no table {table}")


def _functions(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def _domains(tree: ast.Module) -> dict[str, str]:
    """What a file's own names of domains stand for, as in `Odd = Annotated[int, Odd()]`."""
    return {
        ast.unparse(node.targets[0]): ast.unparse(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("Annotated[")
    }


def _row(
    function: ast.FunctionDef, described: ast.FunctionDef | ast.Module, tree: ast.Module
) -> RowHelp:
    """The row of a function of a file; the docstring of `described` says what the row does."""
    given, named = function.args, _domains(tree)
    positional = given.args[len(given.args) - len(given.defaults) :]
    kinds = {
        parameter.arg: named.get(written := ast.unparse(parameter.annotation).strip("'"), written)
        for parameter in (*positional, *given.kwonlyargs)
        if parameter.annotation
    }
    values = [*given.defaults, *(default for default in given.kw_defaults if default)]
    defaults = dict(zip(kinds, map(ast.literal_eval, values), strict=True))
    # An entry of the docstring's 'Args:' goes on in lines that are indented further.
    entries = re.findall(
        r"^  (\w+): (.*(?:\n    .*)*)", ast.get_docstring(function) or "", re.MULTILINE
    )
    words = {option: " ".join(text.split()) for option, text in entries}
    line = (ast.get_docstring(described) or "").partition("\n")[0]
    return RowHelp(line, kinds, defaults, words)


def _domain(kind: str) -> Any:
    return str if kind == OTHER_RUN else domains.of_text(kind)


def define(values: flags.FlagValues, rows: Mapping[str, RowHelp]) -> None:
    """Defines a flag for every option of every row; a flag that is not given is None."""
    for option in dict.fromkeys(option for row in rows.values() for option in row.kinds):
        takers = {name: row for name, row in rows.items() if option in row.kinds}
        said = (row.words[option] for row in takers.values() if option in row.words)
        help = ": ".join([f"Of {', '.join(takers)}", *list(said)[:1]]).rstrip(".") + "."
        # Rows may allow different values of an option, which has one type in all of them.
        (kind,) = {domains.kind_of(_domain(row.kinds[option])) for row in takers.values()}
        DEFINE[kind](option, None, help, flag_values=values)


def given(
    values: flags.FlagValues, rows: Mapping[str, RowHelp], name: str, what: str
) -> dict[str, Any]:
    """Returns the options of a row that the flags set.

    Raises:
      UserError: there is no such row, it takes no such option, or a value lies outside its domain.
    """
    row = choose(rows, name, what)
    found = {}
    for option in dict.fromkeys(option for other in rows.values() for option in other.kinds):
        value = values[option].value
        if value is None:
            continue
        if option not in row.kinds:
            takers = [other for other, one in rows.items() if option in one.kinds]
            raise UserError(
                f"{what} '{name}' takes no --{option}: leave it out, or choose one that takes it:"
                f" {', '.join(takers)}"
            )
        found[option] = domains.checked(value, _domain(row.kinds[option]), f"--{option}")
    return found


def of_own(items: Sequence[str]) -> dict[str, Any]:
    """Options of a row in a file of the user's own, from texts like 'points=3'.

    Raises:
      UserError: one is not KEY=VALUE.
    """
    found = {}
    for item in items:
        key, equals, text = item.partition("=")
        if not equals:
            raise UserError(
                f"--option={item} is not KEY=VALUE: write for example --option=points=3"
            )
        found[key] = literal(text)
    return found


def listed(rows: Mapping[str, RowHelp]) -> str:
    """A paragraph of help: every row, what it does, and its options with their defaults."""
    return "\n".join(f"  {name}{row}" for name, row in rows.items())

"""Writes the pages that are made from the repository: README's sections, configurations, results.

No page repeats by hand what stands in the code, in README.md or in an experiment's results.
"""

import ast
import importlib
import inspect
import json
import pkgutil
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from ml_collections import ConfigDict

from resnet_jax.assembly import configuration_files, keys
from resnet_jax.assembly.choices import every_table
from resnet_jax.configs import default
from resnet_jax.sweeps.statistics import summary
from resnet_jax.verbs import launch
from resnet_jax.verbs.rows import described

ROOT = Path(__file__).parents[1]
ROOMS = (
    "models", "data", "training", "weights", "assembly", "analysis", "compression", "planning",
    "sweeps", "reporting", "pages", "tables", "runtime",
)  # fmt: skip

# Figures of a record, by the words of a table's head.
FIGURES = {
    "test error %": "test_error", "training error %": "train_error", "test loss": "test_loss",
    "training loss": "train_loss",
}  # fmt: skip


def write(folder: Path) -> None:
    """Writes all of them; `folder` is emptied before."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, texts in {
        "guide": guide(),
        "configurations": configurations(),
        "results": found(),
        "api": api(),
        "": {"command_line": command_line(), "rows": rows()},
    }.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for page, text in texts.items():
            (folder / name / f"{page}.md").write_text(text)


def guide() -> dict[str, str]:
    """A page for each section of README.md but its first lines, and one for jobs on clusters."""
    sections = re.split(r"^## ", (ROOT / "README.md").read_text(), flags=re.MULTILINE)[1:]
    texts = {}
    for section in sections:
        title = section.partition("\n")[0]
        # A section's subsections become the page's sections.
        text = re.sub(r"^###", "##", section, flags=re.MULTILINE)
        text = re.sub(r"(!\[[^]]*\])\(", r"\1(../../../", text)
        texts[re.sub(r"\W+", "_", title.lower()).strip("_")] = f"# {text}"
    texts["jobs"] = (ROOT / "experiments/jobs/README.md").read_text()
    texts["index"] = contents("Guide", texts)
    return texts


def configurations() -> dict[str, str]:
    """A page for each configuration: its docstring, the keys that it changes, and its code."""
    texts = {}
    for name in configuration_files.names():
        module = importlib.import_module(f"resnet_jax.configs.{name}")
        texts[name] = "\n".join([
            f"# {name}", "", f"    resnet-jax train --config={name}", "",
            inspect.getdoc(module) or "", "",
            *changes(module.get_config()), "",
            "## The file", "", f"```{{literalinclude}} ../../../configs/{name}.py",
            f":lines: {end_of_docstring(module) + 1}-", "```", "",
        ])  # fmt: skip
    texts["index"] = contents("Configurations", texts)
    return texts


def changes(config: ConfigDict) -> list[str]:
    """A table of the keys whose values are not those of `default`, and of options."""
    before, after = keys.facts(default.get_config()), keys.facts(config)
    lines = [
        f"| `{key}` | `{value!r}` | {f'`{before[key]!r}`' if key in before else ''} |"
        for key, value in sorted(after.items())
        if key not in before or before[key] != value
    ]
    head = ["## What it changes", "", "| key | here | default |", "|---|---|---|"]
    return [*head, *lines] if lines else []


def end_of_docstring(module: ModuleType) -> int:
    """The number of the line on which the docstring of a module ends."""
    return ast.parse(inspect.getsource(module)).body[0].end_lineno or 0


def found() -> dict[str, str]:
    """A page for each question of experiments/: its README, and a table drawn from each record."""
    texts = {}
    for readme in sorted((ROOT / "experiments").glob("*/README.md")):
        folder = readme.parent
        if folder.name != "jobs":
            parts = [with_pictures(readme.read_text(), folder), *tables(folder)]
            texts[folder.name] = "\n".join(parts)
    texts["index"] = contents("Results", texts)
    return texts


def tables(folder: Path) -> list[str]:
    """Every recorded run of an experiment, one table a scale: mean and deviation over the seeds.

    A line is what the runs computed, as keys that differ among them. So records that were made with
    an older recipe are shown as what they are.
    """
    parts = []
    for path in sorted((folder / "results").glob("*.json")):
        stored = json.loads(path.read_text())
        if "runs" in stored:
            parts += ["", f"## Every recorded run of the {path.stem} scale", ""]
            parts += table_of(stored["defaults"], list(stored["runs"].values()))
    return parts


def table_of(defaults: dict[str, Any], runs: list[dict[str, Any]]) -> list[str]:
    """A line for each group of runs that differ in nothing but the seed."""
    facts = [{**defaults, **run["changes"]} for run in runs]
    varied = [
        key
        for key in sorted({key for fact in facts for key in fact} - {"seed"})
        if len({json.dumps(fact.get(key)) for fact in facts}) > 1
    ]
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for fact, run in zip(facts, runs, strict=True):
        groups.setdefault(tuple(said(fact.get(key)) for key in varied), []).append(run["record"])
    lines = []
    for values, records in sorted(groups.items()):
        done = [record for record in records if record["status"] == "done"]
        others = ", ".join(r["status"] for r in records if r["status"] != "done")
        count = f"{len(done)} ({others})" if others else str(len(done))
        figures = [spread([record[key] for record in done]) for key in FIGURES.values()]
        lines.append([*values, count, *figures])
    head = [*(f"`{key}`" for key in varied), "n", *FIGURES]
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *lines)]


def said(value: Any) -> str:
    """The value of a key; nothing where the key belongs to a row that was not chosen."""
    return "" if value is None else str(value)


def spread(values: list[float]) -> str:
    """Mean and standard deviation."""
    found = summary(values)
    if found is None:
        return ""
    return f"{found.mean:.3f}" + ("" if found.n == 1 else f" ± {found.std:.3f}")


def with_pictures(text: str, folder: Path) -> str:
    """The text of a README, with its pictures where they lie; of other links, text and path."""

    def moved(link: re.Match[str]) -> str:
        mark, label, target = link.groups()
        path = (folder / target).relative_to(ROOT)
        return f"![{label}](../../../{path})" if mark else f"{label} (`{path}`)"

    return re.sub(r"(!?)\[([^\]]*)\]\((results/[^)]*)\)", moved, text)


def command_line() -> str:
    """Every verb's help."""
    parts = ["# The command line", ""]
    for name in launch.verbs():
        verb = importlib.import_module(f"resnet_jax.verbs.{name}")
        parts += [f"## {name}", "", "```text", launch.help_of(verb), "```", ""]
    return "\n".join(parts)


def rows() -> str:
    """Every table that a configuration chooses from, its rows and their options."""
    parts = ["# The rows of every table", ""]
    for key, table in every_table().items():
        listed = "\n".join(f"{name}{described(row)}" for name, row in table.items())
        parts += [f"## {key}", "", "```text", listed, "```", ""]
    return "\n".join(parts)


def api() -> dict[str, str]:
    """A page for each room of the package, its modules in the order of their names."""
    texts = {}
    for room in ROOMS:
        modules = [f"resnet_jax.{room}"]
        package = importlib.import_module(modules[0])
        if hasattr(package, "__path__"):
            modules += [m.name for m in pkgutil.walk_packages(package.__path__, f"{modules[0]}.")]
        parts = [f"# resnet_jax.{room}", ""]
        for module in modules:
            parts += [
                *([f"## {module.removeprefix('resnet_jax.')}", ""] if module != modules[0] else []),
                "```{eval-rst}", f".. automodule:: {module}", "   :members:",
                "   :ignore-module-all:", "```", "",
            ]  # fmt: skip
        texts[room] = "\n".join(parts)
    texts["index"] = contents("From Python", texts)
    return texts


def contents(title: str, pages: Iterable[str]) -> str:
    """A page that lists others of its folder."""
    return "\n".join([f"# {title}", "", "```{toctree}", ":maxdepth: 1", *pages, "```", ""])


def is_left_out(app: Any, what: str, name: str, item: Any, skip: bool, options: Any) -> bool | None:
    """Skips fields of named tuples, which the class describes, and what other packages define."""
    field = (inspect.getdoc(item) or "").startswith("Alias for field number")
    function = inspect.isroutine(item) and not str(item.__module__).startswith("resnet_jax")
    return True if field or (what == "module" and function) else None


def shortened(
    app: Any, what: str, name: str, item: Any, options: Any, signature: str | None, returns: Any
) -> tuple[str | None, Any]:
    """Takes from a signature what Flax adds to every module, and where types and values stand."""
    if signature:
        signature = re.sub(r"(, )?parent: [^=]*flax\.linen\.module.*", ")", signature)
        signature = re.sub(r"<(?:class|function) '?[\w.]*?(\w+)'?>", r"\1", signature)
        signature = re.sub(r"~[\w.]*?(\w+)(?![\w.])", r"\1", signature)
    return signature, returns


def escaped(app: Any, what: str, name: str, item: Any, options: Any, lines: list[str]) -> None:
    """Escapes in a docstring what only reStructuredText takes for markup; code stays as it is."""
    for index, line in enumerate(lines):
        parts = line.split("`")
        parts[::2] = [re.sub(r"([*|]|(?<=\w)_(?!\w))", r"\\\1", part) for part in parts[::2]]
        lines[index] = "`".join(parts)


def field_types(app: Any, what: str, name: str, item: Any, options: Any, lines: list[str]) -> None:
    """Writes the types of fields as code: a shape such as `*views height` is no emphasis."""
    lines[:] = [re.sub(r"^(:vartype \w+:) (.+)$", r"\1 ``\2``", line) for line in lines]

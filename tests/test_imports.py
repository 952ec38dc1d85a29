"""Imports go one way, and the verbs leave heavy ones to when they serve."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "resnet_jax"
VERBS = ("main", "evaluate", "summary", "prepare", "sweep", "convert", "export", "analyse",
         "compress", "predict", "report", "plan")  # fmt: skip
# What each room may import of the others.
ALLOWED = {
    "models": {"models", "tables"},
    "data": {"data", "cache", "tables"},
    "training": {"training", "tables"},
    "weights": {"weights", "models", "tables"},
    "reporting": {"reporting", "tables"},
    "assembly": {"assembly", "models", "data", "training", "weights", "reporting", "tables"},
    "analysis": {"analysis", "models", "data", "training", "tables", "drawing"},
    "compression": {"compression", "analysis", "models", "training", "tables"},
    "sweeps": {"sweeps", "analysis", "models", "data", "training", "reporting", "tables",
               "assembly", "configuration", "run", "command", "drawing",
               "html"},
}  # fmt: skip


def imported(path: Path) -> set[str]:
    """The rooms and modules of this package that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "resnet_jax":
                names = [f"resnet_jax.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("resnet_jax.")}
    return found


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_imports_only_what_it_may(room):
    files = list((PACKAGE / room).rglob("*.py"))
    assert files
    for path in files:
        surplus = imported(path) - ALLOWED[room]
        assert not surplus, f"{path} imports {surplus}"


def test_nothing_imports_a_verb():
    for path in PACKAGE.rglob("*.py"):
        assert not imported(path) & set(VERBS), f"{path} imports a verb"


def test_only_the_assembly_reads_configuration_keys():
    """`config.section.key` stands in one room, so that everything below takes plain arguments."""
    readers = {"configuration.py", "run.py", "command.py", "main.py", "evaluate.py",
               "summary.py", "trained.py", "plan.py"}  # fmt: skip
    for path in PACKAGE.rglob("*.py"):
        if path.parent != PACKAGE / "assembly" and path not in [PACKAGE / name for name in readers]:
            assert "ml_collections" not in path.read_text(), f"{path} knows of configurations"


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_imports_no_framework_before_its_flags_are_read(verb):
    tree = ast.parse((PACKAGE / f"{verb}.py").read_text())
    top = {
        name.split(".")[0]
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
        )
    }
    assert not top & {"jax", "flax", "optax", "orbax"}

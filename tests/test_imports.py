"""Imports go down only, no two files import each other, verbs import heavy ones late."""

import ast
import importlib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "resnet_jax"
# The house from top to bottom: what a room may import stands in rows below its own.
FLOORS = (
    ("__main__", "main"),
    ("verbs",),
    ("sweeps",),
    ("pages",),
    ("planning",),
    ("configs",),
    ("assembly",),
    ("compression",),
    ("analysis",),
    ("weights",),
    ("models", "data", "training"),
    ("reporting",),
    ("runtime",),
    ("tables",),
    ("__init__",),
)
# `models`, `data` and `training` stand on one floor and know nothing of each other, but for this:
# training may import what says once, and importing nothing itself, what data give to a step.
CONTRACT = "resnet_jax.data.contract"
EXCEPTIONS = {("training", CONTRACT)}
# The face of `models` gives networks with weights too, and asks for these when it is called.
FACE = ("resnet_jax.models", "resnet_jax.weights.pretrained")
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    # The link to the configurations is no folder that `rglob` enters.
    for path in sorted([*PACKAGE.rglob("*.py"), *(PACKAGE / "configs").glob("*.py")])
}
VERBS = sorted(path.stem for path in (PACKAGE / "verbs").glob("[a-z]*.py"))


def imported(path: Path) -> set[str]:
    """The modules of this package that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {name for name in names if name in MODULES and name != "resnet_jax"}
    return found


SCRIPTS = sorted((PACKAGE.parent / "experiments").glob("*/*.py"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_a_script_imports_is_there(path):
    """No test runs the scripts that time; a name that they import is missed here."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("resnet_jax"):
            module = importlib.import_module(node.module)
            for name in (alias.name for alias in node.names):
                found = hasattr(module, name) or f"{node.module}.{name}" in MODULES
                assert found, f"{node.module} has no {name}"


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


GRAPH = {module: imported(path) - {module} for module, path in MODULES.items()}


def test_every_module_stands_in_a_room():
    assert {room(module) for module in MODULES} == set(FLOOR)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_its_own_room_and_those_below(module):
    own = room(module)
    up = {
        other
        for other in GRAPH[module]
        if room(other) != own
        and FLOOR[room(other)] <= FLOOR[own]
        and (own, other) not in EXCEPTIONS
        and (module, other) != FACE
    }
    assert not up, f"{module} imports {sorted(up)}, which stand beside or above it"


def test_the_contract_for_data_imports_nothing_of_the_project():
    assert not GRAPH[CONTRACT]


def test_no_two_modules_import_each_other():
    finished: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path, module))
        if module not in finished:
            for other in sorted(GRAPH[module]):
                visit(other, (*path, module))
            finished.add(module)

    for module in GRAPH:
        visit(module, ())


def test_nothing_but_the_command_line_imports_a_verb():
    for module, others in GRAPH.items():
        if room(module) not in ("verbs", "main", "__main__"):
            assert not any(room(other) == "verbs" for other in others), module


def test_the_command_line_alone_changes_the_process():
    """`runtime.allocator`, `cache_folder` and `core_count` change nothing."""
    for module, path in MODULES.items():
        if room(module) not in ("verbs", "runtime"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and room(node.module or "") == "runtime":
                    assert {alias.name for alias in node.names} <= {
                        "allocator",
                        "cache_folder",
                        "core_count",
                    }, module
                elif isinstance(node, ast.ImportFrom) and node.module == "resnet_jax":
                    assert "runtime" not in {alias.name for alias in node.names}, module


def test_only_the_rooms_above_the_assembly_know_of_configurations():
    """`config.section.key` stands there alone, so that everything below takes plain arguments."""
    for module, path in MODULES.items():
        if FLOOR[room(module)] > FLOOR["assembly"]:
            assert "ml_collections" not in path.read_text(), f"{module} knows of configurations"


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_imports_no_framework_before_its_flags_are_read(verb):
    tree = ast.parse((PACKAGE / "verbs" / f"{verb}.py").read_text())
    top = {
        name.split(".")[0]
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
        )
    }
    assert not top & {"jax", "flax", "optax", "orbax"}

"""What a fresh machine meets first: the choice of a Python, and the list of requirements."""

import ast
import importlib.metadata
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
THIS_PYTHON = f"python3.{sys.version_info.minor}"


@pytest.fixture
def machine(tmp_path):
    """A machine without any Python: a function that runs `.ci/setup --find`, and its bin folder."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for tool in ("sh", "dirname", "grep", "ls"):
        (programs / tool).symlink_to(shutil.which(tool))

    def find(**environment):
        return subprocess.run(
            [ROOT / ".ci" / "setup", "--find"],
            env={"PATH": str(programs), "HOME": str(tmp_path)} | environment,
            capture_output=True,
            text=True,
        )

    return find, programs


def script(path, line):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def working(path):
    script(path, f'exec "{sys.executable}" "$@"')


def test_a_shim_that_fails_is_passed_over(machine):
    find, programs = machine
    for name in ("python3.13", "python3.12", "python3.11", "uv"):
        script(programs / name, "exit 127")
    working(programs / "python3")
    assert find().stdout == f"{programs}/python3\n"


def test_pyenv_versions_behind_shims_are_found(machine, tmp_path):
    find, programs = machine
    script(programs / THIS_PYTHON, "exit 127")
    version = tmp_path / f".pyenv/versions/3.{sys.version_info.minor}.9/bin/python"
    working(version)
    assert find().stdout == f"{version}\n"


def test_the_newest_that_works_is_taken(machine):
    find, programs = machine
    for minor in (11, 12, 13):
        script(programs / f"python3.{minor}", f"echo 3.{minor} /home")
    assert find().stdout == f"{programs}/python3.13\n"
    assert find(PYTHON="python3.11").stdout == "python3.11\n"


@pytest.mark.parametrize("version", [None, "2.7", "3.10", "3.14"])
@pytest.mark.parametrize("named", [True, False])
def test_one_sentence_says_what_is_needed(machine, version, named):
    find, programs = machine
    if version:
        script(programs / "python3", f"echo {version} /home")
    found = find(PYTHON="python3") if named else find()
    assert found.returncode != 0
    assert found.stdout == ""
    assert found.stderr.count("\n") == 1
    assert "Python 3.11, 3.12 or 3.13" in found.stderr


def test_every_imported_package_is_required():
    """Imports inside a function may be of optional packages; those at a module's top may not."""
    imported = set()
    for path in (ROOT / "resnet_jax").rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.split(".")[0])
    distributions = importlib.metadata.packages_distributions()
    normal = {
        package: {re.sub(r"[-_.]+", "-", name).lower() for name in distributions.get(package, ())}
        for package in imported - sys.stdlib_module_names - {"resnet_jax"}
    }
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    required = {re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", line)[0]).lower() for line in lines}
    assert {package for package, names in normal.items() if not names & required} == set()

"""Changes that make the code wrong, each of which must turn a test red.

`pytest -m slow tests/mutation -n 2` tries them all, `-k lesion` those with lesion in their names.
"""

import compileall
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_line import ROOT, environment
from mutation import (
    of_analysis,
    of_augmentation,
    of_compression,
    of_connections,
    of_planning,
    of_runs,
    of_sweeps,
    of_training,
)
from mutation.mutant import NOT_THE_COPY

ROOMS = (
    of_analysis,
    of_augmentation,
    of_compression,
    of_connections,
    of_planning,
    of_runs,
    of_sweeps,
    of_training,
)
MUTANTS = [mutant for room in ROOMS for mutant in room.MUTANTS]
each_mutant = pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
# Tests -> pytest's exit status, and what it printed.
Runner = Callable[[list[str]], tuple[int, str]]


def test_every_room_has_mutants_with_names_of_their_own():
    names = [mutant.name for mutant in MUTANTS]
    assert len(set(names)) == len(names) >= 75
    rooms = {mutant.file.partition("/")[0] for mutant in MUTANTS}
    assert rooms == {
        "analysis", "assembly", "compression", "data", "models", "planning", "reporting", "sweeps",
        "training",
    }  # fmt: skip


@each_mutant
def test_what_a_mutant_changes_is_there(mutant):
    found = (ROOT / "resnet_jax" / mutant.file).read_text().count(mutant.before)
    assert found == 1 and mutant.before != mutant.after, (
        f"'{mutant.before}' stands {found} times in resnet_jax/{mutant.file}: find what the code"
        f" has in its place, and write that as `before` of the mutant '{mutant.name}' in"
        " tests/mutation, with an `after` that does the same wrong thing"
    )
    for test in mutant.tests:
        path, _, function = test.partition("::")
        text = (ROOT / path).read_text() if (ROOT / path).is_file() else ""
        assert f"def {function}" in text, f"there is no {test}, which '{mutant.name}' names"


@pytest.fixture(scope="session")
def copy(tmp_path_factory) -> Path:
    """What the tests need of the project, in a folder of its own."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("resnet_jax", "configs", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    compileall.compile_dir(folder, quiet=1)
    return folder


@pytest.fixture(scope="session")
def run(copy) -> Iterator[Runner]:
    """Runs tests on the copy."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mutation.forks"],
        cwd=copy,
        # A module that a mutant's run compiles must not outlive the mutant.
        env={
            **environment(),
            "PYTHONPATH": f"{copy}:{copy / 'tests'}",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def run(tests: list[str]) -> tuple[int, str]:
        assert process.stdin and process.stdout
        out = copy / "out.txt"
        # Tests that are themselves slow are among those that must turn red.
        options = ["-x", "-q", "-p", "no:cacheprovider", "-n0", "-m", "not peers"]
        request = [str(out), [*options, *tests]]
        print(json.dumps(request), file=process.stdin, flush=True)
        status = int(process.stdout.readline())
        assert status != NOT_THE_COPY, f"it was not the copy that was tested: {out.read_text()}"
        return status, out.read_text()

    yield run
    process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.__name__.rpartition(".")[2])
def test_without_a_mutant_the_tests_pass(run, room):
    status, said = run(sorted({test for mutant in room.MUTANTS for test in mutant.tests}))
    assert status == pytest.ExitCode.OK, said


@pytest.mark.slow
@each_mutant
def test_a_mutant_turns_a_test_red(run, copy, mutant):
    path = copy / "resnet_jax" / mutant.file
    text = path.read_text()
    path.write_text(text.replace(mutant.before, mutant.after))
    try:
        status, said = run(list(mutant.tests))
    finally:
        path.write_text(text)
    assert status == pytest.ExitCode.TESTS_FAILED, (
        f"'{mutant.after}' in place of '{mutant.before}' must fail {' or '.join(mutant.tests)}:"
        f" write a test that it does fail\n{said}"
    )

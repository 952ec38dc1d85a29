"""The allocator that a verb's process restarts with, and what it does without one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ROOT

from resnet_jax.runtime import memory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems are left alone")

VARIABLES = {"LD_PRELOAD", "JAX_PLATFORMS", memory.RESTARTED, *memory.GLIBC, *memory.MIMALLOC}
SCRIPT = """
import json, os, subprocess, sys
from resnet_jax import runtime
runtime.restart()
print(json.dumps({"allocator": runtime.allocator(), "pid": os.getpid(), **os.environ}), flush=True)
if len(sys.argv) > 1:
    subprocess.run([sys.executable, "-c", sys.argv[1]], check=True)
"""


def started(*arguments: str, python: str = sys.executable, **variables: str):
    """What processes print that restart themselves, one that the other starts, and their errors."""
    own = {key: value for key, value in os.environ.items() if key not in VARIABLES}
    done = subprocess.run(
        [python, "-c", SCRIPT, *arguments],
        cwd=ROOT, env={**own, "JAX_PLATFORMS": "cpu", **variables}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def given(found: dict[str, str]) -> dict[str, str]:
    return {key: found[key] for key in sorted(VARIABLES & found.keys() - {"JAX_PLATFORMS"})}


@pytest.fixture
def packages(tmp_path):
    """A folder of packages with one that brings a library of that name, which allocates nothing."""
    information = tmp_path / "cmeel_mimalloc-9.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Name: cmeel-mimalloc\nVersion: 9\n")
    library = tmp_path / "cmeel.prefix/lib/libmimalloc.so"
    library.parent.mkdir(parents=True)
    maps = Path("/proc/self/maps").read_text().splitlines()
    harmless = next(line.split()[-1] for line in maps if "/libm.so" in line or "/libm-" in line)
    library.write_bytes(Path(harmless).read_bytes())
    return tmp_path


def preloaded(packages: Path) -> dict[str, str]:
    library = str(packages / "cmeel.prefix/lib/libmimalloc.so")
    return {**memory.GLIBC, **memory.MIMALLOC, memory.RESTARTED: "mimalloc", "LD_PRELOAD": library}


def test_mimalloc_is_preloaded_once_and_what_the_process_starts_has_it_too(packages):
    (first, second), errors = started(SCRIPT, PYTHONPATH=str(packages))
    assert given(first) == given(second) == preloaded(packages)
    assert first["allocator"] == second["allocator"] == "mimalloc" and not errors


def test_the_package_itself_gives_memory():
    if memory.library() is None:
        pytest.skip("cmeel-mimalloc is not installed")
    (found,), errors = started(MIMALLOC_SHOW_STATS="1")
    assert found["allocator"] == "mimalloc" and "heap stats" in errors.replace("  ", " ")


@pytest.mark.parametrize(
    "own",
    [
        {"GLIBC_TUNABLES": "glibc.malloc.check=0"},
        {"GLIBC_TUNABLES": "glibc.malloc.check=0", "LD_PRELOAD": "libc.so.6"},
    ],
)
def test_what_the_user_set_stands(packages, own):
    (found,), errors = started(PYTHONPATH=str(packages), **own)
    assert given(found) == own and not errors


def test_a_library_that_the_user_preloads_stands_beside_huge_pages(packages):
    (found,), errors = started(PYTHONPATH=str(packages), LD_PRELOAD="libc.so.6")
    assert given(found) == {"LD_PRELOAD": "libc.so.6", memory.RESTARTED: "glibc", **memory.GLIBC}
    assert not errors


def test_a_delay_of_the_user_stands(packages):
    (found,), _ = started(PYTHONPATH=str(packages), MIMALLOC_PURGE_DELAY="7")
    assert given(found) == {**preloaded(packages), "MIMALLOC_PURGE_DELAY": "7"}


def test_a_missing_library_of_the_user_is_complained_of_once(packages):
    (found,), errors = started(PYTHONPATH=str(packages), LD_PRELOAD="/no/such.so")
    assert given(found) == {"LD_PRELOAD": "/no/such.so"} and found["allocator"] == "glibc"
    assert errors.count("/no/such.so") == 1  # by the loader itself


@pytest.mark.parametrize("platforms", ["cuda", "cuda,cpu", "tpu"])
def test_another_device_gets_huge_pages_alone(packages, platforms):
    (found,), errors = started(PYTHONPATH=str(packages), JAX_PLATFORMS=platforms)
    assert given(found) == {memory.RESTARTED: "glibc", **memory.GLIBC} and not errors


def test_a_plugin_for_another_device_counts_where_the_user_names_none(packages):
    environment = {"PYTHONPATH": str(packages), "JAX_PLATFORMS": ""}
    (found,), _ = started(**environment)
    before = found[memory.RESTARTED]
    (packages / "jax_plugins/card").mkdir(parents=True)
    (packages / "jax_plugins/card/__init__.py").touch()
    (found,), errors = started(**environment)
    assert (before, found[memory.RESTARTED]) == ("mimalloc", "glibc") and not errors


def test_a_library_that_cannot_be_loaded_is_told_once(packages):
    (packages / "cmeel.prefix/lib/libmimalloc.so").write_text("no library")
    (first, second), errors = started(SCRIPT, PYTHONPATH=str(packages))
    assert given(first) == given(second) == {memory.RESTARTED: "glibc", **memory.GLIBC}
    (line,) = errors.splitlines()
    assert line.startswith(
        "memory comes from glibc, which is slower here: mimalloc can't be loaded"
    )


def test_a_loader_that_leaves_the_library_out_is_told_once(packages, tmp_path):
    """As for a setuid or static Python: here a script takes the variable away."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nunset LD_PRELOAD\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    script = f"import sys; sys.executable = {str(python)!r}\n{SCRIPT}"
    restarting = f"import sys; sys.orig_argv[0] = {str(python)!r}\n{script}"
    own = {key: value for key, value in os.environ.items() if key not in VARIABLES}
    done = subprocess.run(
        [sys.executable, "-c", restarting, SCRIPT], cwd=ROOT, capture_output=True, text=True,
        env={**own, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(packages)},
    )  # fmt: skip
    first, second = map(json.loads, done.stdout.splitlines())
    assert given(first) == given(second)
    assert first[memory.RESTARTED] == "glibc" and "LD_PRELOAD" not in first
    (line,) = done.stderr.splitlines()
    assert line.endswith("the loader has left mimalloc out")


def test_where_a_process_can_not_start_anew_it_goes_on(monkeypatch, capsys):
    def forbidden(*_):
        raise PermissionError(1, "Operation not permitted")

    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "execve", forbidden)
    monkeypatch.setattr(memory, "library", lambda: None)
    memory.restart()
    assert "this process can't start anew (Operation not permitted)" in capsys.readouterr().err


def test_an_interactive_session_is_not_replaced(monkeypatch):
    replaced = []
    monkeypatch.setattr(os, "execve", lambda *arguments: replaced.append(arguments))
    monkeypatch.setattr(memory, "library", lambda: None)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    memory.restart()
    assert replaced == []
    monkeypatch.delattr(sys, "ps1")
    memory.restart()
    ((program, arguments, environment),) = replaced
    assert (program, arguments) == (sys.executable, sys.orig_argv)
    assert environment == {**os.environ, memory.RESTARTED: "glibc", **memory.GLIBC}

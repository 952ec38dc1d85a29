"""Surroundings that a run may find: they make no difference, or end it in one sentence."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import photographs
import pytest
from assembly.traces import tiny
from command_line import ROOT, command, environment, mistake

from resnet_jax import runtime
from resnet_jax.assembly import Assembly
from resnet_jax.assembly.run import train
from resnet_jax.tables import UserError

SMALL = (
    "depth=8,width_factor=0.25,train.steps=4,report.every_steps=2,report.tensorboard=False,"
    "eval.every_epochs=0.0,checkpoint.every_epochs=0.0"
)
SMOKE = f"{ROOT}/configs/smoke.py:{SMALL},data.image_size=8,data.examples=64"


@pytest.mark.parametrize(
    ("verb", "flags"),
    [
        ("train", ["--config=configs/smoke.py", "--workdir=gs://bucket/run"]),
        ("evaluate", ["--workdir=s3://bucket/run"]),
        ("analyse", ["lesion", "--workdir=gs://bucket/run"]),
        ("analyse", ["lesion", "--config=configs/smoke.py", "--out=gs://bucket/out"]),
        ("report", ["--workdir=gs://bucket/run"]),
        ("export", ["a.onnx", "--workdir=gs://bucket/run"]),
        ("execute", ["--config=configs/smoke.py", "--workdir=gs://bucket/run"]),
        ("sweep", ["experiments/shortcut", "--scale=smoke", "--runs=gs://bucket/runs"]),
    ],
)
def test_a_folder_elsewhere_is_refused_before_anything_is_written(
    verb, flags, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")
    assert "://bucket/" in (sentence := mistake(verb, *flags))
    assert "is no folder of this machine" in sentence
    assert sorted(os.listdir(tmp_path)) == ["configs", "experiments"]


def test_a_wave_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert str(tmp_path / "runs") in mistake("evaluate", "--workdir=~/runs")
    assert "names no home folder" in mistake("evaluate", "--workdir=~no_such_user_here/runs")


def test_workers_follow_the_affinity_of_the_process():
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system has no affinities")
    before = os.sched_getaffinity(0)
    assert runtime.core_count() == len(before)
    try:
        os.sched_setaffinity(0, [min(before)])
        assert runtime.core_count() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_a_cache_that_can_not_be_kept_lasts_as_long_as_the_process(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert runtime.cache_folder("images") == tmp_path / "caches" / "resnet_jax" / "images"
    (tmp_path / "a file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a file"))
    folder = runtime.cache_folder("images")
    assert folder.is_dir() and tmp_path not in folder.parents
    assert runtime.cache_folder("images") == folder


def test_a_run_needs_compilation():
    with (
        pytest.raises(UserError, match=r"JAX_DISABLE_JIT or jax\.disable_jit\(\) forbids"),
        jax.disable_jit(),
    ):
        Assembly(tiny()).run()


def test_a_narrow_run_is_not_made_in_a_process_of_64_bits():
    with (
        pytest.raises(UserError, match=r"float32 .* inside of `with jax\.enable_x64\(False\)`"),
        jax.enable_x64(True),
    ):
        Assembly(tiny()).run()


def figures(done: subprocess.CompletedProcess) -> dict:
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    return {key: value for key, value in found.items() if key != "workdir"}


def runs(config: str, workdir: Path, *flags: str, at: Path = ROOT, **changed: str | None):
    """A run in a process whose environment has these changes; None removes a variable."""
    surroundings = {**environment(), "PYTHONPATH": str(ROOT), **changed}
    return subprocess.run(
        command("train", f"--config={config}", f"--workdir={workdir}", *flags), cwd=at,
        env={key: value for key, value in surroundings.items() if value is not None},
        capture_output=True, text=True,
    )  # fmt: skip


def sentence(done: subprocess.CompletedProcess) -> str:
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    return figures(runs(SMOKE, tmp_path_factory.mktemp("usual") / "run"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "changed",
    [
        {"JAX_ENABLE_X64": "1"},
        {"HOME": None},
        {"HOME": "/proc/nothing", "XDG_CACHE_HOME": None, "JAX_COMPILATION_CACHE_DIR": None},
        {"HOME": "/etc/passwd", "XDG_CACHE_HOME": None, "JAX_COMPILATION_CACHE_DIR": None},
        {"TMPDIR": "/proc/nothing"},
        {"PYTHONHASHSEED": "3", "LC_ALL": "C", "PYTHONUTF8": "0", "TZ": "Asia/Kathmandu"},
    ],
)
def test_a_run_is_the_same_in_other_surroundings(changed, usual, tmp_path):
    done = runs(SMOKE, tmp_path / "run", **changed)
    assert figures(done) == usual
    quiet = changed.get("JAX_COMPILATION_CACHE_DIR", "") is not None
    assert done.stderr == "" if quiet else done.stderr.startswith("nothing is kept between runs")
    assert len(done.stderr.splitlines()) <= 1


@pytest.mark.slow
def test_a_run_is_the_same_from_another_folder(usual, tmp_path):
    assert figures(runs(SMOKE, tmp_path / "run", at=tmp_path)) == usual


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"JAX_PLATFORMS": "cuda"}, "JAX finds no device of JAX_PLATFORMS=cuda: unset"),
        ({"JAX_PLATFORMS": "nonsense"}, "JAX finds no device of JAX_PLATFORMS=nonsense"),
        ({"JAX_DISABLE_JIT": "1"}, "JAX_DISABLE_JIT or jax.disable_jit() forbids to compile"),
    ],
)
def test_what_forbids_a_run_is_one_sentence(changed, words, tmp_path):
    if changed.get("JAX_PLATFORMS") == "cuda" and Path("/dev/nvidia0").exists():
        pytest.skip("this machine has such a device")
    assert words in sentence(runs(SMOKE, tmp_path / "run", **changed))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_runs_of_different_precision_share_a_process(tmp_path):
    short = {"train.steps": 4, "eval.every_epochs": 0.0, "checkpoint.every_epochs": 0.0}
    alone = train(tiny(**short), tmp_path / "alone")
    with jax.enable_x64(True):
        wide = train(tiny(**short, **{"model.dtype": "float64"}), tmp_path / "wide")
        narrow = train(tiny(**short), tmp_path / "narrow")
    assert {**narrow, "workdir": ""} == {**alone, "workdir": ""}
    assert wide["loss"] != alone["loss"]


SCRIPT = """
import sys, threading
from pathlib import Path
from resnet_jax.assembly import configuration
from resnet_jax.assembly.run import train

def go():
    import json
    print(json.dumps(train(configuration.read(sys.argv[1]), Path(sys.argv[2]))))

{call}
"""


@pytest.fixture(scope="module")
def streamed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    for split in ("train", "test"):
        photographs.write(folder, split)
    return (
        f"{ROOT}/configs/smoke.py:{SMALL},data.source=folder,data.dir={folder},"
        "data.image_size=16,train.batch_size=8,data.workers=2"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "call", ["go()", "thread = threading.Thread(target=go); thread.start(); thread.join()"]
)
def test_a_script_trains_without_a_main_guard_and_in_a_thread(call, streamed, tmp_path):
    """A process that is started runs the script again, as far as its main guard."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(call=call))
    done = subprocess.run(
        [sys.executable, script, streamed, tmp_path / "run"], cwd=tmp_path,
        env={**environment(), "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert figures(done)["step"] == 4 and done.stderr == ""


@pytest.mark.slow
def test_workers_start_where_the_folder_of_temporary_files_has_a_long_name(streamed, tmp_path):
    """The address of a socket has at most 107 bytes."""
    deep = tmp_path / ("x" * 120)
    deep.mkdir()
    assert figures(runs(streamed, tmp_path / "run", TMPDIR=str(deep)))["step"] == 4


PRIVATE = ["unshare", "--mount", "--propagation", "private"]


@pytest.mark.slow
@pytest.mark.parametrize("options", ["ro", "size=8k"])
def test_shared_memory_that_is_read_only_or_tiny_is_one_sentence(options, streamed, tmp_path):
    """As containers have it, whose /dev/shm has 64 MiB if nobody says otherwise."""
    # A file system of its own over /dev/shm, which these processes alone see.
    mount = f'mount -t tmpfs -o {options} none /dev/shm && exec "$@"'
    inside = [*PRIVATE, "sh", "-c", mount, "sh"]
    if sys.platform != "linux" or subprocess.run([*inside, "true"], capture_output=True).returncode:
        pytest.skip("this user may mount nothing")
    flags = [f"--config={streamed}", f"--workdir={tmp_path / 'run'}"]
    done = subprocess.run(
        [*inside, *command("train", *flags)], cwd=ROOT, env=environment(),
        capture_output=True, text=True,
    )  # fmt: skip
    assert "or set data.workers=0" in sentence(done)
    done = subprocess.run(
        [*inside, *command("train", *flags, "--config.data.workers=0")], cwd=ROOT,
        env=environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert figures(done)["step"] == 4

"""A run that is killed and started again equals one that was never stopped."""

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from command_line import ROOT, call, command, environment

from resnet_jax.assembly import Assembly, run_folder

FLAGS = (
    "--config=configs/smoke.py:train.steps=200,report.every_steps=1,train.ema_decay=0.99,"
    "checkpoint.every_epochs=3.0,dropout=0.1,survival=0.8,optim.name=adamw,optim.rate=0.002,"
    "stage_depths=(2,),widths=(16,),width_factor=1.0,stem_width=16,data.image_size=8,"
    "report.tensorboard=False",
)


def lines(workdir: Path) -> list[dict]:
    path = workdir / "metrics.jsonl"
    if not path.exists():
        return []
    found = []
    for line in path.read_text().splitlines(keepends=True):
        if line.endswith("\n"):
            found.append({**json.loads(line), "images_per_second": None})
    return found


def final_state(workdir: Path) -> list[np.ndarray]:
    assembly = Assembly(run_folder.load(workdir))
    with assembly.checkpoints(workdir) as checkpoints:
        state = checkpoints.restore(assembly.create_state())
    assert state is not None and int(state.step) == 200
    return jax.tree.leaves(jax.device_get(state))


def start(workdir: Path) -> subprocess.Popen:
    return subprocess.Popen(
        command("main", *FLAGS, f"--workdir={workdir}"),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for_lines(workdir: Path, count: int, process: subprocess.Popen) -> None:
    """Returns when the run has written so many more lines, or has ended."""
    wanted = len(lines(workdir)) + count
    while len(lines(workdir)) < wanted and process.poll() is None:
        time.sleep(0.005)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> Path:
    workdir = tmp_path_factory.mktemp("resume") / "uninterrupted"
    call("train", *FLAGS, f"--workdir={workdir}")
    return workdir


@pytest.mark.slow
def test_killed_five_times_equals_never_killed(tmp_path, uninterrupted):
    seed = int(os.environ.get("KILL_SEED", random.randrange(1_000)))
    print("KILL_SEED", seed)
    draw = random.Random(seed)
    workdir = tmp_path / "killed"
    for _ in range(5):
        process = start(workdir)
        wait_for_lines(workdir, draw.randrange(5, 35), process)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    call("train", *FLAGS, f"--workdir={workdir}")
    assert_equal(workdir, uninterrupted)


@pytest.mark.slow
def test_sigterm_saves_and_the_run_goes_on(tmp_path, uninterrupted):
    workdir = tmp_path / "terminated"
    process = start(workdir)
    wait_for_lines(workdir, 20, process)
    process.terminate()
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    stopped = json.loads(output.splitlines()[-1])
    assert stopped["stopped"] == "SIGTERM"
    assert (workdir / "checkpoints" / str(stopped["step"])).is_dir()
    assert len(lines(workdir)) == stopped["step"]
    call("train", *FLAGS, f"--workdir={workdir}")
    assert_equal(workdir, uninterrupted)


def assert_equal(workdir: Path, reference: Path) -> None:
    for ours, expected in zip(final_state(workdir), final_state(reference), strict=True):
        assert ours.dtype == expected.dtype
        np.testing.assert_array_equal(ours, expected)
    assert [line["step"] for line in lines(workdir)] == list(range(1, 201))
    assert lines(workdir) == lines(reference)

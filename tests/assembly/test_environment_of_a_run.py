"""What a run says when it begins, and what its environment.json keeps."""

import json
import shlex
import subprocess
import sys
from datetime import datetime

import jax
import numpy
import pytest
from command_line import call, environment, run

from configs import smoke
from resnet_jax.assembly import Assembly, run_folder
from resnet_jax.assembly.environment import (
    beginning,
    checkout,
    devices,
    devices_of,
    read,
    recorded,
    unused_card,
)
from resnet_jax.runtime import allocator

TINY = (
    "stage_depths=(1,),widths=(4,),stem_width=4,width_factor=1.0,data.image_size=8,data.examples=64"
)


def test_the_line_that_a_run_begins_with(tmp_path):
    config = smoke.get_config(f"{TINY},train.steps=1200,train.batch_size=32")
    kind = jax.devices()[0].device_kind
    expected = f"1 x {kind}, float32, 1,200 steps of 32 images, memory from {allocator()}"
    expected += f"; the run lies in {tmp_path}"
    assert beginning(Assembly(config), tmp_path) == expected


def test_devices_that_are_left_out_are_counted(tmp_path):
    code = (
        "from pathlib import Path; from configs import smoke\n"
        "from resnet_jax.assembly import Assembly\n"
        "from resnet_jax.assembly.environment import beginning\n"
        f"config = smoke.get_config('{TINY},train.steps=3,dtype=bfloat16')\n"
        "config.mesh.data = 2\n"
        "print(beginning(Assembly(config), Path('run')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(devices=4), capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stdout.startswith("2 of 4 x cpu, bfloat16, 3 steps of ")


def test_a_card_that_is_there_and_not_used_is_said(tmp_path, monkeypatch):
    assert unused_card(tmp_path) is None
    (tmp_path / "nvidiactl").touch()
    assert unused_card(tmp_path) is None
    (tmp_path / "nvidia0").touch()
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    said = unused_card(tmp_path)
    assert "an NVIDIA GPU is there" in said and "pip install 'resnet_jax[cuda]'" in said
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert "unset JAX_PLATFORMS=cpu" in unused_card(tmp_path)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert unused_card(tmp_path) is None


def test_a_run_keeps_where_and_with_what_it_was_computed(tmp_path):
    config = f"--config=configs/smoke.py:{TINY},train.steps=4,checkpoint.every_epochs=0.0"
    flags = (config, f"--workdir={tmp_path}", "--config.report.page=False")
    call("train", *flags)
    (entry,) = read(tmp_path)
    assert entry["images_seen"] == 4 * entry["batch_size"] and entry["steps"] == 4
    assert datetime.fromisoformat(entry["end"]) >= datetime.fromisoformat(entry["start"])
    assert entry["versions"]["jax"] == jax.__version__
    assert entry["versions"]["numpy"] == numpy.__version__
    # The process of the tests is what ran.
    assert entry["command"] == shlex.join(sys.orig_argv)
    assert entry["devices"] == f"1 x {jax.devices()[0].device_kind}"
    before = (tmp_path / "environment.json").read_bytes()
    call("train", *flags)
    assert (tmp_path / "environment.json").read_bytes() == before, "nothing was left to train"


def test_updates_behind_the_checkpoint_are_made_again(tmp_path, monkeypatch):
    """After kill -9, metrics tell of updates that no checkpoint has."""
    assembly = Assembly(smoke.get_config(f"{TINY},train.steps=1200,train.batch_size=32"))
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text('{"step": 900}\n')
    monkeypatch.setattr(run_folder, "steps_of", lambda folder: [250, 500])
    with recorded(assembly, tmp_path):
        metrics.write_text('{"step": 850}\n')
    (entry,) = read(tmp_path)
    assert entry["from_step"] == 500 and entry["images_seen"] == 350 * 32
    assert devices_of(tmp_path) == [devices(assembly)]


def test_a_damaged_file_stops_nothing(tmp_path):
    (tmp_path / "environment.json").write_text("[{")
    assert read(tmp_path) == []


def test_the_commit_and_whether_the_tree_is_clean(tmp_path, monkeypatch):
    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    (tmp_path / "rows.py").write_text("x = 1\n")
    git("add", ".")
    git("commit", "-qm", "First")
    expected = {"repository": str(tmp_path), "commit": git("rev-parse", "HEAD"), "clean": True}
    assert checkout(tmp_path) == expected
    (tmp_path / "rows.py").write_text("x = 2\n")
    assert checkout(tmp_path) == {**expected, "clean": False}
    # An installed package: the repository that the user works in.
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert checkout(tmp_path / "site-packages")["commit"] == expected["commit"]


@pytest.mark.slow
def test_an_interrupted_run_has_an_entry_for_each_start(tmp_path):
    flags = (f"--config=configs/smoke.py:{TINY},train.steps=2000,checkpoint.every_epochs=50.0",
             f"--workdir={tmp_path}", "--config.report.page=False")  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "resnet_jax", "train", *flags], env=environment(),
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("step 50/"):
            break
    process.terminate()
    process.communicate()
    assert "stopped" not in run("train", *flags)
    first, second = read(tmp_path)
    assert first["images_seen"] + second["images_seen"] == 2000 * first["batch_size"]
    assert json.dumps(first) and first["end"] <= second["start"]

"""Runs that were begun before options stood under the rows that take them."""

import json
import shutil
from pathlib import Path

import pytest
from command_line import call, mistake
from traces import DATA

from resnet_jax.assembly import configuration, keys, run_folder
from resnet_jax.tables import UserError

# config.json of runs of 198c409, and the configurations that they were begun with, as now written;
# where a recipe has changed since, its values of then follow.
OLDER = Path(__file__).with_name("older_runs")
RUNS = {
    "gated": "cifar10.py:shortcut=exclusive_gating,gate_bias=-5.0,branch=wide,kernels=(3,1,3),"
    "depth=22,optim.decay_rule=all,norm.group_size=None",
    "photographs": "imagenet_a1.py:depth=50,branch=bottleneck,groups=32,base_width=4,"
    "zero_init_branch=False,data.policy=rand_augment,data.policy.magnitude=21",
    "bit": "imagenet_bit.py",
}


@pytest.fixture
def folder(tmp_path, name):
    (tmp_path / "checkpoints" / "1").mkdir(parents=True)
    (tmp_path / "config.json").write_text((OLDER / f"{name}.json").read_text())
    return tmp_path


@pytest.mark.parametrize("name", RUNS)
def test_an_older_run_is_read_and_goes_on(folder, name):
    now = configuration.read(f"configs/{RUNS[name]}")
    assert stated(run_folder.load(folder)) == stated(now)
    run_folder.claim(folder, now, DATA)


def stated(config):
    """What a configuration says; options that are left to their rows stood there as null."""
    return {key: value for key, value in keys.facts(config).items() if value is not None}


# OLDER holds whole folders of runs of 16 updates, without the checkpoints after the eighth: of
# commits before 0.1.0, and of each release. A new release adds one.
CONFIG = (
    "--config=configs/smoke.py:train.steps=16,report.every_steps=1,train.ema_decay=0.9,"
    "checkpoint.every_epochs=1.0,eval.every_epochs=1.0,checkpoint.keep=3,checkpoint.keep_best=0,"
    "report.tensorboard=False,stage_depths=(1,),widths=(4,),stem_width=4,width_factor=1.0,"
    "data.image_size=8"
)


@pytest.mark.parametrize(
    "version", ["bfec755", pytest.param("198c409", marks=pytest.mark.slow), "0.1.0"]
)
def test_a_run_of_an_older_version_is_evaluated_and_goes_on(tmp_path, version):
    """If this fails, a key or a file has changed: say in older_runs.py what it was before."""
    workdir = shutil.copytree(OLDER / version, tmp_path / "run")
    expected = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    found = call("evaluate", f"--workdir={workdir}")
    assert found["loss"] == pytest.approx(expected[7]["eval/loss"], rel=1e-4)
    assert call("train", CONFIG, f"--workdir={workdir}")["step"] == 16
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert lines[:8] == expected[:8] and len(lines) == len(expected) == 16
    for name in ("train/loss", "eval/loss"):
        assert lines[-1][name] == pytest.approx(expected[-1][name], rel=1e-3)
    assert "another configuration" in mistake("train", f"{CONFIG},seed=1", f"--workdir={workdir}")
    # From now on it knows its classes.
    assert json.loads((workdir / "data.json").read_text())["examples"] == 256


@pytest.mark.parametrize(
    "key", ["train.onednn", "mesh.shard_state", "mixing.cutmix", "report.page"]
)
def test_a_key_that_is_missing_has_the_value_that_changes_nothing(tmp_path, key):
    workdir = shutil.copytree(OLDER / "0.1.0", tmp_path / "run")
    values = json.loads((workdir / "config.json").read_text())
    section, name = key.split(".")
    del values[section][name]
    (workdir / "config.json").write_text(json.dumps(values))
    run_folder.begun(workdir, configuration.read(CONFIG.removeprefix("--config=")))
    with pytest.raises(UserError, match=r"train.steps was 16 and is 17"):
        text = CONFIG.removeprefix("--config=").replace("train.steps=16", "train.steps=17")
        run_folder.begun(workdir, configuration.read(text))

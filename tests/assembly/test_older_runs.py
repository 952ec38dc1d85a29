"""Runs that were begun before options stood under the rows that take them."""

from pathlib import Path

import pytest
from traces import DATA

from resnet_jax.assembly import configuration, keys, run_folder

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

"""Keys that leave a seed's initial parameters and the order of its examples as they are."""

from pathlib import Path

import jax
import numpy as np
import pytest
from sweeps.folders import TINY

from resnet_jax.assembly import Assembly, configuration, keys
from resnet_jax.sweeps.experiment import Experiment, Row, tasks
from resnet_jax.sweeps.pairs import LEAVE_THE_START, start_alike

# A value of each key that is not the one of TINY.
OTHERS = {
    "eval.recalibration_steps": "2",
    "mixing.mixup": "1.0",
    "model.drop_whole_batch": "True",
    "model.dropout": "0.3",
    "model.survival": "0.5",
    "norm.group_size": "16",
    "optim.decay_rule": "kernels",
    "schedule.warmup_epochs": "0.5",
    "train.accumulate": "2",
    "train.ema_decay": "0.9",
    "train.epochs": "3.0",
    "train.label_smoothing": "0.1",
    "train.loss": "binary_cross_entropy",
    "train.steps": "50",
    "data.flip": "True",
}


def start(changes: str):
    """Initial parameters, and the numbers of the examples in two batches."""
    config = configuration.read(f"{TINY},{changes}" if changes else TINY)
    assembly = Assembly(config)
    variables = jax.jit(assembly.initial_state)(jax.random.key(config.seed)).variables
    picks = [assembly.train_data.train_picks(config.seed, step, 32).indices for step in (0, 3)]
    return variables["params"], picks


@pytest.fixture(scope="module")
def plain():
    return start("")


@pytest.mark.parametrize("key", OTHERS)
def test_runs_start_alike_whatever_these_keys_are(plain, key):
    changed = start(f"{key}={OTHERS[key]}")
    jax.tree.map(np.testing.assert_array_equal, changed, plain)


def test_every_prefix_is_tried():
    untried = [prefix for prefix in LEAVE_THE_START
               if not any(key.startswith(prefix) for key in OTHERS)]  # fmt: skip
    # Photographs are cut and changed, and the others of these images as `flip` changes them.
    assert all(prefix.startswith("data.") for prefix in untried)


def row(changes: str):
    chosen = Experiment(Path(), "", "", {"small": TINY}, {}, lambda _: [Row("a", changes)])
    (task,) = tasks(chosen, "small", 1)
    return task.changes


@pytest.mark.parametrize(
    ("changes", "alike"),
    [
        ("optim.rate=0.3,mixing.cutmix=1.0,data.cutout=4", True),
        ("zero_init_branch=True", False),
        ("shortcut=C", False),
        ("norm.name=group,norm.channel_groups=2", False),
        ("train.batch_size=16", False),
        ("data.examples=32", False),
        ("data.repeats=2", False),
    ],
)
def test_other_keys_make_other_runs(changes, alike):
    assert start_alike(row(changes), row("")) == start_alike(row(""), row(changes)) == alike


def test_a_default_that_is_written_out_is_no_difference():
    assert keys.facts(configuration.read(TINY)) and start_alike(row("survival=1.0"), row(""))

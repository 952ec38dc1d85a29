"""A new run that goes on from the whole training state of another, init.run."""

import json
import shlex

import jax
import numpy as np
import pytest
from command_line import call, mistake

from configs import smoke
from resnet_jax.assembly import Assembly, environment
from resnet_jax.sweeps.experiment import Experiment, Row, tasks

TINY = (
    "stage_depths=(1,),widths=(4,),stem_width=4,width_factor=1.0,data.image_size=8,"
    "data.examples=64,data.pad=1,train.ema_decay=0.9,report.every_steps=1,"
    "report.tensorboard=False,report.page=False,schedule.name=constant,schedule.warmup_epochs=0.0"
)
CONFIG = f"--config=configs/smoke.py:{TINY}"


def arrays(workdir, **changes):
    """Step, parameters, optimizer's memory and averages of a run's newest checkpoint."""
    config = smoke.get_config(TINY)
    config.update_from_flattened_dict(changes)
    assembly = Assembly(config)
    with assembly.checkpoints(workdir) as checkpoints:
        return jax.device_get(checkpoints.restore(assembly.abstract_state, sets_aside=False))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of 6 steps, one of 4, and one that goes on from the latter to 6."""
    folder = tmp_path_factory.mktemp("going_on")
    flags = {"whole": ["--config.train.steps=6"], "half": ["--config.train.steps=4"],
             "more": ["--config.train.steps=6", f"--continue_from={folder / 'half'}"]}  # fmt: skip
    for name, given in flags.items():
        call("train", CONFIG, *given, f"--workdir={folder / name}")
    return folder


def test_it_computes_what_one_long_run_computes(runs):
    """With a constant rate the length changes nothing; all of the state is taken."""
    whole, more = arrays(runs / "whole"), arrays(runs / "more")
    assert int(more.step) == 6
    jax.tree.map(np.testing.assert_array_equal, whole, more)
    lines = [json.loads(line) for line in (runs / "more/metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [5, 6]


def test_config_json_tells_where_it_began(runs):
    config = json.loads((runs / "more/config.json").read_text())
    assert config["init"]["run"] == str(runs / "half")
    (entry,) = environment.read(runs / "more")
    assert environment.first_step(runs / "more") == entry["from_step"] == 4
    assert entry["images_seen"] == 2 * entry["batch_size"]


def test_it_goes_on_by_itself_without_the_run_that_it_began_with(runs, tmp_path):
    moved = runs / "half"
    away = moved.rename(tmp_path / "half")
    try:
        flags = ("--config.train.steps=6", f"--continue_from={moved}", f"--workdir={runs / 'more'}")
        assert call("train", CONFIG, *flags)["step"] == 6
    finally:
        away.rename(moved)


def test_a_finished_run_that_is_to_go_on_says_the_command_that_does_it(runs):
    said = mistake("train", CONFIG, "--config.train.steps=8", f"--workdir={runs / 'half'}")
    assert "train.steps was 4 and is 8" in said
    command = shlex.split(said.partition("from its state, say ")[2])
    assert command[:2] == ["resnet-jax", "train"]
    assert call("train", *command[2:])["step"] == 8
    assert (runs / "half_2" / "config.json").is_file()


@pytest.mark.parametrize(
    "flags",
    [
        ["--config.train.steps=4", "--config.model.widths=(8,)"],
        ["--config.train.steps=3"],  # the state has made more updates
    ],
)
def test_a_run_that_can_not_go_on_from_the_state_has_no_such_command(runs, flags):
    said = mistake("train", CONFIG, *flags, f"--workdir={runs / 'half'}")
    assert "holds a run of another configuration" in said and "from its state" not in said


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--config.train.steps=4"], "has made 4 updates, and this run ends after 4: set more"),
        (["--config.model.widths=(8,)"], "other arrays than this run (model.widths was [4] and is"),
        (["--config.optim.name=adamw"], "optim.name was sgd and is adamw"),
        (["--config.data.classes=3"], "it has 4 classes and the data have 3"),
        (["--config.init.weights=a.safetensors"], "init.run and init.weights are both set"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_before_anything_is_written(
    runs, tmp_path, flags, sentence
):
    workdir = tmp_path / "new"
    start = ["--config.train.steps=9", f"--continue_from={runs / 'half'}", f"--workdir={workdir}"]
    assert sentence in mistake("train", CONFIG, *start, *flags)
    assert not workdir.exists()


def test_a_folder_without_a_run(tmp_path):
    flags = ["--config.train.steps=9", f"--continue_from={tmp_path}", f"--workdir={tmp_path / 'n'}"]
    assert "holds no run with a checkpoint" in mistake("train", CONFIG, *flags)


def test_a_sweep_calls_a_run_after_the_state_that_it_goes_on_from(runs):
    def address(origin):
        row = Row("row", f"{TINY},init.run={origin}")
        found = Experiment(runs, "", "", {"x": "configs/smoke.py"}, {}, lambda _: [row])
        return tasks(found, "x", 1)[0].address

    assert address(runs / "half") != address(runs / "whole") != address(runs / "nothing")

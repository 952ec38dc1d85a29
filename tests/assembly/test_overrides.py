"""Overrides of a configuration, and the configuration that a run's folder keeps."""

import pytest
from traces import DATA, tiny

from configs import cifar10, default
from resnet_jax.assembly import configuration, run_folder
from resnet_jax.tables import UserError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("detph=3", "did you mean 'model.depth'"),
        ("optim.rte=3", "did you mean 'optim.rate'"),
        ("nosection.key=3", "valid sections"),
        ("depth", "not KEY=VALUE"),
        ("depth=deep", "must be a whole number from 1 to 10,000"),
    ],
)
def test_a_wrong_override_names_the_right_one(text, message):
    with pytest.raises(UserError, match=message):
        configuration.override(default.get_config(), text)


def test_overrides_reach_their_keys():
    text = "depth=110,shortcut=C,branch=wide,kernels=(3,1,3),optim.rate=0.3,seed=4,widths=(1,2)"
    config = configuration.override(default.get_config(), text)
    assert (config.model.depth, config.model.shortcut, config.seed) == (110, "C", 4)
    assert config.model.branch == {"name": "wide", "kernels": (3, 1, 3)}
    assert config.model.widths == (1, 2)
    assert config.optim.rate == 0.3


def test_another_row_drops_the_options_that_it_does_not_take():
    config = cifar10.get_config("optim.momentum=0.8,schedule.name=cosine,optim.name=nesterov")
    assert "decay_at" not in config.schedule and config.optim.momentum == 0.8
    configuration.override(config, "optim.momentum=None")
    assert "momentum" not in config.optim


def test_the_name_of_a_row_with_options_chooses_another():
    config = cifar10.get_config("model.head.name=max,model.shortcut.name=C")
    assert (config.model.head, config.model.shortcut) == ("max", "C")
    configuration.override(config, "model.head.bias=False")
    assert config.model.head == {"name": "max", "bias": False}
    configuration.override(config, "model.head.name=mean")
    assert config.model.head == "mean"
    with pytest.raises(UserError, match="mena"):
        configuration.override(config, "model.head.name=mena")


def test_an_option_of_a_row_that_is_not_chosen_names_those_that_take_it():
    with pytest.raises(UserError, match=r"not chosen: model\.shortcut=exclusive_gating, "):
        configuration.override(default.get_config(), "gate_bias=-5")


def test_an_option_is_of_the_type_of_its_default():
    config = configuration.override(default.get_config(), "shortcut=exclusive_gating,gate_bias=-5")
    assert config.model.shortcut == {"name": "exclusive_gating", "gate_bias": -5.0}
    with pytest.raises(UserError, match="gate_bias='low' must be a finite number"):
        configuration.override(config, "gate_bias=low")


def test_a_depth_takes_the_place_of_the_depths_of_stages():
    config = configuration.override(default.get_config(), "stage_depths=(1,1,1),depth=32")
    assert config.model.stage_depths == ()


def test_a_saved_configuration_reads_back_the_same(tmp_path):
    config = tiny(**{"schedule.name": "step", "schedule.decay_at": (0.25, 0.5)})
    run_folder.claim(tmp_path, config, DATA)
    assert run_folder.load(tmp_path).to_dict() == config.to_dict()


def test_a_run_without_a_checkpoint_gives_way(tmp_path):
    run_folder.claim(tmp_path, tiny(), DATA)
    run_folder.claim(tmp_path, tiny(seed=5), DATA)
    assert run_folder.load(tmp_path).seed == 5


def test_a_workdir_belongs_to_one_configuration(tmp_path):
    run_folder.claim(tmp_path, tiny(), DATA)
    run_folder.claim(tmp_path, tiny(), DATA)
    (tmp_path / "checkpoints" / "1").mkdir(parents=True)
    before = (tmp_path / "config.json").read_text()
    with pytest.raises(UserError, match=r"optim\.rate was 0\.05 and is 0\.3"):
        run_folder.claim(tmp_path, tiny(**{"optim.rate": 0.3}), DATA)
    assert (tmp_path / "config.json").read_text() == before
    # What changes no number may change.
    run_folder.claim(tmp_path, tiny(**{"report.every_steps": 3, "eval.batch_size": 10}), DATA)

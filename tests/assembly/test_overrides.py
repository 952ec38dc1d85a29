"""Overrides of a configuration, and the configuration that a run's folder keeps."""

import pytest
from traces import tiny

from configs import default
from resnet_jax.assembly import configuration, run_folder
from resnet_jax.tables import UserError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("detph=3", "did you mean 'model.depth'"),
        ("optim.rte=3", "did you mean 'optim.rate'"),
        ("nosection.key=3", "valid sections"),
        ("depth", "not KEY=VALUE"),
        ("depth=deep", "type int"),
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


def test_a_saved_configuration_reads_back_the_same(tmp_path):
    config = tiny(**{"schedule.name": "step", "schedule.decay_at": (0.25, 0.5)})
    run_folder.claim(tmp_path, config)
    assert run_folder.load(tmp_path).to_dict() == config.to_dict()


def test_a_run_without_a_checkpoint_gives_way(tmp_path):
    run_folder.claim(tmp_path, tiny())
    run_folder.claim(tmp_path, tiny(seed=5))
    assert run_folder.load(tmp_path).seed == 5


def test_a_workdir_belongs_to_one_configuration(tmp_path):
    run_folder.claim(tmp_path, tiny())
    run_folder.claim(tmp_path, tiny())
    (tmp_path / "checkpoints" / "1").mkdir(parents=True)
    before = (tmp_path / "config.json").read_text()
    with pytest.raises(UserError, match=r"optim\.rate was 0\.05 and is 0\.3"):
        run_folder.claim(tmp_path, tiny(**{"optim.rate": 0.3}))
    assert (tmp_path / "config.json").read_text() == before
    # What changes no number may change.
    run_folder.claim(tmp_path, tiny(**{"report.every_steps": 3, "eval.batch_size": 10}))

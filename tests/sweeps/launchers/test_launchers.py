"""Launchers are found by their files, and take the options of their functions."""

from pathlib import Path

import pytest

from resnet_jax.sweeps import launchers
from resnet_jax.sweeps.jobs import Launcher
from resnet_jax.sweeps.launchers import LAUNCHERS, launcher
from resnet_jax.tables import UserError


def test_every_file_of_the_folder_is_a_launcher():
    files = {path.stem for path in Path(launchers.__file__).parent.glob("[a-z]*.py")}
    assert set(LAUNCHERS) == files >= {"local", "slurm"}
    assert all(found.at_once("paper") >= 1 for found in LAUNCHERS.values())


def run(jobs, at_once, tick, folder, queue="any", *, minutes=5):
    """What a launcher was called with."""
    tick((jobs, at_once, folder, queue, minutes))


def test_a_launchers_options_are_its_keyword_parameters(monkeypatch):
    monkeypatch.setitem(LAUNCHERS, "mine", Launcher(run, lambda scale: 3))
    found, calls = launcher("mine", ["queue=long", "minutes=600"]), []
    assert found.at_once("small") == 3
    found.function([], 2, calls.append, "folder")
    launcher("mine", []).function([], 2, calls.append, "folder")
    assert calls == [([], 2, "folder", "long", 600), ([], 2, "folder", "any", 5)]


def test_slurm_takes_what_submitit_takes():
    given = launcher("slurm", ["timeout_min=600", "slurm_partition=gpu"]).function.keywords
    assert given == {"timeout_min": 600, "slurm_partition": "gpu"}


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("slrum", [], "unknown launcher 'slrum' .did you mean 'slurm'.*valid: local, slurm"),
        ("local", ["timeout_min=6"], "launcher 'local' takes no timeout_min; its options: none"),
        ("mine", ["queu=long"], "takes no queu .did you mean 'queue'.*: queue, minutes"),
        ("slurm", ["gpu"], "'gpu' of launcher 'slurm' is not KEY=VALUE"),
    ],
)
def test_a_mistake_gets_one_sentence(name, options, sentence, monkeypatch):
    monkeypatch.setitem(LAUNCHERS, "mine", Launcher(run, lambda scale: 3))
    with pytest.raises(UserError, match=sentence):
        launcher(name, options)

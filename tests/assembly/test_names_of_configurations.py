"""A configuration of the package is found by name from anywhere, one of the user's by its path."""

from pathlib import Path

import pytest

from resnet_jax.assembly import configuration, configuration_files
from resnet_jax.tables import UserError

ROOT = Path(__file__).parents[2]
OWN = """
from resnet_jax.assembly.configuration import override
from resnet_jax.configs import cifar10

def get_config(changes=""):
    config = cifar10.get_config()
    config.train.batch_size = 7
    return override(config, changes)
"""


def test_the_folder_at_the_top_and_that_in_the_package_are_one():
    assert (ROOT / "configs").samefile(configuration_files.FOLDER)
    stems = {path.stem for path in (ROOT / "configs").glob("*.py")} - {"__init__"}
    assert set(configuration_files.names()) == stems


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """The folder of another project, which has `configs` of its own."""
    (tmp_path / "configs").mkdir()
    for name in ("configs/__init__.py", "configs/default.py", "configs/cifar10.py", "cifar10.py"):
        (tmp_path / name).write_text("raise RuntimeError('another project')\n")
    (tmp_path / "cifar10").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_a_name_means_the_same_in_every_folder(elsewhere):
    by_name = configuration.read("cifar10:depth=110", [("seed", "3")])
    by_path = configuration.read(f"{ROOT}/configs/cifar10.py:depth=110,seed=3")
    assert by_name.to_dict() == by_path.to_dict()
    assert by_name.model.depth == 110 and by_name.model.shortcut == "A"


def test_a_file_of_the_users_builds_on_a_configuration_of_the_package(elsewhere):
    (elsewhere / "own.py").write_text(OWN)
    config = configuration.read("own.py:depth=56")
    assert (config.train.batch_size, config.model.depth, config.data.name) == (7, 56, "cifar10")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "cifar11",
            r"unknown configuration 'cifar11' \(did you mean 'cifar10'\?\); valid: .*",
        ),
        ("mine/cifar10.py", r"no configuration file mine/cifar10.py: .*--config=cifar10$"),
        ("mine/cifar10", r"no configuration file mine/cifar10: .*--config=cifar10$"),
        ("mine.py", r"no configuration file mine.py: .*--config=cifar10 or .* or smoke$"),
    ],
)
def test_a_mistake_names_what_is_there(elsewhere, text, sentence):
    with pytest.raises(UserError, match=sentence):
        configuration.read(text)

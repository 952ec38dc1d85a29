"""Experiments as folders, and runs named by what they compute."""

import json
import re
from pathlib import Path

import pytest
from command_line import ROOT
from sweeps.folders import write_experiment

from resnet_jax.assembly import Assembly, configuration, keys
from resnet_jax.sweeps import experiment
from resnet_jax.tables import UserError

FOLDERS = sorted(path.parent for path in (ROOT / "experiments").glob("*/sweep.py"))
ROWS = "Row('a', 'depth=8'), Row('b', 'optim.rate=0.5', 7.5, against='b')"


def address(changes: str) -> str:
    found = experiment.Experiment(
        Path(), "", "", {"x": "configs/smoke.py"}, {}, lambda _: [experiment.Row("row", changes)]
    )
    return experiment.tasks(found, "x", 1)[0].address


def test_rows_and_seeds_make_runs_all_rows_first(tmp_path):
    found = experiment.load(write_experiment(tmp_path, ROWS, "configs/smoke.py:depth=14"))
    tasks = experiment.tasks(found, "smoke", 2)
    assert [(task.row.name, task.seed) for task in tasks] == [
        ("a", 0), ("b", 0), ("a", 1), ("b", 1),
    ]  # fmt: skip
    assert tasks[3].config == "configs/smoke.py:depth=14,optim.rate=0.5,seed=1"
    assert len({task.address for task in tasks}) == 4
    assert [task.row.against for task in tasks[:2]] == ["a", "b"]


def test_the_address_of_what_computes_the_same_is_the_same():
    same = ["", "report.every_steps=3", "checkpoint.keep=7", "eval.batch_size=10",
            "model.scan_blocks=True", "train.steps_per_call=4", "depth=8", "optim.rate=0.05",
            "data.dir=elsewhere"]  # fmt: skip
    assert {address(changes) for changes in same} == {address("")}


def test_defaults_can_be_kept_beside_records():
    defaults = experiment.defaults()
    assert json.loads(json.dumps(defaults)).keys() == defaults.keys()


def test_the_address_of_what_computes_something_else_is_another():
    other = ["", "depth=14", "shortcut=C", "optim.rate=0.1", "data.pad=1", "norm.group_size=8",
             "train.steps=41", "eval.every_epochs=1.0", "widths=(16,32,65)"]  # fmt: skip
    assert len({address(changes) for changes in other}) == len(other)


def test_the_address_holds_the_content_of_every_file_of_the_users(tmp_path):
    """Else a sweep would serve what it has of the code before."""
    rows, gates, weights = (tmp_path / name for name in ("rows.py", "gates.py", "w.safetensors"))
    rows.write_text("from gates import BIAS\ndef gate(x, features, stride, layers): return x, BIAS")
    found = set()
    for bias, content in ((1, b"a"), (2, b"a"), (2, b"b")):
        gates.write_text(f"BIAS = {bias}")
        weights.write_bytes(content)
        found.add(address(f"shortcut={rows}:gate,init.weights={weights}"))
    assert len(found) == 3
    weights.rename(tmp_path / "elsewhere.safetensors").rename(weights)
    assert address(f"shortcut={rows}:gate,init.weights={weights}") in found


def test_a_new_key_that_changes_nothing_leaves_addresses_alone(monkeypatch):
    before = address("depth=14")
    facts = keys.facts
    monkeypatch.setattr(keys, "facts", lambda config: {**facts(config), "model.later": "off"})
    assert address("depth=14") == before


def test_the_address_is_the_same_tomorrow():
    """If this fails, finished runs of every experiment would be made again: keep the address."""
    assert experiment.address({"model.depth": 56, "model.widths": [8, 16, 32]}) == (
        "4c2fd498304297c0"
    )


@pytest.mark.parametrize(
    ("rows", "scale", "sentence"),
    [
        ("", "smoke", "must yield rows"),
        ("Row('a', ''), Row('a', 'depth=14')", "smoke", "each with its own name"),
        ("Row('a', '', against='c')", "smoke", "unknown row for 'a' to compare with, 'c'"),
        ("Row('a', 'detph=3')", "smoke", "did you mean 'model.depth'"),
        ("Row('a', '')", "smok", "did you mean 'smoke'"),
        ("Row('a', 'train.steps=0')", "smoke", r"config\.train\.steps=0 must be a whole number"),
        ("Row('a', 1 / 0)", "smoke", r"sweep\.py, line \d+, raises ZeroDivisionError"),
    ],
)
def test_a_mistake_in_an_experiment_is_named_before_anything_runs(tmp_path, rows, scale, sentence):
    found = experiment.load(write_experiment(tmp_path, rows))
    with pytest.raises(UserError, match=sentence):
        experiment.tasks(found, scale, 1)


def test_published_figures_are_means_or_medians(tmp_path):
    folder = write_experiment(tmp_path, "Row('a', '')")
    assert experiment.load(folder).published_is == "mean"
    sweep = folder / "sweep.py"
    sweep.write_text(f"{sweep.read_text()}\nPUBLISHED_IS = 'medain'\n")
    with pytest.raises(UserError, match=r"PUBLISHED_IS 'medain' \(did you mean 'median'"):
        experiment.load(folder)


def test_a_folder_without_an_experiment(tmp_path):
    with pytest.raises(UserError, match=r"holds no sweep\.py"):
        experiment.load(tmp_path)
    (tmp_path / "sweep.py").write_text("TITLE = BASES = 1")
    with pytest.raises(UserError, match="lacks SOURCE, SEEDS, rows"):
        experiment.load(tmp_path)
    (tmp_path / "sweep.py").write_text("TITLE = 1\nBASES = 2 +\n")
    with pytest.raises(UserError, match=r"line 2, raises SyntaxError.*the line is 'BASES = 2"):
        experiment.load(tmp_path)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_scale_of_every_experiment_builds_its_networks(folder):
    found = experiment.load(folder)
    assert set(found.bases) == set(found.seeds) >= {"paper", "small", "smoke"}
    for scale in found.bases:
        for task in experiment.tasks(found, scale, 1):
            assembly = Assembly(configuration.read(task.config))
            assert assembly.model.stage_depths
            assembly.optimizer(lambda _: 0.1, 0.0)


def test_the_experiment_that_the_readme_shows_is_whole(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (shown,) = (block for block in blocks if "TITLE" in block)
    assert len(shown.splitlines()) < 40
    (tmp_path / "sweep.py").write_text(shown)
    tasks = experiment.tasks(experiment.load(tmp_path), "small", 3)
    assert [task.row.name for task in tasks[:2]] == ["strided projection", "pooled projection"]
    assert len({task.address for task in tasks}) == 6


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_an_experiment_is_one_short_file(folder):
    assert len((folder / "sweep.py").read_text().splitlines()) < 40
    assert (folder / "README.md").is_file()

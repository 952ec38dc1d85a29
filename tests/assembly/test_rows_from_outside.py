"""Rows in a file of the user's own: used, saved with the run, run only where they are trusted."""

import re
import subprocess

import jax
import numpy as np
import pytest
from command_line import ROOT
from own_rows import ROWS
from traces import DATA, Trace

from configs import smoke
from resnet_jax.analysis import counts, scorecard
from resnet_jax.assembly import Assembly, configuration, keys, run_folder
from resnet_jax.data.changes.augment import Augmentation
from resnet_jax.models.shortcuts import SHORTCUTS
from resnet_jax.sweeps.experiment import Row
from resnet_jax.tables import UserError, options_of
from resnet_jax.training.metrics import with_own


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my_rows.py"
    path.write_text(ROWS)
    return path


def read(*changes):
    sizes = "stage_depths=(1,1),widths=(4,8),width_factor=1.0,stem_width=4,data.image_size=8"
    return smoke.get_config(",".join([sizes, "data.examples=64", *changes]))


def parameters(config):
    """Shapes of a new network's parameters."""
    return jax.eval_shape(Assembly(config).initial_state, jax.random.key(0)).params


@pytest.mark.parametrize(
    ("key", "row", "option"),
    [
        ("shortcut", "scalar_gate", "model.shortcut.start=0.5"),
        ("shortcut", "both", "model.shortcut.share=0.25"),
        ("branch", "three", "model.branch.widening=2.0"),
        ("norm.name", "slow_norm", "norm.momentum=0.5"),
        ("optim.name", "signs", "optim.scale=2.0"),
        ("schedule.name", "sawtooth", "schedule.teeth=3"),
        ("train.loss", "squared", None),
        ("data.augment", "grey", None),
    ],
)
def test_a_row_of_a_user_takes_part_in_the_step_with_its_options(file, key, row, option):
    chosen = f"{key}={file}:{row}"
    one, other = ((chosen, option), (chosen,)) if option else ((chosen,), ())
    assert Trace(read(*one)).step != Trace(read(*other)).step


def test_the_rows_that_the_readme_shows_are_whole(tmp_path, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (shown,) = (block for block in blocks if "def scalar_gate" in block)
    assert len(shown.splitlines()) < 20
    (tmp_path / "my_rows.py").write_text(shown)
    (rows,) = (block for block in blocks if "my_rows.py:scalar_gate" in block)
    changes = [row.changes for row in run_rows(rows)]
    monkeypatch.chdir(tmp_path)
    gates = ["gate" in parameters(read(change))["stage1"]["block1"] for change in changes]
    assert gates == [False, True, True]


def run_rows(text):
    names = {"Row": Row}
    exec(text, names)
    return list(names["rows"]("small"))


def test_a_source_of_a_user_takes_its_options(file):
    config = read("data.image_size=None", "data.classes=None", "data.examples=None")
    configuration.override(config, f"data.source={file}:stripes,data.lines=3")
    assert len(Assembly(config).source.class_names) == 3
    with pytest.raises(UserError, match=r"unknown configuration key 'data\.lins' \(did you mean"):
        configuration.override(config, "data.lins=3")


def test_a_source_of_a_user_says_what_its_images_are(file):
    config = read("data.image_size=None", "data.classes=None", "data.examples=None")
    configuration.override(config, f"data.source={file}:mislabelled")
    with pytest.raises(UserError, match=r"loads ImageSet .* Source\(\.\.\., photographs=False\)"):
        _ = Assembly(config).eval_data


def test_a_metric_of_a_user_is_evaluated_beside_the_others(file):
    assembly = Assembly(read(f"eval.metrics=('{file}:top3',)"))
    variables = assembly.create_state().variables
    figures = assembly.evaluation(variables)
    assert set(figures) == {"examples", "loss", "top1", "top5", "top3"}
    # Of four classes.
    assert figures["top1"] <= figures["top3"] <= figures["top5"] == 1
    assert "top3" in scorecard.table(figures, {}, imagenet=False)


@pytest.mark.parametrize("name", ["top1", "examples", "confusion"])
def test_a_metric_of_a_user_takes_the_name_of_no_other_figure(file, name):
    with pytest.raises(UserError, match=f"'{name}' is the name of another figure"):
        with_own([f"{file}:{name}"])


def test_an_augmentation_of_a_user_draws_the_same_from_a_copy_of_its_file(file, tmp_path):
    images = np.zeros((2, 3, 3, 1), np.float32)
    copy = tmp_path / "rows" / file.name
    copy.parent.mkdir()
    copy.write_text(file.read_text())
    one, other = (
        Augmentation(augment=f"{path}:noise")(jax.random.key(0), images) for path in (file, copy)
    )
    np.testing.assert_array_equal(one, other)


def test_a_shortcut_of_a_user_is_in_every_block(file):
    blocks = parameters(read(f"shortcut={file}:scalar_gate"))["stage1"]
    assert blocks["block1"]["gate"]["gate"].shape == (1, 1, 1, 4)


def test_all_parameters_of_a_user_s_row_are_counted(file):
    """The gate of each of the two blocks has as many as channels, 4 and 8, however it is called."""
    plain, gated = (
        counts.layers(Assembly(read(*change)).model, (8, 8, 3))
        for change in ((), (f"shortcut={file}:scalar_gate",))
    )
    file.write_text(
        ROWS.replace("def __call__(self, x)", "def gated(self, x)").replace(
            'name="gate")(x)', 'name="gate").gated(x)'
        )
    )
    other = counts.layers(Assembly(read(f"shortcut={file}:scalar_gate")).model, (8, 8, 3))
    totals = [sum(layer.parameters for layer in found) for found in (plain, gated, other)]
    every = sum(
        leaf.size for leaf in jax.tree.leaves(parameters(read(f"shortcut={file}:scalar_gate")))
    )
    assert totals[1] == totals[2] == every
    # B's projection has a norm, of a scale and a bias for each of 8 channels; this gate has none.
    assert totals[1] - totals[0] == 4 + 8 - 2 * 8


def test_the_options_of_a_user_s_row_are_checked_as_others_are(file):
    with pytest.raises(UserError, match=r"takes no strat \(did you mean 'start'\?\)"):
        read(f"shortcut={file}:scalar_gate", "model.shortcut.strat=1")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("scalar_gat", r"defines no 'scalar_gat' \(did you mean 'scalar_gate'\?\)"),
        ("few_arguments", r"takes \(x\), and every shortcut is called with \(x, features, stride,"),
        ("text", r"is no function, and every shortcut is called with \(x, features, stride,"),
    ],
)
def test_a_row_that_is_not_there_or_is_called_otherwise(file, row, message):
    with pytest.raises(UserError, match=message):
        read(f"shortcut={file}:{row}")


def test_a_row_that_is_a_value_has_the_type_of_the_others(file):
    with pytest.raises(
        UserError, match=r"a str, which is no arrangement: give .* type Arrangement"
    ):
        read(f"arrangement={file}:text")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nothing_of_that_name", "line 1, raises ModuleNotFoundError: No module named"),
        ("x = 1\nraise RuntimeError('so')", "line 2, raises RuntimeError: so"),
        ("def f(:", "line 1, raises SyntaxError"),
        (None, r"can't be read \(No such file or directory\)"),
    ],
)
def test_a_file_that_can_not_be_run(tmp_path, text, message):
    path = tmp_path / "broken.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=message) as error:
        read(f"shortcut={path}:gate")
    assert "\n" not in str(error.value)


def test_what_a_run_is_called_follows_the_content_of_the_file(file):
    def facts():
        return keys.facts(read(f"shortcut={file}:scalar_gate"))

    before = facts()
    assert before["model.shortcut"].startswith("my_rows.py:scalar_gate@")
    file.write_text(ROWS.replace("start * Gate", "2 * start * Gate"))
    assert facts() != before


class TestStored:
    @pytest.fixture
    def run(self, file, tmp_path):
        folder = tmp_path / "run"
        run_folder.claim(folder, read(f"shortcut={file}:scalar_gate"), DATA)
        (folder / "checkpoints" / "1").mkdir(parents=True)
        return folder

    def test_the_file_lies_in_the_run_with_its_hash(self, run, file):
        stored = run / "rows" / "my_rows.py"
        assert stored.read_text() == file.read_text()
        subprocess.run(
            ["sha256sum", "--check", "--strict", "sha256sums"], cwd=run / "rows", check=True
        )

    def test_a_stored_file_runs_only_where_it_is_trusted(self, run, file):
        file.unlink()
        with pytest.raises(UserError, match=r"read that file, and those .*, then say --trust_rows"):
            run_folder.load(run)
        config = run_folder.load(run, trust_rows=True)
        assert config.model.shortcut == f"{run / 'rows' / 'my_rows.py'}:scalar_gate"
        assert "gate" in parameters(config)["stage1"]["block1"]

    def test_a_file_that_changed_ends_with_what_changed_and_how_to_go_on(self, run, file):
        file.write_text(ROWS.replace("start=1.0", "start=3.0"))
        with pytest.raises(UserError, match=r"changed since the run.*start=3\.0") as error:
            run_folder.claim(run, read(f"shortcut={file}:scalar_gate"), DATA)
        stored = str(error.value).partition("give ")[2].partition(" in place of")[0]
        run_folder.claim(run, read(f"shortcut={stored}"), DATA)

    def test_the_same_file_elsewhere_is_the_same(self, run, file, tmp_path):
        moved = tmp_path / "elsewhere" / "my_rows.py"
        moved.parent.mkdir()
        file.rename(moved)
        run_folder.claim(run, read(f"shortcut={moved}:scalar_gate"), DATA)
        with pytest.raises(UserError, match=r"model\.shortcut was"):
            run_folder.claim(run, read("shortcut=B"), DATA)

    def test_what_the_file_imports_lies_beside_it_and_decides_too(self, file, tmp_path):
        """A run is found again, and goes on, with the content that it began with alone."""
        file.write_text(f"from gates import START\n{ROWS.replace('start=1.0', 'start=START')}")
        (tmp_path / "gates.py").write_text("START = 0.5\n")
        config, folder = read(f"shortcut={file}:scalar_gate"), tmp_path / "run"
        run_folder.claim(folder, config, DATA)
        (folder / "checkpoints" / "1").mkdir(parents=True)
        subprocess.run(
            ["sha256sum", "--check", "--strict", "sha256sums"], cwd=folder / "rows", check=True
        )
        facts = keys.facts(config)
        (tmp_path / "gates.py").write_text("START = 4.0\n")
        assert keys.facts(read(f"shortcut={file}:scalar_gate")) != facts
        with pytest.raises(UserError, match=r"gates\.py changed since the run.*START = 4\.0"):
            run_folder.claim(folder, read(f"shortcut={file}:scalar_gate"), DATA)
        stored = run_folder.load(folder, trust_rows=True)
        assert keys.facts(stored) == facts
        row = SHORTCUTS.row(stored.model.shortcut)
        assert options_of(row)["start"] == 0.5
        run_folder.claim(folder, stored, DATA)


@pytest.mark.parametrize(
    "changes",
    [
        "shortcut=hyper,dynamic=False,ends=B,arrangement=full_preactivation",
        "shortcut=exclusive_gating,gate_bias=-5.0,arrangement=full_preactivation",
        "branch=bottleneck,attention=squeeze_excitation,reduction=0.25",
    ],
)
def test_a_stored_run_has_the_network_of_its_configuration(tmp_path, changes):
    """A row with options too, which comes back from config.json as a mapping of its own."""
    config = read(changes)
    run_folder.claim(tmp_path / "run", config, DATA)
    stored = run_folder.load(tmp_path / "run")
    assert keys.facts(stored) == keys.facts(config)
    assert Trace(stored).step == Trace(config).step != Trace(read()).step


def test_two_files_of_one_name_are_refused(file, tmp_path):
    other = tmp_path / "other" / "my_rows.py"
    other.parent.mkdir()
    other.write_text(ROWS)
    config = configuration.override(read(f"shortcut={file}:scalar_gate"), f"branch={other}:three")
    with pytest.raises(UserError, match="have one name"):
        run_folder.claim(tmp_path / "run", config, DATA)

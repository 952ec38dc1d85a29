"""A user's own rows beside an experiment's, and the best of several evaluations beside the last."""

import shutil

import pytest
from command_line import ROOT, run
from sweeps.folders import write_experiment

from configs import mls_bench
from resnet_jax.assembly import configuration
from resnet_jax.sweeps import experiment
from resnet_jax.sweeps.experiment import Row
from resnet_jax.sweeps.notes import notes
from resnet_jax.sweeps.records import Record
from resnet_jax.sweeps.table import cells, lines

CONNECTION = ROOT / "experiments" / "connection"


def table(*curves, published=None):
    """One row whose runs had these test errors, one after another."""
    runs = {
        seed: Record("done", test_error=errors[-1], train_error=1.0, train_loss=0.1,
                     test_curve=[[step, error] for step, error in enumerate(errors, 1)])
        for seed, errors in enumerate(curves)
    }  # fmt: skip
    row = Row("a", "", published, against="a")
    return lines([row], {"a": runs}, {"a": None}, published_scale=True,
                 published_of="best_test_error")  # fmt: skip


def test_the_best_of_several_evaluations_stands_beside_the_last():
    found = table((9.0, 7.0, 8.0), (10.0, 9.0, 9.0), published=7.5)
    shown = cells(found[0])
    assert shown["test error %"] == "8.50 ± 0.71"
    assert shown["best test error %"] == "8.00 ± 1.41"
    assert shown["last minus best"] == "0.50 ± 0.71"
    assert shown["best mean from published"] == "+0.50"
    (note,) = [note for note in notes(found) if note.startswith("'Best'")]
    assert "0.50 points above the best" in note


def test_one_evaluation_has_no_best():
    found = table((9.0,), (10.0,))
    assert not cells(found[0])["best test error %"]
    assert not any("'Best'" in note for note in notes(found))


def test_a_row_that_has_not_run_has_not_failed():
    assert cells(table()[0])["test error %"] == ""


def test_own_changes_are_one_row_where_an_experiment_says_nothing_else(tmp_path):
    chosen = experiment.load(write_experiment(tmp_path, "Row('a', 'depth=14')"))
    added, names = experiment.with_own(chosen, "optim.rate=0.5")
    first, own = experiment.tasks(added, "smoke", 1)
    assert (own.row.name, own.row.against, names) == ("own", "a", {"own"})
    assert own.config.endswith("optim.rate=0.5,seed=0") and "0.5" not in first.config


def test_the_protocol_is_that_of_its_page():
    """mls-bench.com, task dl-residual-connection, and the means of its leaderboard."""
    rows = experiment.rows(experiment.load(CONNECTION), "protocol")
    accuracies = [92.47, 72.00, 73.97, 92.77, 71.93, 73.39, 91.44, 74.15, 75.81]
    assert [round(100 - row.published, 2) for row in rows] == accuracies
    networks = [(20, "cifar10"), (56, "cifar100"), (110, "cifar100")]
    for row, (depth, name) in zip(rows, networks * 3, strict=True):
        config = configuration.read(f"mls_bench:{row.changes}")
        assert (config.model.depth, config.data.name) == (depth, name)
        assert (config.optim.name, config.optim.rate) == ("sgd", 0.1)
        assert (config.optim.weight_decay, config.optim.decay_rule) == (5e-4, "all")
        assert (config.train.epochs, config.train.steps) == (200, None)
        assert (config.schedule.name, config.schedule.warmup_epochs) == ("cosine", 0)
        assert (config.data.pad, config.data.flip, config.eval.every_epochs) == (4, True, 1)


def test_every_connection_has_a_row():
    from models.connections.networks import CONNECTIONS

    names = {row.name for row in experiment.rows(experiment.load(CONNECTION), "small")}
    assert {f"{name} {depth}" for name in CONNECTIONS for depth in (20, 56)} <= names
    assert {"residual 20", "plain 56", "static hyper 20"} <= names


@pytest.mark.slow
def test_a_block_of_ones_own_gets_its_three_numbers(tmp_path):
    """On a few made-up images, in place of CIFAR."""
    folder = tmp_path / "connection"
    folder.mkdir()
    text = (CONNECTION / "sweep.py").read_text()
    assert '"protocol": "mls_bench"' in text
    (folder / "sweep.py").write_text(
        text.replace('"protocol": "mls_bench"', '"protocol": "mls_bench:synthetic"')
    )
    mine = tmp_path / "mine.py"
    mine.write_text(
        "def half(x, features, stride, layers):\n"
        '    """Half of x."""\n'
        "    if stride > 1 or x.shape[-1] != features:\n"
        '        x = layers.conv(features, 1, stride, name="projection")(x)\n'
        "    return 0.5 * x, 1.0\n"
    )
    result = run("sweep", str(folder), "--scale=protocol", "--seeds=2",
                 f"--own=shortcut={mine}:half", "--jobs=2", "--vectorize=seeds",
                 f"--runs={tmp_path / 'runs'}")  # fmt: skip
    assert result["done"] == 6
    page = (folder / "results" / "protocol.md").read_text()
    for network in mls_bench.NETWORKS:
        (line,) = [line for line in page.splitlines() if line.startswith(f"| own, {network} |")]
        assert " to " in line
    assert "| gated residual, resnet20_cifar10 | 0 |" in page and "| 7.23 |" in page
    assert "points above the best in the mean" in page
    shutil.rmtree(tmp_path / "runs")

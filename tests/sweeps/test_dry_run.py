"""What a dry run says."""

import math

import pytest
from sweeps.folders import write_experiment

from resnet_jax.sweeps import dry_run, experiment, records


@pytest.fixture
def tasks(tmp_path):
    folder = write_experiment(tmp_path / "experiment", "Row('a', ''), Row('b', 'train.steps=80')")
    return experiment.tasks(experiment.load(folder), "smoke", 2)


@pytest.fixture
def store(tmp_path):
    return records.Store(tmp_path / "runs", tmp_path / "smoke.json")


# One stage of one block, 8x8 images: the stem, two convolutions and the head of 4 classes.
FORWARD = 2 * (8 * 8 * 4 * 9 * (3 + 4 + 4) + 4 * 4)


def test_arithmetic_by_hand(tasks):
    # 40 updates of 32 images; the backward pass is twice the forward pass.
    assert dry_run.training_flops(tasks[0].config) == 3 * FORWARD * 40 * 32


def test_the_time_follows_from_finished_runs(tasks, store):
    unknown = dry_run.missing_runs(tasks, tasks, store)
    assert [item.runs for item in unknown] == [2, 2]
    assert math.isnan(unknown[0].seconds) and "No run of" in dry_run.describe(unknown, 1)

    records.put(store.workdir(tasks[0]), records.Record("done", seconds=10.0))
    items = dry_run.missing_runs(tasks, tasks[1:], store)
    assert [(item.row, item.runs) for item in items] == [("b", 2), ("a", 1)]
    assert items[0].flops == 2 * 2 * items[1].flops
    # Row a at its own rate, row b, twice as long, at that of the others.
    assert [item.seconds for item in items] == pytest.approx([40.0, 10.0])
    assert dry_run.describe(items, 2).splitlines()[-1].split() == ["all", "3", "0.000", "25", "s"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(40.2, "40 s"), (120, "2 min"), (3 * 3600 + 290, "3 h 05 min"), (math.nan, "unknown")],
)
def test_durations_in_words(seconds, words):
    assert dry_run.duration(seconds) == words

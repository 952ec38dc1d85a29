"""Sweeps in several sittings."""

import csv
from pathlib import Path

import pytest
from command_line import environment, error, run
from sweeps.folders import TINY, write_experiment

from resnet_jax.sweeps import experiment, jobs
from resnet_jax.sweeps.launchers import local
from resnet_jax.sweeps.limit import TimeIsOver, within
from resnet_jax.sweeps.records import Store

ROWS = "Row('first', ''), Row('second', 'model.width_factor=2.0')"
BASE = TINY.replace("train.steps=40", "train.steps=400")


def test_the_time_is_over_while_runs_are_under_way(monkeypatch):
    now, told = [100.0], []
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    tick, running = within(2, told.append), {Path("run")}
    tick(running)
    now[0] += 119
    tick(running)
    now[0] += 1
    tick(set())  # what is over needs no stop
    with pytest.raises(TimeIsOver):
        tick(running)
    assert told == [running, running, set(), running]


def test_other_launchers_have_limits_of_their_own(tmp_path):
    folder = write_experiment(tmp_path / "experiment", ROWS)
    given = ("--scale=smoke", "--launcher=slurm,timeout_min=10", "--minutes=8")
    assert "leave it out, and give that launcher a limit" in error("sweep", str(folder), *given)


def lines(runs: Path) -> int:
    return sum(len(path.read_bytes().splitlines()) for path in runs.glob("*/metrics.jsonl"))


def figures(folder: Path) -> list[dict[str, str]]:
    with (folder / "results" / "smoke.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_a_sweep_that_is_stopped_by_its_limit_gives_the_records_of_one_that_is_not(
    tmp_path, monkeypatch
):
    """Two rows of two seeds each, the seeds as one program."""
    # What the tests set for their own process decides how XLA compiles, and so the last digits.
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    whole = write_experiment(tmp_path / "whole", ROWS, BASE)
    given = "--scale=smoke", "--vectorize=seeds", "--jobs=1"
    run("sweep", str(whole), *given, f"--runs={tmp_path / 'a'}")

    folder, runs = write_experiment(tmp_path / "stopped", ROWS, BASE), tmp_path / "b"
    again = "sweep", str(folder), *given, f"--runs={runs}"
    assert run(*again, "--minutes=0")["missing"] == 4
    tasks = experiment.tasks(experiment.load(folder), "smoke", 2)
    waiting = jobs.jobs(tasks, Store(runs, tmp_path / "none.json"), ("seed",))

    def tick(running):
        if running and lines(runs) > 1_000:  # the second program is in its first quarter
            raise TimeIsOver

    with pytest.raises(TimeIsOver):
        local.run(waiting, 1, tick, runs)
    assert len(list(runs.glob("*/result.json"))) == 2 and 1_000 < lines(runs) < 1_600
    result = run(*again, "--minutes=30")
    assert result["done"] == 4 and "missing" not in result
    assert figures(folder) == figures(whole)

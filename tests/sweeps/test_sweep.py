"""Whole sweeps, as a user runs them."""

import csv
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from command_line import ROOT, command, environment, error, run
from sweeps.folders import TINY, write_experiment

from resnet_jax.sweeps import experiment, results
from resnet_jax.sweeps.records import Record, Store, put

ROWS = (
    "Row('before', 'optim.rate=0.02'), Row('works', '', 6.5),"
    " Row('fails', 'norm.name=group,norm.channel_groups=3', 'fail')"
)
SHORT = TINY.replace("train.steps=40", "train.steps=100")
LONG = TINY.replace("train.steps=40", "train.steps=400")


def flags(tmp_path: Path, folder: Path) -> tuple[str, ...]:
    return (str(folder), "--scale=smoke", f"--runs={tmp_path / 'runs'}")


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "results" / "smoke.csv").open() as file:
        return list(csv.DictReader(file))


def stamps(runs: Path) -> dict[str, float]:
    """When each run's process last wrote its log."""
    return {path.parent.name: path.stat().st_mtime for path in runs.glob("*/log.txt")}


@pytest.mark.slow
def test_a_sweep_makes_what_is_missing_and_repeats_what_failed(tmp_path):
    """Its runs are processes here; see test_execute.py for what they do, and how one diverges."""
    folder = write_experiment(tmp_path / "experiment", ROWS)
    chosen, kept = experiment.load(folder), folder / "results" / "smoke.json"
    tasks = experiment.tasks(chosen, "smoke", 1)
    # The first run's record is all that is left of it, and the third has failed before.
    earlier = Store(tmp_path / "earlier", kept)
    put(earlier.workdir(tasks[0]), Record("done", "", 12.5, 0.5, 10.0, 0.4, 60.0))
    earlier.keep(tasks)
    store = Store(tmp_path / "runs", kept)
    put(store.workdir(tasks[2]), Record("failed", "killed by SIGKILL"))

    result = run("sweep", *flags(tmp_path, folder), "--seeds=1", "--jobs=2")
    assert (result["done"], result["failed"]) == (2, 1)
    assert not store.workdir(tasks[0]).exists()
    before, works, fails = table(folder)
    assert before["test_error_mean"] == "12.5"
    assert float(works["test_error_mean"]) < 75 and works["published"] == "6.5"
    assert fails["failures"] == "1 failed" and fails["published"] == "fail"
    assert "step 40/40" in (store.workdir(tasks[1]) / "log.txt").read_text()
    assert "channels can't be split into 3 groups" in store.find(tasks[2]).reason

    # The kept records are all that a report needs.
    again = tmp_path / "again"
    results.write(chosen, "smoke", tasks, Store(tmp_path / "none", kept), again)
    made = {path.suffix for path in again.iterdir()}
    assert made == {".csv", ".md", ".tex", ".html", ".png", ".svg"}
    for path in again.iterdir():
        assert path.read_bytes() == (folder / "results" / path.name).read_bytes()


@pytest.mark.slow
def test_a_sweep_killed_in_the_middle_goes_on_where_it_was(tmp_path):
    rows = "Row('first', ''), Row('second', 'optim.rate=0.02')"
    undisturbed = write_experiment(tmp_path / "undisturbed", rows, LONG)
    run("sweep", *flags(tmp_path / "a", undisturbed), "--seeds=1", "--jobs=1")

    killed = write_experiment(tmp_path / "killed", rows, LONG)
    given = (*flags(tmp_path / "b", killed), "--seeds=1", "--jobs=1")
    process = subprocess.Popen(
        command("sweep", *given), cwd=ROOT, env=environment(), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    runs = tmp_path / "b" / "runs"
    deadline = time.monotonic() + 300
    while lines(runs) < 400 + 100 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    # The sweep and the run under way.
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert len(list(runs.glob("*/result.json"))) == 1 and 500 <= lines(runs) < 800
    first = stamps(runs)
    run("sweep", *given)
    changed = [name for name, stamp in stamps(runs).items() if stamp != first[name]]
    assert len(changed) == 1
    assert "continuing from the checkpoint" in (runs / changed[0] / "log.txt").read_text()
    assert table(killed) == table(undisturbed)
    pages = [(folder / "results" / "smoke.md").read_text() for folder in (killed, undisturbed)]
    assert pages[0] == pages[1]
    # The kept records are all that a report needs.
    before = {path.name: path.read_bytes() for path in (killed / "results").iterdir()}
    none = tmp_path / "none"
    found = run("sweep", str(killed), "--scale=smoke", f"--runs={none}", "--seeds=1", "--report")
    assert found["done"] == 2 and not none.exists()
    assert {path.name: path.read_bytes() for path in (killed / "results").iterdir()} == before


@pytest.mark.slow
def test_members_of_one_program_give_the_results_of_single_runs(tmp_path):
    """Also after a kill that leaves them at different steps."""
    rows = "Row('first', ''), Row('second', 'optim.rate=0.02'), Row('fails', 'optim.rate=1e30')"
    single = write_experiment(tmp_path / "single", rows, SHORT)
    run("sweep", *flags(tmp_path / "a", single), "--seeds=1", "--jobs=2")

    together = write_experiment(tmp_path / "together", rows, SHORT)
    given = (*flags(tmp_path / "b", together), "--seeds=1", "--vectorize=members")
    process = subprocess.Popen(
        command("sweep", *given), cwd=ROOT, env=environment(), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    runs = tmp_path / "b" / "runs"
    deadline = time.monotonic() + 300
    while lines(runs) < 2 * 60 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not list(runs.glob("*/result.json"))
    several = [path for path in runs.glob("*/checkpoints") if len(list(path.glob("[0-9]*"))) > 1]
    newest = max(several[0].glob("[0-9]*"), key=lambda path: int(path.name))
    shutil.rmtree(newest)
    result = run("sweep", *given)
    assert (result["done"], result["diverged"]) == (2, 1)
    for ours, expected in zip(table(together), table(single), strict=True):
        assert ours["failures"] == expected["failures"]
        # Rounding grows over a hundred updates; see test_members.py for a few.
        for name in ("test_loss_mean", "train_loss_mean"):
            assert float(ours[name] or 0) == pytest.approx(float(expected[name] or 0), rel=0.02)


def lines(runs: Path) -> int:
    """Updates that the runs have reported, all together."""
    return sum(path.read_bytes().count(b"\n") for path in runs.glob("*/metrics.jsonl"))


def test_a_mistake_gets_one_sentence():
    """See test_experiment.py for the mistakes in an experiment."""
    assert "EXPERIMENT is missing" in error("sweep")

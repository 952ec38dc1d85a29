"""The live table."""

import io

import pytest
from sweeps.folders import write_experiment

from resnet_jax.sweeps import experiment, records
from resnet_jax.sweeps.watch import LiveTable

DONE = records.Record("done", "", 25.0, 0.7, 30.0, 0.9, seconds=12.4)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def sweep(tmp_path):
    folder = write_experiment(tmp_path / "experiment", "Row('a', ''), Row('bcd', 'depth=14')")
    tasks = experiment.tasks(experiment.load(folder), "smoke", 2)
    return tasks, records.Store(tmp_path / "runs", tmp_path / "smoke.json")


def test_the_table_shows_every_run(sweep):
    tasks, store = sweep
    table = LiveTable(tasks, store, Terminal())
    records.put(store.workdir(tasks[0]), DONE)
    records.put(store.workdir(tasks[1]), records.Record("diverged", "train/loss became nan"))
    workdir = store.workdir(tasks[2])
    workdir.mkdir(parents=True)
    header, first, _ = table.lines({workdir})
    assert first.split() == ["a", "25.00%", "starting"]
    # Each column begins below its heading.
    assert header.startswith("test error of") and header.split()[3:] == ["seed", "0", "seed", "1"]
    assert header.index("seed 0") == first.index("25.00%")
    assert header.index("seed 1") == first.index("starting")
    (workdir / "log.txt").write_text("step 5/40  loss\nstep 10/40  loss 2.1\n  step 15/40")
    lines = [line.split() for line in table.lines({workdir})[1:]]
    assert lines == [["a", "25.00%", "step", "10/40"], ["bcd", "diverged", "waiting"]]


def test_a_terminal_is_redrawn_in_place(sweep):
    tasks, store = sweep
    out = Terminal()
    table = LiveTable(tasks, store, out)
    table.tick(set())
    assert "\x1b[3A" not in out.getvalue()
    table.tick(set())
    assert out.getvalue().count("\x1b[3A") == 1


def test_elsewhere_each_outcome_is_a_line_of_its_own(sweep):
    tasks, store = sweep
    records.put(store.workdir(tasks[0]), DONE)
    out = io.StringIO()
    table = LiveTable(tasks, store, out)
    records.put(store.workdir(tasks[1]), records.Record("failed", "no such data"))
    records.put(store.workdir(tasks[2]), DONE)
    # One under way has not ended, whatever an earlier try has left.
    table.tick({store.workdir(tasks[2])})
    assert out.getvalue() == "2/4  bcd, seed 0: failed: no such data\n"
    table.tick(set())
    table.tick(set())
    assert out.getvalue().splitlines()[1:] == [
        "3/4  a, seed 1: test error 25.00%, training error 30.00%, 12 s of training"
    ]

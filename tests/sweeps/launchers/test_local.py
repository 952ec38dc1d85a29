"""Processes of a sweep on this machine, with commands that take no time."""

import sys
import time
from pathlib import Path

import pytest

from resnet_jax.sweeps import records
from resnet_jax.sweeps.jobs import Job
from resnet_jax.sweeps.launchers import LAUNCHERS, local
from resnet_jax.sweeps.launchers.local import share_cores


@pytest.mark.parametrize(
    ("cores", "at_once", "shares"),
    [
        ([0, 1], 1, [[0, 1]]),
        ([0, 1], 2, [[0], [1]]),
        ([2, 3, 5, 7], 2, [[2, 3], [5, 7]]),
        ([0, 1], 3, [[0], [1], [0]]),
        ([0, 1, 2], 2, [[0], [1]]),
        ([], 2, [[], []]),
    ],
)
def test_processes_share_the_cores(cores, at_once, shares):
    assert share_cores(cores, at_once) == shares


def run(tmp_path, monkeypatch, programs: list[str], at_once: int) -> list[set[Path]]:
    """Runs Python programs as jobs; returns which folders were under way at each tick."""
    monkeypatch.setattr(local, "command", lambda job: [sys.executable, "-c", job.configs[0]])
    monkeypatch.setattr(local.time, "sleep", lambda _, sleep=local.time.sleep: sleep(0.05))
    ticks: list[set[Path]] = []
    jobs = [Job((program,), (tmp_path / str(number),)) for number, program in enumerate(programs)]
    local.run(jobs, at_once, ticks.append, tmp_path)
    return ticks


def test_a_failure_is_recorded_and_the_others_go_on(tmp_path, monkeypatch):
    programs = [
        "import sys; print('error: no such data'); sys.exit(2)",
        "import os; os.kill(os.getpid(), 9)",
        "pass",
    ]
    run(tmp_path, monkeypatch, programs, 1)
    reasons = [records.Record(**records.read(tmp_path / name)["record"]).reason for name in "01"]
    assert reasons == ["no such data", "killed by SIGKILL"]
    assert records.read(tmp_path / "2") is None


def test_no_more_run_at_once_than_asked(tmp_path, monkeypatch):
    ticks = run(tmp_path, monkeypatch, ["import time; time.sleep(0.3)"] * 5, 2)
    assert max(map(len, ticks)) == 2
    assert set().union(*ticks) == {tmp_path / str(number) for number in range(5)}


def test_an_interrupted_sweep_stops_its_processes(tmp_path, monkeypatch):
    monkeypatch.setattr(local, "command", lambda job: [sys.executable, "-c", job.configs[0]])

    def tick(running):
        if running:
            raise KeyboardInterrupt

    program = "import time; time.sleep(60)"
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        local.run([Job((program,), (tmp_path / "a",))], 1, tick, tmp_path)
    assert time.monotonic() - start < 30
    # It was asked to stop, which is no failure.
    assert records.read(tmp_path / "a") is None


def test_how_many_processes_run_at_once_where_nobody_says(monkeypatch):
    monkeypatch.setattr(local, "core_count", lambda: 6)
    found = [LAUNCHERS[name].at_once(scale) for name, scale in
             (("slurm", "smoke"), ("local", "smoke"), ("local", "paper"))]  # fmt: skip
    assert found == [100, 6, 1]

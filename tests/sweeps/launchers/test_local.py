"""Processes of a sweep on this machine, with commands that take no time."""

import sys
import time
from pathlib import Path

import pytest
from sweeps.folders import write_experiment

from resnet_jax.sweeps import experiment, jobs, records
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


def test_runs_of_one_program_are_grouped_by_what_they_differ_in(tmp_path):
    rows = "Row('a', ''), Row('b', 'optim.rate=0.5'), Row('c', 'depth=14')"
    folder = write_experiment(tmp_path / "experiment", rows)
    tasks = experiment.tasks(experiment.load(folder), "smoke", 2)
    store = records.Store(tmp_path / "runs", tmp_path / "smoke.json")

    def sizes(vectorize):
        return [len(job.configs) for job in jobs.jobs(tasks, store, jobs.VECTORIZE[vectorize])]

    assert sizes("none") == [1] * 6
    assert sizes("seeds") == [2, 2, 2]
    assert sizes("members") == [4, 2]
    job = jobs.jobs(tasks, store, ("seed",))[0]
    assert [config.rpartition(",")[2] for config in job.configs] == ["seed=0", "seed=1"]
    assert job.workdirs == (store.workdir(tasks[0]), store.workdir(tasks[3]))


def test_the_command_line_of_a_job(tmp_path):
    command = jobs.command(Job(("a.py:seed=0", "a.py:seed=1"), (tmp_path / "0", tmp_path / "1")))
    assert command[1:4] == ["-m", "resnet_jax", "execute"]
    assert command[4:] == [
        "--config=a.py:seed=0", f"--workdir={tmp_path / '0'}",
        "--config=a.py:seed=1", f"--workdir={tmp_path / '1'}",
    ]  # fmt: skip


def test_a_failure_of_the_process_leaves_finished_members_alone(tmp_path):
    job = Job(("a", "b", "c"), tuple(tmp_path / name for name in "abc"))
    records.put(job.workdirs[0], records.Record("done"))
    records.put(job.workdirs[1], records.Record("failed", "no data"))
    jobs.record_failure(job, -15)
    found = [records.Record(**records.read(workdir)["record"]) for workdir in job.workdirs]
    assert [(record.status, record.reason) for record in found] == [
        ("done", ""), ("failed", "killed by SIGTERM"), ("failed", "killed by SIGTERM"),
    ]  # fmt: skip


def test_how_many_processes_run_at_once_where_nobody_says(monkeypatch):
    monkeypatch.setattr(local.os, "cpu_count", lambda: 6)
    found = [LAUNCHERS[name].at_once(scale) for name, scale in
             (("slurm", "smoke"), ("local", "smoke"), ("local", "paper"))]  # fmt: skip
    assert found == [100, 6, 1]

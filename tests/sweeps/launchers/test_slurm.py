"""Slurm jobs, on submitit's stand-in that runs them as local processes."""

import sys
import threading
import time

import pytest

from resnet_jax.sweeps import jobs, records
from resnet_jax.sweeps.jobs import Job
from resnet_jax.sweeps.launchers import slurm
from resnet_jax.tables import UserError

submitit = pytest.importorskip("submitit")


def test_a_job_runs_and_its_failure_is_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "command", lambda job: [sys.executable, "-c", job.configs[0]])
    monkeypatch.setattr(slurm.time, "sleep", lambda _, sleep=time.sleep: sleep(0.1))
    program = "import sys; print('begun', flush=True); sys.exit('error: no data')"
    ticks = []
    slurm.run(
        [Job((program,), (tmp_path / "fails",))], 2, ticks.append, tmp_path / "slurm",
        timeout_min=5, cluster="local",
    )  # fmt: skip
    assert (tmp_path / "fails" / "log.txt").read_text() == "begun\nerror: no data\n"
    assert records.read(tmp_path / "fails")["record"]["reason"] == "no data"
    assert set().union(*ticks) <= {tmp_path / "fails"} and ticks[-1] == set()


def test_a_job_that_ends_well_is_left_to_its_own_record(tmp_path):
    job = Job(("print('fine')",), (tmp_path / "fine",))
    slurm.Execution(job, [sys.executable, "-c", job.configs[0]])()
    assert (tmp_path / "fine" / "log.txt").read_text() == "fine\n"
    assert records.read(tmp_path / "fine") is None


def test_a_preempted_run_saves_and_is_queued_again(tmp_path):
    """The process is asked to stop as the ordinary training is, and the job comes back."""
    program = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('saved'), sys.exit(0)))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)"
    )
    execution = slurm.Execution(Job((program,), (tmp_path,)), [sys.executable, "-c", program])
    thread = threading.Thread(target=execution)
    thread.start()
    log = tmp_path / "log.txt"
    while not log.exists() or "ready" not in log.read_text():
        time.sleep(0.02)
    again = execution.checkpoint()
    thread.join()
    assert log.read_text().split() == ["ready", "saved"]
    assert records.read(tmp_path) is None
    assert isinstance(again, submitit.helpers.DelayedSubmission)
    assert isinstance(again.function, slurm.Execution) and again.function is not execution


def test_without_slurm_one_sentence_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="submitit can't submit"):
        slurm.run([Job(("x",), (tmp_path,))], 1, lambda _: None, tmp_path)

"""Which runs share a process, how it is started, and what becomes of runs whose process fails."""

from sweeps.folders import write_experiment

from resnet_jax.sweeps import experiment, jobs, records
from resnet_jax.sweeps.jobs import Job


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


def test_runs_that_may_end_early_have_processes_of_their_own(tmp_path):
    rows = "Row('a', ''), Row('b', 'eval.patience=3,eval.every_epochs=1.0')"
    folder = write_experiment(tmp_path / "experiment", rows)
    tasks = experiment.tasks(experiment.load(folder), "smoke", 2)
    store = records.Store(tmp_path / "runs", tmp_path / "smoke.json")
    found = jobs.jobs(tasks, store, jobs.VECTORIZE["seeds"])
    assert [len(job.configs) for job in found] == [2, 1, 1]


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

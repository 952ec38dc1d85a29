"""Which runs share a process."""

from sweeps.folders import write_experiment

from resnet_jax.sweeps import experiment, jobs, records


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

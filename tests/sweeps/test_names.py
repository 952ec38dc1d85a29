"""Readable names of a sweep's runs."""

from sweeps.folders import write_experiment

from resnet_jax.sweeps import experiment
from resnet_jax.sweeps.names import link
from resnet_jax.sweeps.records import Store


def tasks_of(folder, rows):
    return experiment.tasks(experiment.load(write_experiment(folder, rows)), "smoke", 2)


def test_names_lead_to_the_runs_that_there_are_and_follow_the_rows(tmp_path):
    runs = tmp_path / "runs"
    store = Store(runs, tmp_path / "kept.json")
    tasks = tasks_of(tmp_path / "one", "Row('a / <b>', ''), Row('c', 'depth=14')")
    for task in tasks[:3]:
        store.workdir(task).mkdir(parents=True)
    link(tasks, store, runs, "shortcut", "smoke")
    place = runs / "by_name" / "shortcut" / "smoke"
    found = {path.name: path.resolve() for path in place.iterdir()}
    assert found == {
        "a b,seed=0": store.workdir(tasks[0]).resolve(),
        "a b,seed=1": store.workdir(tasks[2]).resolve(),
        "c,seed=0": store.workdir(tasks[1]).resolve(),
    }
    # The folder of all runs may be moved with them.
    (moved := tmp_path / "moved").parent.mkdir(exist_ok=True)
    runs.rename(moved)
    assert all(path.is_dir() for path in (moved / "by_name/shortcut/smoke").iterdir())
    moved.rename(runs)
    (place / "notes.txt").write_text("mine")
    link(tasks_of(tmp_path / "two", "Row('c', 'depth=14')"), store, runs, "shortcut", "smoke")
    assert {path.name for path in place.iterdir()} == {"c,seed=0", "notes.txt"}

"""Runs an experiment: python -m resnet_jax sweep experiments/shortcut --scale=small --jobs=2."""

from pathlib import Path
from typing import Any

from absl import flags

from resnet_jax import runtime
from resnet_jax.verbs import shared_flags

FLAGS = flags.FlagValues()
_SCALE = flags.DEFINE_string(
    "scale", "small", "paper, small, smoke, or another that the experiment has.", flag_values=FLAGS
)
_SEEDS = flags.DEFINE_integer(
    "seeds",
    None,
    "Runs of every row, instead of the experiment's.",
    lower_bound=1,
    flag_values=FLAGS,
)
_JOBS = flags.DEFINE_integer(
    "jobs",
    None,
    "Jobs at a time; by default 1, at smoke scale one a core, on Slurm 100.",
    lower_bound=1,
    flag_values=FLAGS,
)
_RUNS = flags.DEFINE_string(
    "runs", "runs/sweeps", "Folder of the runs, one folder each.", flag_values=FLAGS
)
_LAUNCHER = flags.DEFINE_list(
    "launcher",
    ["local"],
    "Where the runs run: local, or slurm with submitit's parameters, as slurm,timeout_min=600.",
    flag_values=FLAGS,
)
_VECTORIZE = flags.DEFINE_enum(
    "vectorize",
    "none",
    ["none", "seeds", "members"],
    "Train a row's seeds as one program, or all that differ in seed, rate or weight decay alone.",
    flag_values=FLAGS,
)
_MINUTES = flags.DEFINE_float(
    "minutes",
    None,
    "Stop after so many minutes: runs save, and the same command goes on. For the local launcher.",
    lower_bound=0.0,
    flag_values=FLAGS,
)
_DRY_RUN = flags.DEFINE_bool(
    "dry_run", False, "Run nothing; list what would run.", flag_values=FLAGS
)
_REPORT = flags.DEFINE_bool(
    "report", False, "Run nothing; write the report of what there is.", flag_values=FLAGS
)
_OWN = flags.DEFINE_string(
    "own",
    None,
    "Changes of your own, as shortcut=my_rows.py:mine: make their runs alone, beside the others.",
    flag_values=FLAGS,
)
_RESULTS = flags.DEFINE_string(
    "results", None, "Folder of tables; by default the experiment's.", flag_values=FLAGS
)


def main(experiment: str) -> dict[str, Any]:
    """Makes the missing runs, and returns the number of runs by their outcome."""
    from collections import Counter

    from resnet_jax.sweeps import dry_run, jobs, names, results
    from resnet_jax.sweeps import experiment as experiments
    from resnet_jax.sweeps.launchers import launcher
    from resnet_jax.sweeps.limit import Tick, TimeIsOver, within
    from resnet_jax.sweeps.records import Store
    from resnet_jax.sweeps.watch import LiveTable
    from resnet_jax.tables import UserError, choose

    chosen, scale = experiments.load(Path(experiment)), _SCALE.value
    name, *options = _LAUNCHER.value
    launch_on = launcher(name, options)
    if _MINUTES.value is not None and name != "local":
        raise UserError(
            f"--minutes={_MINUTES.value} stops processes of this machine, and --launcher={name}"
            " starts them elsewhere: leave it out, and give that launcher a limit of its own, as"
            " timeout_min"
        )
    at_once = _JOBS.value or launch_on.at_once(scale)
    seeds = _SEEDS.value or choose(chosen.seeds, scale, "scale")
    added: set[str] = set()
    if _OWN.value is not None:
        chosen, added = experiments.with_own(chosen, _OWN.value)
    tasks = experiments.tasks(chosen, scale, seeds)
    # Dry runs and reports count the networks' arithmetic, which needs their precision.
    runtime.compute_in(*(task.changes.get("model.dtype", "") for task in tasks))
    written_to = chosen.folder / "results"
    if _RESULTS.value:
        written_to = shared_flags.folder(_RESULTS.value, "--results")
    runs = shared_flags.folder(_RUNS.value, "--runs")
    store = Store(runs, written_to / f"{scale}.json")

    # Two rows may be the same run.
    missing = {
        task.address: task
        for task in tasks
        if (record := store.find(task)) is None or not record.final
        if not added or task.row.name in added
    }
    print(f"{chosen.title} {len(tasks)} runs, {len(missing)} of them to be made.", flush=True)
    if _DRY_RUN.value:
        items = dry_run.missing_runs(tasks, list(missing.values()), store)
        print(dry_run.describe(items, at_once))
        return {"experiment": experiment, "scale": scale, "missing": len(missing)}
    if not _REPORT.value:
        together = jobs.VECTORIZE[_VECTORIZE.value]
        waiting = jobs.jobs(missing.values(), store, together)
        if waiting:
            tick: Tick = LiveTable(tasks, store).tick
            if _MINUTES.value is not None:
                tick = within(_MINUTES.value, tick)
            folder = runs / name.rpartition(":")[2]
            try:
                launch_on.function(waiting, at_once, tick, folder)
            except TimeIsOver:
                print("The time is over; the same command goes on.", flush=True)
    store.keep(tasks)
    names.link(tasks, store, runs, chosen.folder.resolve().name, scale)
    page = results.write(chosen, scale, tasks, store, written_to)
    print((written_to / f"{scale}.md").read_text())
    outcomes = Counter(record.status for task in tasks if (record := store.find(task)))
    left = len({task.address for task in tasks if store.find(task) is None})
    waits = {"missing": left} if left else {}
    return {"experiment": experiment, "scale": scale, "report": str(page), **outcomes, **waits}

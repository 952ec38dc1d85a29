"""An experiment: a folder whose sweep.py names the configurations that answer its question.

sweep.py holds

- `TITLE`, the question, and `SOURCE`, where the published figures stand;
- `BASES`, the configuration that each scale starts from, written as for --config;
- `SEEDS`, how many seeds each scale runs where the command gives no number;
- `PUBLISHED_IS`, what the published figures are of a row's runs: 'mean', also where it is left out,
  or 'median';
- `PUBLISHED_OF`, the error of a run that they are: 'test_error', also where it is left out, or
  'best_test_error';
- `PUBLISHED_SCALE`, the scale whose runs are as published; 'paper' where it is left out;
- `TARGET`, a top-1 in percent whose first evaluation the table times; none where it is left out;
- `rows(scale)`, which yields a `Row` for each line of the table, the baseline first;
- `own(scale, changes)`, which yields the rows of a user's own changes; where it is left out they
  are one row.
"""

import hashlib
import json
import runpy
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from resnet_jax.assembly import configuration, keys, sections
from resnet_jax.assembly.choices import defaults_of_options
from resnet_jax.assembly.run_folder import CHECKPOINTS
from resnet_jax.tables import UserError, choose
from resnet_jax.tables.running import running
from resnet_jax.training.record import newest_records

# What a published figure may be of several runs.
STATISTICS = {name: name for name in ("mean", "median")}
# Which error of a run it may be.
ERRORS = {name: name for name in ("test_error", "best_test_error")}


class Row(NamedTuple):
    """One line of an experiment's table.

    Attributes:
      name: in tables and figures.
      changes: to the scale's configuration, written as behind the colon of --config=FILE:depth=56.
      published: test error in percent, or 'fail', as the paper gives it.
      against: name of the row to compare with; None is the experiment's first.
    """

    name: str
    changes: str
    published: float | str | None = None
    against: str | None = None


class Experiment(NamedTuple):
    """What an experiment's sweep.py says; see the module."""

    folder: Path
    title: str
    source: str
    bases: dict[str, str]
    seeds: dict[str, int]
    rows: Callable[[str], Iterable[Row]]
    published_is: str = "mean"
    published_of: str = "test_error"
    published_scale: str = "paper"
    target: float | None = None
    own: Callable[[str, str], Iterable[Row]] = lambda scale, changes: [Row("own", changes)]


class Task(NamedTuple):
    """One run: a row with one seed.

    Attributes:
      config: the run's configuration, written as for --config.
      changes: the keys whose values make it compute something else than the default configuration.
      address: hash of the changes, and so of everything that the run computes.
    """

    row: Row
    seed: int
    config: str
    changes: dict[str, Any]
    address: str


def load(folder: Path) -> Experiment:
    """Reads an experiment's sweep.py.

    Raises:
      UserError: there is no such file, or one of its names is missing.
    """
    path = folder / "sweep.py"
    if not path.is_file():
        raise UserError(f"{folder} holds no sweep.py: give a folder of experiments/")
    with running(path):
        names = runpy.run_path(str(path))
    wanted = ("TITLE", "SOURCE", "BASES", "SEEDS", "rows")
    missing = [name for name in wanted if name not in names]
    if missing:
        raise UserError(f"{path} lacks {', '.join(missing)}: see experiments/shortcut/sweep.py")
    published_is = choose(STATISTICS, names.get("PUBLISHED_IS", "mean"), "PUBLISHED_IS")
    found = Experiment(folder, *(names[name] for name in wanted))
    return found._replace(
        published_is=published_is,
        published_of=choose(ERRORS, names.get("PUBLISHED_OF", "test_error"), "PUBLISHED_OF"),
        published_scale=names.get("PUBLISHED_SCALE", found.published_scale),
        target=names.get("TARGET"),
        own=names.get("own", found.own),
    )


def with_own(experiment: Experiment, changes: str) -> tuple[Experiment, set[str]]:
    """Returns the experiment with rows of a user's own, and the names of those rows.

    Args:
      changes: written as behind the colon of --config=FILE:depth=56.
    """
    names: set[str] = set()

    def rows(scale: str) -> Iterable[Row]:
        added = list(experiment.own(scale, changes))
        names.update(row.name for row in added)
        return [*experiment.rows(scale), *added]

    return experiment._replace(rows=rows), names


def rows(experiment: Experiment, scale: str) -> list[Row]:
    """Returns the rows of a scale, each with the row that it is compared with.

    Raises:
      UserError: there is no such scale, the scale has no rows, two rows have one name, or a row is
        compared with one that does not exist.
    """
    choose(experiment.bases, scale, "scale")
    with running(experiment.folder / "sweep.py"):
        found = list(experiment.rows(scale))
    names = [row.name for row in found]
    if not names or len(set(names)) < len(names):
        raise UserError(f"{experiment.folder}/sweep.py must yield rows, each with its own name")
    found = [row._replace(against=row.against or names[0]) for row in found]
    for row in found:
        choose(dict.fromkeys(names), str(row.against), f"row for '{row.name}' to compare with,")
    return found


def tasks(experiment: Experiment, scale: str, seeds: int) -> list[Task]:
    """Returns the runs of a scale, all rows with seed 0 first: a step compiles once for all seeds.

    Raises:
      UserError: as `rows`, or the configuration does not take the changes of a row.
    """
    default = defaults()
    base = choose(experiment.bases, scale, "scale")
    lines, found = rows(experiment, scale), []
    for seed in range(seeds):
        for row in lines:
            config = extend(base, row.changes, f"seed={seed}")
            facts = _with_contents(keys.facts(configuration.read(config)))
            changes = {key: facts[key] for key in facts if facts[key] != default.get(key)}
            found.append(Task(row, seed, config, changes, address(changes)))
    return found


def _with_contents(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts, with hashes of the file of weights or the state that a run starts from."""
    found = dict(facts)
    weights, run = Path(facts["init.weights"] or ""), Path(facts["init.run"] or "")
    if weights.is_file():  # what is not there a run complains of
        now = weights.stat()
        digest = _digest(weights, now.st_mtime_ns, now.st_size)
        found["init.weights"] = f"{weights.name}@{digest}"
    if facts["init.run"] and (newest := next(newest_records(run / CHECKPOINTS), None)):
        found["init.run"] = f"{run.name}@{newest.step}-{newest.arrays:08x}"
    return found


@cache
def _digest(path: Path, changed: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def defaults() -> dict[str, Any]:
    """Returns every key that changes what a run computes, and every option, with its default."""
    return {**keys.facts(sections.default()), **defaults_of_options()}


def extend(config: str, *changes: str) -> str:
    """'a.py', 'x=1', 'y=2' -> 'a.py:x=1,y=2'."""
    path, _, old = config.partition(":")
    return f"{path}:{','.join(filter(None, [old, *changes]))}"


def address(changes: dict[str, Any]) -> str:
    """Names a run by what it computes: equal for equal changes to the default configuration.

    So a new key whose default changes nothing leaves every address as it was.
    """
    return hashlib.sha256(json.dumps(changes, sort_keys=True).encode()).hexdigest()[:16]

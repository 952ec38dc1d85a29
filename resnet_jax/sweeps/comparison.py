"""Runs beside each other: those that differ in their seed alone are the seeds of one row.

A row is called after the keys in which the rows differ. Nothing of a run is executed, not even a
stored file of rows.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from resnet_jax.assembly import Assembly, run_folder
from resnet_jax.reporting.metrics_file import read_lines
from resnet_jax.sweeps import costs, records
from resnet_jax.sweeps.experiment import Row, defaults
from resnet_jax.sweeps.pairs import start_alike
from resnet_jax.sweeps.records import Record
from resnet_jax.sweeps.table import Line, lines, measured
from resnet_jax.tables import UserError

# A row's name has at most so many keys; a longer one is called after the folder of its first run.
KEYS_IN_A_NAME = 4


class Compared(NamedTuple):
    """A run that is compared.

    Attributes:
      name: of its folder, or its address in a sweep.
      folder: None where its record is all that there is.
      changes: see experiment.Task.
    """

    name: str
    folder: Path | None
    changes: dict[str, Any]
    record: Record

    @property
    def seed(self) -> int:
        return int(self.changes.get("seed", 0))

    @property
    def rest(self) -> dict[str, Any]:
        """The changes without the seed."""
        return {key: value for key, value in self.changes.items() if key != "seed"}


class Comparison(NamedTuple):
    """What runs show beside each other.

    Attributes:
      rows: the runs of each line of the table, by its name.
      differing: the keys in which rows differ.
    """

    table: list[Line]
    rows: dict[str, list[Compared]]
    differing: list[str]

    def differences(self) -> list[list[str]]:
        """A line for each key in which rows differ: the key, and its value in each row."""
        return [
            [key, *(_shown(_value(found[0], key)) for found in self.rows.values())]
            for key in self.differing
        ]


def compare(places: Sequence[str]) -> Comparison:
    """Compares the runs in these places; the row of the first one is what others are compared with.

    Args:
      places: folders of runs, folders that hold such folders at any depth, patterns, and JSON files
        of records of an experiment.

    Raises:
      UserError: a place holds no run, or one row has a seed twice.
    """
    groups: dict[str, list[Compared]] = {}
    for run in found_in(places):
        groups.setdefault(json.dumps(run.rest, sort_keys=True), []).append(run)
    firsts = [group[0] for group in groups.values()]
    keys = sorted({key for run in firsts for key in run.rest})
    differing = [key for key in keys if len({json.dumps(_value(run, key)) for run in firsts}) > 1]
    rows = {_name(group[0], differing): group for group in groups.values()}
    if len(rows) < len(groups):
        rows = {group[0].name: group for group in groups.values()}
    baseline = next(iter(rows))
    table = lines(
        [Row(name, "", against=baseline) for name in rows],
        {name: _by_seed(name, group) for name, group in rows.items()},
        {name: _cost(group[0]) for name, group in rows.items()},
        {name for name, (run, *_) in rows.items() if start_alike(run.rest, firsts[0].rest)},
        published_scale=False,
    )
    return Comparison(table, rows, differing)


def found_in(places: Sequence[str]) -> list[Compared]:
    """The runs in these places, each once, in their order; see compare."""
    found: dict[Path | str, Compared] = {}
    for place in places:
        here = list(_in_place(place))
        if not here:
            raise UserError(
                f"{place} holds no run: give folders of runs, patterns as 'runs/*', or the JSON"
                " file of an experiment's results"
            )
        for run in here:
            found.setdefault(run.folder.resolve() if run.folder else run.name, run)
    return list(found.values())


def _in_place(place: str) -> Iterator[Compared]:
    path = Path(place).expanduser()
    if path.suffix == ".json" and path.is_file():
        yield from _kept(path)
        return
    roots: Iterable[Path] = [path]
    if not path.exists():
        base = Path(path.anchor) if path.is_absolute() else Path()
        roots = sorted(base.glob(str(path.relative_to(base))))
    for root in roots:
        for config in sorted(root.rglob(run_folder.CONFIG)):
            if (config.parent / "metrics.jsonl").is_file():
                yield _run(config.parent)


def _run(folder: Path) -> Compared:
    """The run in a folder; one whose last line was not evaluated counts as unfinished."""
    default, facts = defaults(), run_folder.facts_before(folder)
    changes = {key: value for key, value in facts.items() if value != default.get(key)}
    written = read_lines(folder / "metrics.jsonl")
    stored = records.read(folder)
    if stored is not None:
        return Compared(folder.name, folder, changes, Record(**stored["record"]))
    finished = bool(written) and "eval/top1" in written[-1]
    batch = facts["train.batch_size"]
    record = records.of_run(folder, batch, "done" if finished else "unfinished")
    return Compared(folder.name, folder, changes, record)


def _kept(path: Path) -> Iterator[Compared]:
    try:
        content = json.loads(path.read_text())
        for address, run in content["runs"].items():
            yield Compared(address, None, run["changes"], Record(**run["record"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"{path} holds no records of an experiment: give one of experiments/NAME/results/"
        ) from None


def _by_seed(name: str, group: Sequence[Compared]) -> dict[int, Record]:
    found: dict[int, Record] = {}
    for run in group:
        if run.seed in found:
            raise UserError(
                f"two runs of '{name}' have seed {run.seed}, {run.name} among them: they are the"
                " same run, so leave one out"
            )
        found[run.seed] = run.record
    return found


def _value(run: Compared, key: str) -> Any:
    return run.changes.get(key, defaults().get(key))


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _name(run: Compared, differing: Sequence[str]) -> str:
    if not differing or len(differing) > KEYS_IN_A_NAME:
        return run.name
    shown = (f"{key.removeprefix('model.')}={_shown(_value(run, key))}" for key in differing)
    return ", ".join(shown)


def _cost(run: Compared) -> costs.Cost | None:
    """None where the network can't be built, as where that would run a stored file."""
    if run.folder is None:
        return None
    try:
        config, data = run_folder.load(run.folder), run_folder.known(run.folder)
        return costs.of_assembly(Assembly(config, known=data))
    except UserError:
        return None


def runs_as_csv(found: Comparison) -> str:
    """A line for each run: row, seed, folder, the keys in which rows differ, and its figures."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["row", "seed", "run", "status", *found.differing, *measured()])
    for name, group in found.rows.items():
        for run in group:
            keys = (_shown(_value(run, key)) for key in found.differing)
            figures = (run.record.figure(figure) for figure in measured())
            shown = ("" if value is None else f"{value:.6g}" for value in figures)
            where = run.folder or run.name
            writer.writerow([name, run.seed, where, run.record.status, *keys, *shown])
    return out.getvalue()

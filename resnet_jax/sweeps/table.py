"""The table of an experiment, with a line for each row: as numbers, as CSV and as Markdown."""

import csv
import io
import math
from collections import Counter
from collections.abc import Collection
from typing import Any, NamedTuple

from resnet_jax.sweeps import target as targets
from resnet_jax.sweeps.costs import Cost
from resnet_jax.sweeps.experiment import Row
from resnet_jax.sweeps.records import Record, others
from resnet_jax.sweeps.statistics import Comparison, Summary, compare, holm, of_test_set, summary


class Line(NamedTuple):
    """A row of the experiment with the outcomes of its runs.

    Attributes:
      runs: the outcomes of those runs that have ended, by their seed.
      summaries: each figure over the runs that are done.
      comparisons: each figure against the row that this one is compared with; None for that row.
      published_effect: published error minus that of the row that this one is compared with.
      from_published: mean error minus the published one, or median minus median, where the scale
        is the published one.
      published_is: mean or median.
      published_of: the error that is published, a key of experiment.ERRORS.
      cost: what the network costs; None where it can't be built.
      to_target: the time to target; None where the experiment has none.
    """

    row: Row
    runs: dict[int, Record]
    summaries: dict[str, Summary | None]
    comparisons: dict[str, Comparison | None]
    published_effect: float | None
    from_published: float | None
    published_is: str
    published_of: str
    cost: Cost | None
    to_target: targets.ToTarget | None = None

    @property
    def records(self) -> list[Record]:
        return list(self.runs.values())

    def values(self, figure: str) -> list[float]:
        """The figure of each run that is done."""
        return list(values(self.runs, figure).values())

    @property
    def left_out(self) -> str:
        """How many runs the figures leave out, of how many: '1 of 3', or ''."""
        lost = sum(record.status != "done" for record in self.records)
        return f"{lost} of {len(self.runs)}" if lost else ""

    @property
    def of_test_set(self) -> tuple[float, float] | None:
        """The interval of the mean test error that the finite test set alone gives, in percent."""
        error = self.summaries["test_error"]
        counts = {record.test_examples for record in self.records if record.status == "done"}
        (count,) = counts if len(counts) == 1 else (None,)
        return of_test_set(error.mean, count) if error and count else None

    @property
    def failures(self) -> str:
        """How many runs did not end well, and how: '2 diverged', or ''."""
        counts = Counter(record.status for record in self.records if record.status != "done")
        return ", ".join(f"{count} {status}" for status, count in counts.items())


def measured() -> tuple[str, ...]:
    """The figures of a run that the table summarises: errors in percent, losses in nats."""
    best = "best_test_error", "last_minus_best"
    return "test_error", "train_error", "train_loss", "test_loss", *best, *others()


def values(runs: dict[int, Record], figure: str) -> dict[int, float]:
    """The figure of each run that is done and has it, by its seed."""
    done = {seed: record for seed, record in runs.items() if record.status == "done"}
    found = {seed: record.figure(figure) for seed, record in done.items()}
    return {seed: value for seed, value in found.items() if value is not None}


def lines(
    rows: list[Row],
    runs: dict[str, dict[int, Record]],
    costs: dict[str, Cost | None],
    paired: Collection[str] = (),
    *,
    published_scale: bool,
    published_is: str = "mean",
    published_of: str = "test_error",
    target: float | None = None,
) -> list[Line]:
    """Returns the table.

    Args:
      rows: in their order.
      runs: of each row by its name, and of its seeds.
      costs: of each row, by its name.
      paired: names of the rows whose runs start as those of the same seed start that they are
        compared with; see pairs.start_alike.
      published_scale: whether the runs have the networks and schedule of the published figures.
      published_is: a key of experiment.STATISTICS.
      published_of: a key of experiment.ERRORS.
      target: see target.to_target.
    """
    by_name = {row.name: row for row in rows}
    figures = {
        name: {row.name: values(runs[row.name], name) for row in rows} for name in measured()
    }
    compared = {name: _compared(rows, found, paired) for name, found in figures.items()}
    table = []
    for row in rows:
        other = by_name[str(row.against)]
        table.append(
            Line(
                row=row,
                runs=runs[row.name],
                summaries={
                    name: summary(list(found[row.name].values())) for name, found in figures.items()
                },
                comparisons={name: found[row.name] for name, found in compared.items()},
                published_effect=None if other is row else _less(row.published, other.published),
                from_published=_less(
                    getattr(
                        summary(list(figures[published_of][row.name].values())), published_is, None
                    ),
                    row.published,
                )
                if published_scale
                else None,
                published_is=published_is,
                published_of=published_of,
                cost=costs[row.name],
                to_target=targets.to_target(runs[row.name].values(), target, costs[row.name])
                if target
                else None,
            )
        )
    return table


def _compared(
    rows: list[Row], found: dict[str, dict[int, float]], paired: Collection[str]
) -> dict[str, Comparison | None]:
    """Each row against its own baseline; p is corrected over the rows of one baseline."""
    compared = {
        row.name: None
        if row.against == row.name
        else compare(found[row.name], found[str(row.against)], paired=row.name in paired)
        for row in rows
    }
    for baseline in dict.fromkeys(row.against for row in rows):
        family = {
            row.name: comparison
            for row in rows
            if row.against == baseline
            and (comparison := compared[row.name]) is not None
            and not math.isnan(comparison.p)
        }
        corrected = holm([comparison.p for comparison in family.values()])
        for (name, comparison), p in zip(family.items(), corrected, strict=True):
            compared[name] = comparison._replace(holm=p)
    return compared


def _less(value: float | str | None, other: float | str | None) -> float | None:
    if isinstance(value, float) and isinstance(other, float):
        return value - other
    return None


def as_csv(table: list[Line]) -> str:
    """Every figure, with a line for each row; a field is empty where there is no figure."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(_flat(table[0])), lineterminator="\n")
    writer.writeheader()
    writer.writerows(_flat(line) for line in table)
    return out.getvalue()


def _flat(line: Line) -> dict[str, Any]:
    counts = Counter(record.status for record in line.records)
    flat: dict[str, Any] = {
        "row": line.row.name,
        "runs": len(line.runs),
        "diverged": counts["diverged"],
        "failures": line.failures,
    }
    for end, value in zip(("low", "high"), line.of_test_set or ("", ""), strict=True):
        flat[f"test_set_{end}"] = f"{value:.6g}" if value != "" else ""
    for figure in measured():
        for kind, found, fields in (
            ("", line.summaries[figure], Summary._fields),
            ("_change", line.comparisons[figure], Comparison._fields),
        ):
            for field in fields:
                value = getattr(found, field) if found else math.nan
                flat[f"{figure}{kind}_{field}"] = "" if math.isnan(value) else f"{value:.6g}"
    flat |= line.cost._asdict() if line.cost else dict.fromkeys(Cost._fields, "")
    flat |= targets.flat(line.to_target)
    flat["against"] = line.row.against
    flat["published"] = "" if line.row.published is None else line.row.published
    flat["published_effect"] = _number(line.published_effect, "{:.2f}", "")
    flat["from_published"] = _number(line.from_published, "{:.2f}", "")
    flat["published_is"] = line.published_is
    return flat


def cells(line: Line) -> dict[str, str]:
    """The text of each column that a reader sees, by the column's heading."""
    test, train = line.summaries["test_error"], line.summaries["train_error"]
    loss = line.summaries["train_loss"]
    of_best = "" if line.published_of == "test_error" else "best "
    return {
        "row": line.row.name,
        "n": str(test.n if test else 0) + (f" ({line.failures})" if line.failures else ""),
        "test error %": _spread(test, 2) or ("fail" if line.runs else ""),
        **_of_the_best(line),
        "median": f"{test.median:.2f}" if test else "",
        "95% interval": _with_share(_interval(test, "{:.2f} to {:.2f}"), line.left_out),
        "test set alone": "{:.2f} to {:.2f}".format(*line.of_test_set) if line.of_test_set else "",
        "training error %": _spread(train, 2),
        "training loss": _spread(loss, 3),
        **{name.replace("_", " "): _spread(line.summaries[name], 4) for name in others()},
        **targets.cells(line.to_target),
        "test error against": _change(line.comparisons["test_error"], "{:+.2f}"),
        "training loss against": _change(line.comparisons["train_loss"], "{:+.3f}"),
        "compared with": "" if line.row.against == line.row.name else str(line.row.against),
        "published %": _published(line.row.published),
        "published effect": _number(line.published_effect, "{:+.2f}", ""),
        f"{of_best}{line.published_is} from published": _number(line.from_published, "{:+.2f}", ""),
        "parameters": f"{line.cost.parameters:,}" if line.cost else "",
        "MFLOP an image": f"{line.cost.flops / 1e6:,.1f}" if line.cost else "",
    }


def _of_the_best(line: Line) -> dict[str, str]:
    """The best of several evaluations of each run, and how much it flatters the last."""
    several = any(len(record.test_curve) > 1 for record in line.records)
    best, gain = (line.summaries[name] for name in ("best_test_error", "last_minus_best"))
    return {
        "best test error %": _spread(best, 2) if several else "",
        "best, 95% interval": _interval(best, "{:.2f} to {:.2f}") if several else "",
        "last minus best": _spread(gain, 2) if several else "",
    }


def as_markdown(table: list[Line]) -> str:
    """The columns that a reader sees; those that are empty throughout are left out."""
    grid = [cells(line) for line in table]
    names = columns(grid)
    rows = [names, ["---"] * len(names), *([line[name] for name in names] for line in grid)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def columns(grid: list[dict[str, str]]) -> list[str]:
    """The columns that some line has text in."""
    return [name for name in grid[0] if any(line[name] for line in grid)]


def _spread(found: Summary | None, digits: int) -> str:
    if found is None:
        return ""
    mean = f"{found.mean:.{digits}f}"
    return mean if math.isnan(found.std) else f"{mean} ± {found.std:.{digits}f}"


def _interval(found: Summary | Comparison | None, form: str) -> str:
    if found is None or math.isnan(found.low):
        return ""
    return form.format(found.low, found.high)


def _with_share(interval: str, left_out: str) -> str:
    return f"{interval} (without {left_out})" if interval and left_out else interval


def _change(found: Comparison | None, form: str) -> str:
    """'+3.10 (+1.20 to +5.00, paired p 0.012, Holm 0.036)'."""
    if found is None:
        return ""
    text = form.format(found.difference)
    interval = _interval(found, f"{form} to {form}")
    if not interval:
        return text
    kind = "paired p" if found.paired else "p"
    corrected = "" if found.holm == found.p else f", Holm {found.holm:.2g}"
    return f"{text} ({interval}, {kind} {found.p:.2g}{corrected})"


def _published(value: float | str | None) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value or "")


def _number(value: float | None, form: str, nothing: str) -> str:
    return nothing if value is None else form.format(value)

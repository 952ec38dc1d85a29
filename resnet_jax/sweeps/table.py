"""The table of an experiment, with a line for each row: as numbers, as CSV and as Markdown."""

import csv
import io
import math
from collections import Counter
from typing import Any, NamedTuple

from resnet_jax.sweeps.costs import Cost
from resnet_jax.sweeps.experiment import Row
from resnet_jax.sweeps.records import Record, others
from resnet_jax.sweeps.statistics import Comparison, Summary, compare, summary


class Line(NamedTuple):
    """A row of the experiment with the outcomes of its runs.

    Attributes:
      records: the outcomes of those runs that have ended.
      summaries: each figure over the runs that are done.
      comparisons: each figure against the row that this one is compared with; None for that row.
      published_effect: published error minus that of the row that this one is compared with.
      from_published: mean test error minus the published one, where the scale is the paper's.
      cost: what the network costs; None where it can't be built.
    """

    row: Row
    records: list[Record]
    summaries: dict[str, Summary | None]
    comparisons: dict[str, Comparison | None]
    published_effect: float | None
    from_published: float | None
    cost: Cost | None

    def values(self, figure: str) -> list[float]:
        """The figure of each run that is done."""
        return values(self.records, figure)

    @property
    def failures(self) -> str:
        """How many runs did not end well, and how: '2 diverged', or ''."""
        counts = Counter(record.status for record in self.records if record.status != "done")
        return ", ".join(f"{count} {status}" for status, count in counts.items())


def measured() -> tuple[str, ...]:
    """The figures of a run that the table summarises: errors in percent, losses in nats."""
    return "test_error", "train_error", "train_loss", "test_loss", *others()


def values(records: list[Record], figure: str) -> list[float]:
    """The figure of each run that is done and has it."""
    found = [record.figure(figure) for record in records if record.status == "done"]
    return [value for value in found if value is not None]


def lines(
    rows: list[Row],
    records: dict[str, list[Record]],
    costs: dict[str, Cost | None],
    *,
    published_scale: bool,
) -> list[Line]:
    """Returns the table.

    Args:
      rows: in their order.
      records, costs: of each row, by its name.
      published_scale: whether the runs have the networks and schedule of the published figures.
    """
    by_name = {row.name: row for row in rows}
    found = []
    for row in rows:
        other = by_name[str(row.against)]
        ours = records[row.name]
        found.append(
            Line(
                row=row,
                records=ours,
                summaries={name: summary(values(ours, name)) for name in measured()},
                comparisons={
                    name: None
                    if other is row
                    else compare(values(ours, name), values(records[other.name], name))
                    for name in measured()
                },
                published_effect=None if other is row else _less(row.published, other.published),
                from_published=_from_published(row, ours) if published_scale else None,
                cost=costs[row.name],
            )
        )
    return found


def _less(value: float | str | None, other: float | str | None) -> float | None:
    if isinstance(value, float) and isinstance(other, float):
        return value - other
    return None


def _from_published(row: Row, records: list[Record]) -> float | None:
    ours = summary(values(records, "test_error"))
    return _less(ours.mean, row.published) if ours else None


def as_csv(table: list[Line]) -> str:
    """Every figure, with a line for each row; a field is empty where there is no figure."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(_flat(table[0])), lineterminator="\n")
    writer.writeheader()
    writer.writerows(_flat(line) for line in table)
    return out.getvalue()


def _flat(line: Line) -> dict[str, Any]:
    flat: dict[str, Any] = {"row": line.row.name, "failures": line.failures}
    for figure in measured():
        for kind, found, fields in (
            ("", line.summaries[figure], Summary._fields),
            ("_change", line.comparisons[figure], Comparison._fields),
        ):
            for field in fields:
                value = getattr(found, field) if found else math.nan
                flat[f"{figure}{kind}_{field}"] = "" if math.isnan(value) else f"{value:.6g}"
    flat |= line.cost._asdict() if line.cost else dict.fromkeys(Cost._fields, "")
    flat["against"] = line.row.against
    flat["published"] = "" if line.row.published is None else line.row.published
    flat["published_effect"] = _number(line.published_effect, "{:.2f}", "")
    flat["from_published"] = _number(line.from_published, "{:.2f}", "")
    return flat


def cells(line: Line) -> dict[str, str]:
    """The text of each column that a reader sees, by the column's heading."""
    test, train = line.summaries["test_error"], line.summaries["train_error"]
    loss = line.summaries["train_loss"]
    return {
        "row": line.row.name,
        "n": str(test.n if test else 0) + (f" ({line.failures})" if line.failures else ""),
        "test error %": _spread(test, 2) or "fail",
        "median": f"{test.median:.2f}" if test else "",
        "95% interval": _interval(test, "{:.2f} to {:.2f}"),
        "training error %": _spread(train, 2),
        "training loss": _spread(loss, 3),
        **{name.replace("_", " "): _spread(line.summaries[name], 4) for name in others()},
        "test error against": _change(line.comparisons["test_error"], "{:+.2f}"),
        "training loss against": _change(line.comparisons["train_loss"], "{:+.3f}"),
        "compared with": "" if line.row.against == line.row.name else str(line.row.against),
        "published %": _published(line.row.published),
        "published effect": _number(line.published_effect, "{:+.2f}", ""),
        "from published": _number(line.from_published, "{:+.2f}", ""),
        "parameters": f"{line.cost.parameters:,}" if line.cost else "",
        "MFLOP an image": f"{line.cost.flops / 1e6:,.1f}" if line.cost else "",
    }


def as_markdown(table: list[Line]) -> str:
    """The columns that a reader sees; those that are empty throughout are left out."""
    grid = [cells(line) for line in table]
    columns = [name for name in grid[0] if any(line[name] for line in grid)]
    rows = [columns, ["---"] * len(columns), *([line[name] for name in columns] for line in grid)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _spread(found: Summary | None, digits: int) -> str:
    if found is None:
        return ""
    mean = f"{found.mean:.{digits}f}"
    return mean if math.isnan(found.std) else f"{mean} ± {found.std:.{digits}f}"


def _interval(found: Summary | Comparison | None, form: str) -> str:
    if found is None or math.isnan(found.low):
        return ""
    return form.format(found.low, found.high)


def _change(found: Comparison | None, form: str) -> str:
    """'+3.10 (+1.20 to +5.00, p 0.012)'."""
    if found is None:
        return ""
    text = form.format(found.difference)
    interval = _interval(found, f"{form} to {form}")
    return f"{text} ({interval}, p {found.p:.2g})" if interval else text


def _published(value: float | str | None) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value or "")


def _number(value: float | None, form: str, nothing: str) -> str:
    return nothing if value is None else form.format(value)

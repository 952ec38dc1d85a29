"""Writes what an experiment found: its tables, its figures and its page, from the records."""

from pathlib import Path

from resnet_jax.pages.sweep import page
from resnet_jax.reporting.drawing import as_png, as_svg
from resnet_jax.reporting.files import replace
from resnet_jax.sweeps import experiment
from resnet_jax.sweeps.costs import Cost, of_config
from resnet_jax.sweeps.experiment import Experiment, Task
from resnet_jax.sweeps.figures import FIGURES
from resnet_jax.sweeps.notes import notes
from resnet_jax.sweeps.pairs import start_alike
from resnet_jax.sweeps.records import Record, Store
from resnet_jax.sweeps.table import Line, as_csv, as_markdown, cells, lines


def write(chosen: Experiment, scale: str, tasks: list[Task], store: Store, folder: Path) -> Path:
    """Writes tables, figures and page into the folder; the scale begins their names.

    Returns:
      The page.
    """
    table = tabulate(chosen, scale, tasks, store)
    drawn = {name: draw(table, scale) for name, draw in FIGURES.items()}
    svgs = {name: as_svg(figure) for name, figure in drawn.items()}
    for name, figure in drawn.items():
        replace(folder / f"{scale}-{name}.svg", svgs[name])
        replace(folder / f"{scale}-{name}.png", as_png(figure))
    replace(folder / f"{scale}.csv", as_csv(table))
    paragraphs = "".join(f"\n{note}\n" for note in notes(table))
    replace(folder / f"{scale}.md", as_markdown(table) + paragraphs)
    path = folder / f"{scale}.html"
    content = page(
        [cells(line) for line in table],
        title=chosen.title,
        about=_about(chosen, scale, table),
        figures=svgs,
    )
    replace(path, content)
    return path


def tabulate(chosen: Experiment, scale: str, tasks: list[Task], store: Store) -> list[Line]:
    """Returns the table of the runs that have ended."""
    rows = experiment.rows(chosen, scale)
    found: dict[str, dict[int, Record]] = {row.name: {} for row in rows}
    costs: dict[str, Cost | None] = {}
    firsts: dict[str, Task] = {}
    for task in tasks:
        if task.row.name not in firsts:
            firsts[task.row.name] = task
            costs[task.row.name] = of_config(task.config)
        if (record := store.find(task)) is not None:
            found[task.row.name][task.seed] = record
    paired = {
        name
        for name, task in firsts.items()
        if start_alike(task.changes, firsts[str(task.row.against)].changes)
    }
    return lines(
        rows,
        found,
        costs,
        paired,
        published_scale=scale == "paper",
        published_is=chosen.published_is,
    )


def _about(chosen: Experiment, scale: str, table: list[Line]) -> list[str]:
    runs = sum(len(line.records) for line in table)
    hours = sum(record.seconds for line in table for record in line.records) / 3600
    published = f"Published figures: {chosen.source}."
    if scale != "paper":
        published += (
            f" They are of the paper's networks and schedule; the {scale} scale asks the same"
            " question of smaller networks and shorter training, so only the sign and order of"
            " effects compare."
        )
    about = f"Scale {scale}, {runs} runs, {hours:.1f} hours of training steps."
    return [about, *notes(table), published]

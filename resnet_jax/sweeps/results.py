"""Writes what an experiment found: its tables, its figures and its page, from the records."""

import os
from collections import Counter
from pathlib import Path

from resnet_jax.pages.sweep import page
from resnet_jax.reporting import markup
from resnet_jax.reporting.drawing import as_png, as_svg
from resnet_jax.reporting.files import replace
from resnet_jax.sweeps import experiment
from resnet_jax.sweeps.comparison import Comparison, runs_as_csv
from resnet_jax.sweeps.costs import Cost, of_config
from resnet_jax.sweeps.experiment import Experiment, Task
from resnet_jax.sweeps.figures import FIGURES, plotted, seen
from resnet_jax.sweeps.latex import as_latex
from resnet_jax.sweeps.notes import notes
from resnet_jax.sweeps.pairs import start_alike
from resnet_jax.sweeps.records import Record, Store
from resnet_jax.sweeps.table import Line, as_csv, as_markdown, cells, lines

REPORT = "report.html"  # the page in a run's folder


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
    replace(folder / f"{scale}.tex", as_latex(table))
    paragraphs = "".join(f"\n{note}\n" for note in notes(table))
    replace(folder / f"{scale}.md", as_markdown(table) + paragraphs)
    path = folder / f"{scale}.html"
    pages = [
        (task.row.name, task.seed, store.workdir(task) / REPORT)
        for task in tasks
        if (store.workdir(task) / REPORT).is_file()
    ]
    content = page(
        [cells(line) for line in table],
        title=chosen.title,
        about=_about(chosen, scale, table),
        figures={seen(name, table): svg for name, svg in svgs.items() if name != "curves"},
        plotted=plotted(table),
        below=markup.section("Pages of the runs", run_links(pages, folder)) if pages else "",
    )
    replace(path, content)
    return path


def write_comparison(found: Comparison, folder: Path) -> Path:
    """Writes the tables, figures and page of runs that were compared; returns the page."""
    svgs = {name: as_svg(draw(found.table, "")) for name, draw in FIGURES.items()}
    for name, svg in svgs.items():
        replace(folder / f"comparison-{name}.svg", svg)
    replace(folder / "runs.csv", runs_as_csv(found))
    replace(folder / "comparison.csv", as_csv(found.table))
    replace(folder / "comparison.tex", as_latex(found.table))
    replace(folder / "comparison.md", as_markdown(found.table))
    differing = markup.table(("key", *found.rows), found.differences())
    below = markup.section("What differs", differing) if found.differing else ""
    links = [
        (name, run.seed, run.folder / REPORT)
        for name, group in found.rows.items()
        for run in group
        if run.folder is not None and (run.folder / REPORT).is_file()
    ]
    if links:
        below += markup.section("Pages of the runs", run_links(links, folder))
    path = folder / "comparison.html"
    content = page(
        [cells(line) for line in found.table],
        title="Comparison of runs",
        about=notes(found.table),
        figures={seen(name, found.table): svg for name, svg in svgs.items() if name != "curves"},
        plotted=plotted(found.table),
        below=below,
    )
    replace(path, content)
    return path


def run_links(runs: list[tuple[str, int, Path]], folder: Path) -> str:
    """HTML of a link to each run's page: name of its row, seed, and file.

    Args:
      folder: that the page with the links lies in.
    """
    return markup.links(
        (f"{name}, seed {seed}", Path(os.path.relpath(path, folder)).as_posix())
        for name, seed, path in runs
    )


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
        published_scale=scale == chosen.published_scale,
        published_is=chosen.published_is,
        published_of=chosen.published_of,
        target=chosen.target,
    )


def _about(chosen: Experiment, scale: str, table: list[Line]) -> list[str]:
    runs = sum(len(line.records) for line in table)
    hours = sum(record.seconds for line in table for record in line.records) / 3600
    published = f"Published figures: {chosen.source}."
    if scale != chosen.published_scale:
        published += (
            f" They are of the paper's networks and schedule; the {scale} scale asks the same"
            " question of smaller networks and shorter training, so only the sign and order of"
            " effects compare."
        )
    about = f"Scale {scale}, {runs} runs, {hours:.1f} hours of training steps."
    devices = Counter(record.devices for line in table for record in line.records)
    if known := [f"{number} on {name}" for name, number in devices.most_common() if name]:
        about += f" Runs by device: {', '.join(known)}."
    return [about, *notes(table), published]

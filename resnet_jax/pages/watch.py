"""Runs under way as one page: their curves, which grow while one looks."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from resnet_jax.pages.sections import OTHERS, UNITS
from resnet_jax.reporting import markup, plots
from resnet_jax.reporting.metrics_file import read_lines
from resnet_jax.tables import UserError
from resnet_jax.training.metrics import METRICS, in_brief

METRICS_FILE = "metrics.jsonl"
# Of each file what was read last, and the time and size that it had.
_READ: dict[Path, tuple[tuple[int, int], list[dict[str, Any]]]] = {}
COLUMNS = ("run", "updates", "train loss, nats", "test top-1", "images/s", "last line, s ago")


def runs(folder: Path) -> dict[str, Path]:
    """Metrics files in a folder and below it, by the paths of their runs.

    Raises:
      UserError: there is none.
    """
    found = sorted(folder.rglob(METRICS_FILE))
    if not found:
        raise UserError(f"{folder} holds no run: give a run's folder, or one with runs below it")
    names = [path.parent.relative_to(folder).as_posix() for path in found]
    own = folder.resolve().name
    return {own if name == "." else name: path for name, path in zip(names, found, strict=True)}


def state(folder: Path) -> dict[str, Any]:
    """What the page shows now: rows of its table, and the data of its plots."""
    found = runs(folder)
    lines = {name: _lines(path) for name, path in found.items()}
    now = time.time()
    rows = []
    for name, path in found.items():
        last = {key: value for line in lines[name] for key, value in line.items()}
        figures = [last.get(key) for key in ("step", "train/loss", "eval/top1")]
        speed, age = last.get("images_per_second"), now - path.stat().st_mtime
        rows.append([name, *map(_said, figures), _said(speed and round(speed)), f"{age:.0f}"])
    return {"rows": rows, "plots": [plots.as_data(plot) for plot in _plots(lines)]}


def page(folder: Path, seconds: float) -> str:
    """The page, which asks for /state every so many seconds.

    Raises:
      UserError: the folder holds no run.
    """
    lines = {name: _lines(path) for name, path in runs(folder).items()}
    body = markup.paragraphs([f"Runs in {folder.resolve()}, read anew every {seconds:g} seconds."])
    body += markup.table(COLUMNS, state(folder)["rows"])
    body += markup.side_by_side(plots.figures(_plots(lines)))
    return markup.document(
        f"Watching {folder.resolve().name}",
        body,
        script=SCRIPT.replace("MILLISECONDS", str(round(1000 * seconds))),
    )


def _plots(lines: Mapping[str, Sequence[dict[str, Any]]]) -> list[plots.Plot]:
    """A plot of each figure, with a curve for each run."""
    keys = {
        f"{word} {name}": f"{split}/{name}"
        for name in in_brief(METRICS)
        for split, word in (("train", "training"), ("eval", "test"))
    }
    drawn = []
    for name, key in {**keys, **OTHERS}.items():
        curves = {
            run: plots.thinned(
                [(line["step"], line[key]) for line in found if line.get(key) is not None]
            )[0]
            for run, found in lines.items()
        }
        unit = UNITS.get(key.rpartition("/")[2], "")
        title = f"{name}, {unit}" if unit and unit != name else name
        drawn.append(plots.Plot(title, curves, f"{title} over the updates of each run"))
    return drawn


def _said(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a file, which is read again where it has changed."""
    found = path.stat()
    stamp = found.st_mtime_ns, found.st_size
    if path not in _READ or _READ[path][0] != stamp:
        _READ[path] = stamp, read_lines(path)
    return _READ[path][1]


# Curves that were hidden stay hidden, and a range that was zoomed into stays.
SCRIPT = """
async function refresh() {
  let state;
  try { state = await (await fetch('state')).json(); }
  catch { document.title = '(no answer) ' + document.title.replace('(no answer) ', ''); return; }
  document.title = document.title.replace('(no answer) ', '');
  const body = document.querySelector('tbody');
  body.replaceChildren(...state.rows.map(cells => {
    const row = document.createElement('tr');
    row.append(...cells.map(text => Object.assign(document.createElement('td'),
      {textContent: text})));
    return row;
  }));
  state.plots.forEach((data, i) => {
    const entry = plots[i], {min, max} = entry.plot.scales.x, x = entry.data.values[0];
    const zoomed = min > x[0] || max < x[x.length - 1];
    const same = entry.data.names.join() === data.names.join();
    entry.data = data;
    if (same) entry.plot.setData(data.values, !zoomed); else entry.draw();
  });
}
setInterval(refresh, MILLISECONDS);
"""

"""Plots that a reader can point at: values under the pointer, curves to hide, a range to zoom.

They are drawn by uPlot 1.6.32 (MIT, github.com/leeoniya/uPlot), which every page with a plot holds.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from resnet_jax.reporting.findings import finite

UPLOT = Path(__file__).parent / "uplot"
MOST = 600  # points of a curve that a page shows


class Plot(NamedTuple):
    """One plot: curves over a common axis.

    Attributes:
      title: what is plotted, with its unit.
      curves: (x, y) points by the name of the curve, in the order of x.
      alt: what is seen, for those who do not see it.
      across: what x is, with its unit.
      caption: below the plot.
    """

    title: str
    curves: Mapping[str, Sequence[tuple[float, float]]]
    alt: str
    across: str = "updates"
    caption: str = ""


def figure(plot: Plot) -> str:
    """The plot as HTML, which `script` draws."""
    data = json.dumps(as_data(plot)).replace("<", "\\u003c")
    caption = f"<figcaption>{escape(plot.caption)}</figcaption>" if plot.caption else ""
    return (
        f'<figure class="plot"><h3>{escape(plot.title)}</h3>'
        f'<div class="canvas" role="img" aria-label="{escape(plot.alt)}"></div>'
        f'<script type="application/json">{data}</script>{caption}</figure>\n'
    )


def as_data(plot: Plot) -> dict[str, Any]:
    """What the script draws: names of the curves, x, and each curve's y or None at each x."""
    curves = {name: dict(points) for name, points in plot.curves.items()}
    x = sorted({place for points in curves.values() for place in points})
    return {
        "across": plot.across,
        "names": list(curves),
        "values": [x, *(finite([points.get(place) for place in x]) for points in curves.values())],
    }


def thinned(
    points: Sequence[tuple[float, float]], most: int = MOST
) -> tuple[list[tuple[float, float]], int]:
    """At most so many points, each the mean of as many neighbours as the second result says.

    A mean stands at the last x of its points, so that the curve ends where they end.
    """
    group = max(1, math.ceil(len(points) / most))
    parts = [points[start : start + group] for start in range(0, len(points), group)]
    return [(part[-1][0], math.fsum(y for _, y in part) / len(part)) for part in parts], group


def summary(curves: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """First and last value of each curve, for an alternative text."""
    return "; ".join(
        f"{name} from {points[0][1]:.4g} to {points[-1][1]:.4g}"
        for name, points in curves.items()
        if points
    )


def style() -> str:
    """The CSS of pages with plots."""
    return (UPLOT / "uPlot.min.css").read_text() + STYLE


def script() -> str:
    """The JavaScript of pages with plots: uPlot, and what draws every plot of the page."""
    return (UPLOT / "uPlot.iife.min.js").read_text() + SCRIPT


def figures(plots: Iterable[Plot]) -> str:
    """Each plot as HTML."""
    return "".join(map(figure, plots))


STYLE = """
.plot { margin: 0; min-width: 0; }
.plot h3 { font-size: .9rem; margin: 0 0 .25rem; }
.plot .canvas { min-height: 15rem; }
.plot .uplot { width: 100%; }
.u-legend { font-size: .8rem; text-align: left; }
.u-legend tr { margin-right: 1rem; }
.u-select { background: var(--chosen); }
.u-legend th { text-align: left; padding: .15rem; border: 0; }
.u-legend td { border: 0; padding: .15rem; text-align: left; }
.u-legend tbody th:first-child { position: static; }
"""

# Colours are told apart by those who see few, and on light and dark paper alike; Okabe and Ito's.
SCRIPT = """
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#7f7f7f'];
const DASHES = [[], [8, 4], [2, 3]];
const said = value => value === null || value === undefined ? '–'
  : Math.abs(value) >= 1e5 ? value.toLocaleString('en', {maximumFractionDigits: 0})
  : String(Number(value.toPrecision(5)));
function drawn(place, data, shown) {
  const css = getComputedStyle(document.documentElement);
  const ink = css.getPropertyValue('--ink'), line = css.getPropertyValue('--line');
  const axis = {stroke: ink, grid: {stroke: line, width: 1}, ticks: {stroke: line, width: 1},
    font: '12px system-ui, sans-serif'};
  const short = value => Math.abs(value) < 1e4 ? String(Number(value.toPrecision(6)))
    : value.toLocaleString('en', {notation: 'compact'});
  const plot = new uPlot({
    width: place.clientWidth, height: 220,
    scales: {x: {time: false}},
    cursor: {points: {size: 7}, drag: {x: true, y: false}, focus: {prox: 24}},
    focus: {alpha: .35},
    legend: {live: true},
    axes: [
      {...axis, label: data.across, labelSize: 20, labelFont: axis.font, space: 60,
        values: (_, ticks) => ticks.map(short)},
      {...axis, size: 56, values: (_, ticks) => ticks.map(short)},
    ],
    series: [
      {label: data.across, value: (_, value) => said(value)},
      ...data.names.map((name, i) => ({
        label: name, stroke: COLOURS[i % COLOURS.length], width: 1.6, spanGaps: true,
        dash: DASHES[Math.floor(i / COLOURS.length) % DASHES.length],
        show: shown?.[name] ?? true, points: {show: data.values[0].length < 40, size: 5},
        value: (_, value) => said(value),
      })),
    ],
  }, data.values, place);
  plot.names = data.names.join();
  return plot;
}
function shownOf(plot) {
  return plot && Object.fromEntries(plot.series.slice(1).map(one => [one.label, one.show]));
}
const plots = [];
for (const figure of document.querySelectorAll('.plot')) {
  const place = figure.querySelector('.canvas');
  const entry = {place, data: JSON.parse(figure.querySelector('script').textContent)};
  entry.draw = () => {
    const shown = shownOf(entry.plot);
    entry.plot?.destroy();
    entry.plot = drawn(place, entry.data, shown);
  };
  entry.draw();
  plots.push(entry);
  new ResizeObserver(() => {
    if (place.clientWidth !== entry.plot.width)
      entry.plot.setSize({width: place.clientWidth, height: 220});
  }).observe(place);
}
for (const query of ['(prefers-color-scheme: dark)', 'print'])
  matchMedia(query).addEventListener('change', () => plots.forEach(entry => entry.draw()));
"""

"""The figures of an experiment: errors as bars, training as curves, errors against costs.

A page has the curves as plots that a reader can point at.
"""

import math
import statistics
from collections.abc import Callable, Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from resnet_jax.reporting import plots
from resnet_jax.reporting.drawing import STYLE, tell
from resnet_jax.sweeps.costs import Cost
from resnet_jax.sweeps.records import Record
from resnet_jax.sweeps.table import Line

# Errors of a row, what they are called, and their bars' colours and places beside each other.
BARS = (("test_error", "test", "#2b5c8a", -0.2), ("train_error", "training", "#9db7d5", 0.2))


def errors(table: list[Line], scale: str) -> Figure:
    """Test and training error of each row: the mean, its 95% interval and every seed."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7, 1.1 + 0.42 * len(table)), layout="constrained")
        axes = figure.subplots()
        for place, line in enumerate(table):
            for figure_name, name, colour, shift in BARS:
                found = line.summaries[figure_name]
                if found is None:
                    continue
                (bar,) = axes.barh(place + shift, found.mean, 0.38, color=colour)
                words = f"{line.row.name}: {name} error {found.mean:.2f}%"
                if not math.isnan(found.low):
                    words += f", 95% interval {found.low:.2f} to {found.high:.2f}"
                    reach = found.high - found.mean
                    axes.errorbar(found.mean, place + shift, xerr=reach, color="#333", capsize=2.5,
                                  linewidth=1)  # fmt: skip
                tell(bar, words)
                values = line.values(figure_name)
                axes.plot(values, [place + shift] * len(values), ".", color="#111", markersize=4)
            if line.summaries["test_error"] is None:
                axes.text(0, place, f"  fail ({line.failures or 'not run'})", va="center")
        names = [
            f"{line.row.name}\n({line.failures})"
            if line.failures and line.summaries["test_error"]
            else line.row.name
            for line in table
        ]
        axes.set_yticks(range(len(table)), names)
        axes.invert_yaxis()
        axes.set_xlabel("error, %")
        axes.set_xlim(*_limits(table))
        axes.set_title(f"Error by row{_at(scale)}", loc="left")
        handles = [Patch(color=colour, label=name) for _, name, colour, _ in BARS]
        figure.legend(handles=handles, loc="outside lower right", ncols=2, frameon=False)
    return figure


def _at(scale: str) -> str:
    """The end of a title; runs that are of no experiment have no scale."""
    return f", {scale} scale" if scale else ""


def _limits(table: list[Line]) -> tuple[float, float]:
    """From 0 to the largest error of a run; the interval of few seeds may reach further."""
    largest = [
        value
        for line in table
        for name in ("test_error", "train_error")
        for value in line.values(name)
    ]
    return 0.0, min(100.0, 1.15 * max(largest, default=100.0))


def curves(table: list[Line], scale: str) -> Figure:
    """Training loss over the updates: the mean over the seeds of each row, and their range."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7, 4.5), layout="constrained")
        axes = figure.subplots()
        for number, line in enumerate(table):
            together = common(line.records)
            if together is None:
                continue
            steps, losses = together
            colour = _colour(number)
            axes.plot(steps, losses.mean(axis=0), color=colour, linewidth=1.4, label=line.row.name)
            axes.fill_between(steps, losses.min(axis=0), losses.max(axis=0), color=colour,
                              alpha=0.18, linewidth=0)  # fmt: skip
        axes.set_xlabel("updates")
        axes.set_ylabel("training loss, nats")
        axes.set_title(f"Training loss{_at(scale)}", loc="left")
        figure.legend(loc="outside lower center", ncols=2 if len(table) < 7 else 3, frameon=False,
                      fontsize=8)  # fmt: skip
    return figure


def costs(table: list[Line], scale: str) -> Figure:
    """Mean test error of each row over the size, arithmetic, memory and time of its network."""
    panels: dict[str, Callable[[Line, Cost], float]] = {
        "parameters": lambda line, cost: cost.parameters,
        "MFLOP an image": lambda line, cost: cost.flops / 1e6,
        "MB of activations an image": lambda line, cost: cost.activation_bytes / 1e6,
        "minutes of training steps": lambda line, cost: (
            statistics.median(line.values("seconds")) / 60
        ),
    }
    drawn = [
        (line, line.cost, found)
        for line in table
        if (found := line.summaries["test_error"]) and line.cost
    ]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10, 3.6), layout="constrained")
        for axes, (name, of) in zip(
            figure.subplots(1, 4, sharey=True), panels.items(), strict=True
        ):
            for number, (line, cost, found) in enumerate(drawn):
                colour = _colour(number)
                (point,) = axes.plot(
                    of(line, cost), found.mean, "o", color=colour, label=line.row.name
                )
                tell(point, f"{line.row.name}: {found.mean:.2f}% at {of(line, cost):,.4g} {name}")
            axes.set_xlabel(name)
            low, high = axes.get_xlim()
            if low > 0 and high > 10 * low:
                axes.set_xscale("log")
            else:
                axes.xaxis.set_major_locator(MaxNLocator(3))
        figure.axes[0].set_ylabel("test error, %")
        figure.axes[0].set_title(f"Test error against cost{_at(scale)}", loc="left")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False,
                      fontsize=8)  # fmt: skip
    return figure


def _colour(number: int) -> tuple[float, ...]:
    return matplotlib.colormaps["tab20"]((2 * number + number // 10) % 20)


def common(records: Sequence[Record]) -> tuple[np.ndarray, np.ndarray] | None:
    """The steps that every seed has reached, and the training loss of each seed at these steps."""
    found = [np.asarray(record.curve) for record in records if len(record.curve)]
    if not found:
        return None
    length = min(map(len, found))
    return found[0][:length, 0], np.stack([curve[:length, 2] for curve in found])


def seen(name: str, table: list[Line]) -> str:
    """What is seen on a figure of FIGURES, for those who do not see it."""
    found = [(line.row.name, line.summaries["test_error"]) for line in table]
    errors = "; ".join(f"{row} {mean.mean:.2f}%" for row, mean in found if mean)
    over = {"costs": " over parameters, arithmetic, activations and minutes of each row"}
    return f"Test error{over.get(name, ' by row')}: {errors}"


def plotted(table: list[Line]) -> list[plots.Plot]:
    """Training loss and test error over the updates, the mean over the seeds of each row."""
    losses, errors = {}, {}
    for line in table:
        if (together := common(line.records)) is not None:
            steps, values = together
            losses[line.row.name] = _points(steps, values)
        tests = [np.asarray(record.test_curve) for record in line.records if record.test_curve]
        if tests and (shortest := min(map(len, tests))) > 1:
            values = np.stack([curve[:shortest, 1] for curve in tests])
            errors[line.row.name] = _points(tests[0][:shortest, 0], values)
    named = {"training loss, nats": losses, "test error, %": errors}
    return [
        plots.Plot(title, curves, f"{title}, over the updates: {plots.summary(curves)}",
                   caption="Mean over the seeds of each row.")
        for title, curves in named.items()
        if curves
    ]  # fmt: skip


def _points(steps: np.ndarray, values: np.ndarray) -> list[tuple[float, float]]:
    points = list(zip(steps.tolist(), values.mean(axis=0).tolist(), strict=True))
    return plots.thinned(points)[0]


# Each figure of an experiment by the end of its file's name, in the order of the page.
FIGURES: dict[str, Callable[[list[Line], str], Figure]] = {
    "errors": errors,
    "curves": curves,
    "costs": costs,
}

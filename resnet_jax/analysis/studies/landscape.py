"""The loss around trained parameters along random directions, and between two trained networks.

Li et al., 'Visualizing the Loss Landscape of Neural Nets', arXiv 1712.09913, section 4: each filter
of a random direction gets the norm of the network's own filter, so that networks whose weights
differ in scale can be compared. Biases and the parameters of norms do not move.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
from jaxtyping import Array, Float
from matplotlib.figure import Figure

from resnet_jax.analysis.subject import Subject, Tree, evaluator, logits
from resnet_jax.reporting.drawing import STYLE
from resnet_jax.reporting.findings import Findings
from resnet_jax.tables import UserError
from resnet_jax.tables.domains import Positive, PositiveInt
from resnet_jax.training.evaluation import Evaluator


def direction(params: Tree, key: Array) -> Tree:
    """A random direction, normalised filter by filter; a filter gives one output feature."""
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))

    def normalised(leaf: Array, key: Array) -> Array:
        if leaf.ndim < 2:
            return jnp.zeros_like(leaf)
        drawn = jax.random.normal(key, leaf.shape, leaf.dtype)
        axes = tuple(range(leaf.ndim - 1))
        own, its = (jnp.sqrt((x**2).sum(axes, keepdims=True)) for x in (leaf, drawn))
        return drawn * own / jnp.maximum(its, jnp.finfo(leaf.dtype).tiny)

    return jax.tree.unflatten(structure, map(normalised, leaves, keys))


def moved(params: Tree, directions: Sequence[Tree], distances: Sequence[float]) -> Tree:
    """params + sum of distance * direction."""
    for along, distance in zip(directions, distances, strict=True):
        params = jax.tree.map(lambda leaf, d, t=distance: leaf + t * d, params, along)
    return params


def surface(
    scores: Evaluator, variables: Tree, directions: tuple[Tree, Tree], coordinates: np.ndarray
) -> Float[np.ndarray, "rows columns"]:
    """The loss at every pair of coordinates along two directions; rows go along the first."""
    move = jax.jit(moved)
    return np.array(
        [
            [
                scores({**variables, "params": move(variables["params"], directions, (a, b))})[
                    "loss"
                ]
                for b in coordinates
            ]
            for a in coordinates
        ]
    )


def line(
    scores: Evaluator, variables: Tree, along: Tree, coordinates: np.ndarray
) -> list[dict[str, float | int]]:
    """Scores at every coordinate along one direction."""
    move = jax.jit(moved)
    return [
        scores({**variables, "params": move(variables["params"], (along,), (t,))})
        for t in coordinates
    ]


def between(
    scores: Evaluator, start: Tree, end: Tree, coordinates: np.ndarray
) -> list[dict[str, float | int]]:
    """Scores of the variables (1 - t) start + t end (Goodfellow et al., arXiv 1412.6544).

    The running statistics of norms are interpolated as the parameters are.

    Raises:
      UserError: the two networks do not have the same parameters.
    """
    if jax.tree.map(jnp.shape, start) != jax.tree.map(jnp.shape, end):
        raise UserError(
            "the two runs have different networks, and there is no line from one to the other:"
            " give --other a run with the same config.model"
        )
    mix = jax.jit(lambda t: jax.tree.map(lambda a, b: (1 - t) * a + t * b, start, end))
    return [scores(mix(t)) for t in coordinates]


def study(
    subject: Subject,
    *,
    other: Subject | None = None,
    examples: PositiveInt = 500,
    points: PositiveInt = 21,
    reach: Positive = 1.0,
) -> Findings:
    """Loss on training images along a line and a plane through the parameters, and to `other`.

    Args:
      other: another run, to compare with.
      points: points on each side of the plane.
      reach: distance from the centre of the plane to its edge, in norms of the filters.
    """
    scores = evaluator(partial(logits, subject.model), subject.examples("train", examples))
    params = subject.variables["params"]
    keys = jax.random.split(jax.random.key(subject.seed), 2)
    first, second = (direction(params, key) for key in keys)
    coordinates = np.linspace(-reach, reach, points)
    plane = surface(scores, subject.variables, (first, second), coordinates)
    along = line(scores, subject.variables, first, np.linspace(-reach, reach, 2 * points - 1))
    here = scores(subject.variables)
    numbers: dict[str, Any] = {
        "examples": examples,
        "loss": here["loss"],
        "coordinates": coordinates.tolist(),
        "plane": plane.round(5).tolist(),
        "line": [point["loss"] for point in along],
    }
    figures = {
        "contour": draw_contour(plane, coordinates),
        "surface": draw_surface(plane, coordinates),
        "line": draw_line(np.linspace(-reach, reach, 2 * points - 1), along, "distance"),
    }
    low = float((plane < here["loss"] + 1).mean())
    summary = (
        f"loss {here['loss']:.3f}, at the edge of the plane {_edge(plane):.3g} in the median;"
        f" {100 * low:.0f}% of it lies less than 1 above"
    )
    if other is not None:
        places = np.linspace(-0.25, 1.25, 2 * points - 1)
        found = between(scores, subject.variables, other.variables, places)
        numbers["between"] = {"t": places.tolist(), "scores": found}
        figures["between"] = draw_line(places, found, "from one network (0) to the other (1)")
        inside = [s["loss"] for t, s in zip(places, found, strict=True) if 0 <= t <= 1]
        summary += f"; highest loss between the two networks {max(inside):.3g}"
    return Findings(numbers, figures, summary)


def _edge(plane: np.ndarray) -> float:
    return float(np.median(np.concatenate([plane[0], plane[-1], plane[:, 0], plane[:, -1]])))


def _levels(plane: np.ndarray) -> np.ndarray:
    """Levels of contours at equal ratios, since the loss spans orders of magnitude."""
    finite = plane[np.isfinite(plane)]
    low = max(float(finite.min()), 1e-3)
    return np.geomspace(low, max(float(finite.max()), 1.01 * low), 25)


def draw_contour(plane: np.ndarray, coordinates: np.ndarray) -> Figure:
    """The plane from above."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5, 4.6), layout="constrained")
        axes = figure.subplots()
        lines = axes.contour(coordinates, coordinates, plane, levels=_levels(plane), cmap="viridis",
                             linewidths=1)  # fmt: skip
        axes.clabel(lines, np.asarray(lines.levels)[::4], fontsize=7, fmt="%.2g")
        axes.plot(0, 0, "+", color="#c0504d")
        axes.set_aspect("equal")
        axes.set_title("training loss, filter-normalised directions", loc="left")
    return figure


def draw_surface(plane: np.ndarray, coordinates: np.ndarray) -> Figure:
    """The plane in three dimensions, its height on a logarithmic scale."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.4, 4.4), layout="constrained")
        axes: Any = figure.add_subplot(projection="3d")
        columns, rows = np.meshgrid(coordinates, coordinates)
        height = np.log10(np.maximum(plane, 1e-3))
        axes.plot_surface(columns, rows, height, cmap="viridis", linewidth=0.2, edgecolor="#3336")
        axes.set_zlabel("log10 of the loss")
    return figure


def draw_line(coordinates: np.ndarray, found: list[dict[str, float | int]], label: str) -> Figure:
    """Loss and error along a line."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.4, 3.2), layout="constrained")
        axes = figure.subplots()
        axes.plot(coordinates, [point["loss"] for point in found], color="#2b5c8a")
        axes.set_yscale("log")
        axes.set_xlabel(label)
        axes.set_ylabel("training loss, nats", color="#2b5c8a")
        right = axes.twinx()
        right.plot(coordinates, [100 * (1 - p["top1"]) for p in found], "--", color="#c0504d")
        right.set_ylabel("training error, %", color="#c0504d")
    return figure

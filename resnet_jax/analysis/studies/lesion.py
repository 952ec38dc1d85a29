"""How a trained network does with blocks deleted or shuffled, and which paths its gradient takes.

Veit et al., 'Residual Networks Behave Like Ensembles of Relatively Shallow Networks', arXiv
1605.06431: sections 4.1 (one block, Figure 3), 4.2 (several), 4.3 (shuffled, Figure 5) and 5 (path
lengths, Figure 6).
"""

from collections.abc import Callable
from functools import partial
from math import comb
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, Bool, Float
from matplotlib.figure import Figure
from scipy.stats import kendalltau

from resnet_jax.analysis.blocks import changed, is_plain, names, shapes
from resnet_jax.analysis.studies.gradient_flow import norm
from resnet_jax.analysis.subject import Examples, Subject, Tree, evaluator, logits
from resnet_jax.models.resnet import ResNet
from resnet_jax.reporting.drawing import STYLE
from resnet_jax.reporting.findings import Findings
from resnet_jax.tables.domains import PositiveInt


def apply_lesioned(
    model: ResNet, variables: Tree, images: Array, kept: Bool[Array, "blocks"]
) -> Array:
    """Logits of the network without some blocks.

    A deleted residual block computes its shortcut alone. A deleted plain block hands its input on;
    it can be deleted only where its output has the shape of its input.
    """

    def branch(number: int, compute: Callable[[Array], Array], x: Array) -> Array:
        return jnp.where(kept[number], compute(x), 0)

    def block(number: int, compute: Callable[[Array], Array], x: Array) -> Array:
        y = compute(x)
        return jnp.where(kept[number], y, x) if x.shape == y.shape else y

    change = {"block": block} if is_plain(model) else {"branch": branch}
    with changed(model, **change):
        return logits(model, variables, images)


def deletable(model: ResNet, variables: Tree, image_shape: tuple[int, int, int]) -> list[int]:
    """Numbers of the blocks that can be deleted."""
    found, shortcut = shapes(model, variables, image_shape), model.block.shortcut
    at_ends = not (shortcut.absent or shortcut.absent_at_ends)
    return [number for number, (x, y) in enumerate(found) if x == y or at_ends]


def shuffled(variables: Tree, model: ResNet, order: list[int]) -> Tree:
    """Variables with block `order[i]` in place i; only equal blocks of one stage change places."""
    blocks = names(model)
    result = {kind: {**tree} for kind, tree in variables.items()}
    for place, source in enumerate(order):
        if place == source:
            continue
        (stage, block), (of_stage, of_block) = blocks[place].path, blocks[source].path
        assert stage == of_stage
        for kind, tree in variables.items():
            if stage in tree:
                result[kind][stage] = {**result[kind][stage], block: tree[stage][of_block]}
    return result


def swapped(model: ResNet, swaps: int, draw: np.random.Generator) -> list[int]:
    """The order of the blocks after `swaps` random pairs of equal blocks changed places."""
    blocks = names(model)
    order = list(range(len(blocks)))
    stages = [n for n, depth in enumerate(model.stage_depths, 1) if model.alike and depth > 2]
    for _ in range(swaps if stages else 0):
        stage = draw.choice(stages)
        equal = [n for n, name in enumerate(blocks) if name.stage == stage and name.block > 1]
        first, second = draw.choice(equal, 2, replace=False)
        order[first], order[second] = order[second], order[first]
    return order


def path_lengths(blocks: int) -> Float[np.ndarray, "lengths"]:
    """The shares of all 2^blocks paths that go through 0, 1, ... branches (section 5)."""
    return np.array([comb(blocks, length) / 2**blocks for length in range(blocks + 1)])


def path_gradient(
    model: ResNet, variables: Tree, images: Array, labels: Array, through: Bool[Array, "blocks"]
) -> Array:
    """The gradient of the mean loss by the first block's input along one path (section 5).

    The forward pass is that of the whole network. In the backward pass, the blocks that `through`
    names pass the gradient through their branch alone, and the others past their branch alone. So
    the gradients of all paths add up to the gradient of the network.
    """
    given: dict[int, Array] = {}

    def branch(number: int, compute: Callable[[Array], Array], x: Array) -> Array:
        # The block itself sees x without a gradient where the path goes through the branch.
        y = compute(given[number])
        return jnp.where(through[number], y, lax.stop_gradient(y))

    def entered(number: int, compute: Callable[[Array], Array], x: Array) -> Array:
        given[number] = x
        return compute(jnp.where(through[number], lax.stop_gradient(x), x))

    def loss(shift: Array | None) -> tuple[Array, Array]:
        first: list[Array] = []

        def shifted(number: int, compute: Callable[[Array], Array], x: Array) -> Array:
            if number == 0:
                first.append(x)
                x = x if shift is None else x + shift
            return entered(number, compute, x)

        with changed(model, block=shifted, branch=branch):
            found = logits(model, variables, images)
        losses = optax.softmax_cross_entropy_with_integer_labels(found, labels)
        return losses.mean(), first[0]

    shape = jax.eval_shape(lambda: loss(None)[1])
    return jax.grad(lambda shift: loss(shift)[0])(jnp.zeros(shape.shape, shape.dtype))


def gradient_by_length(
    model: ResNet, variables: Tree, examples: Examples, paths: int, seed: int
) -> Float[np.ndarray, "lengths"]:
    """The mean norm of the gradient along random paths, for each length of a path."""
    blocks = len(names(model))
    measured = jax.jit(lambda *arguments: norm(path_gradient(model, *arguments)))
    draw = np.random.default_rng(seed)
    means = []
    for length in range(blocks + 1):
        found = []
        for _ in range(1 if length in (0, blocks) else paths):
            through = np.zeros(blocks, bool)
            through[draw.choice(blocks, length, replace=False)] = True
            found.append(float(measured(variables, *examples, through)))
        means.append(float(np.mean(found)))
    return np.array(means)


def study(
    subject: Subject,
    *,
    examples: PositiveInt = 1_000,
    draws: PositiveInt = 5,
    paths: PositiveInt = 5,
) -> Findings:
    """Test error with blocks deleted and shuffled; where blocks hand on one image, paths too.

    Args:
      draws: number of random choices of several blocks, and of random orders.
      paths: number of paths drawn for each length.
    """
    model, variables = subject.model, subject.variables
    scores = evaluator(partial(apply_lesioned, model), subject.examples("test", examples))
    blocks = names(model)
    whole = np.ones(len(blocks), bool)
    intact = scores(variables, whole)["top1"]
    candidates = deletable(model, variables, subject.image_shape)
    singles = {}
    for number in candidates:
        kept = whole.copy()
        kept[number] = False
        singles[str(blocks[number])] = scores(variables, kept)["top1"]

    draw = np.random.default_rng(subject.seed)
    several = {}
    for count in range(1, len(candidates) + 1):
        found = []
        for _ in range(draws):
            kept = whole.copy()
            kept[draw.choice(candidates, count, replace=False)] = False
            found.append(scores(variables, kept)["top1"])
        several[count] = found

    shuffles = []
    for swaps in (1, 2, 4, 8, 16, 32):
        for _ in range(draws):
            order = swapped(model, swaps, draw)
            correlation = kendalltau(order, range(len(order))).statistic
            top1 = scores(shuffled(variables, model, order), whole)["top1"]
            shuffles.append({"swaps": swaps, "kendall_tau": float(correlation), "top1": top1})

    numbers: dict[str, Any] = {
        "examples": examples,
        "top1": intact,
        "deleted": singles,
        "not_deletable": [str(b) for n, b in enumerate(blocks) if n not in candidates],
        "several_deleted": several,
        "shuffled": shuffles,
    }
    figures = {
        "single": draw_single(intact, singles, len(subject.class_names)),
        "several": draw_several(intact, several, shuffles),
    }
    if not (is_plain(model) or model.block.shortcut.carries):
        few = subject.examples("test", min(examples, 64))
        sizes = gradient_by_length(model, variables, few, paths, subject.seed)
        shares = path_lengths(len(blocks))
        numbers["paths"] = {"share": shares.tolist(), "gradient": sizes.tolist()}
        figures["paths"] = draw_paths(shares, sizes)
    inner = [top1 for name, top1 in singles.items() if not name.endswith("block1")]
    opening = [top1 for name, top1 in singles.items() if name.endswith("block1")]
    summary = (
        f"top1 {intact:.4f}; without one block, median {np.median(inner):.4f} (worst "
        f"{min(inner):.4f})"
        if inner
        else f"top1 {intact:.4f}"
    )
    if opening:
        summary += "; without a stage-opening one " + ", ".join(f"{top1:.4f}" for top1 in opening)
    return Findings(numbers, figures, summary)


def draw_single(intact: float, singles: dict[str, float], classes: int) -> Figure:
    """The error without each single block, as in Veit et al., Figure 3."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 3.6), layout="constrained")
        axes = figure.subplots()
        errors = [100 * (1 - top1) for top1 in singles.values()]
        colours = ["#c0504d" if name.endswith("block1") else "#2b5c8a" for name in singles]
        axes.bar(range(len(errors)), errors, color=colours)
        axes.axhline(100 * (1 - intact), color="#333", linewidth=1, label="whole network")
        axes.axhline(100 * (1 - 1 / classes), color="#999", linestyle=":", label="chance")
        axes.set_xticks(range(len(errors)), list(singles), rotation=90, fontsize=7)
        axes.set_ylabel("test error, %")
        axes.set_ylim(0, 100)
        axes.set_title("Without one block (red: it opens a stage)", loc="left")
        figure.legend(loc="outside right upper", frameon=False)
    return figure


def draw_several(intact: float, several: dict[int, list[float]], shuffles: list[dict]) -> Figure:
    """The error with several blocks deleted or shuffled, as in Veit et al., Figure 5."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        for count, found in several.items():
            left.plot([count] * len(found), [100 * (1 - top1) for top1 in found], ".", color="#999")
        medians = [100 * (1 - float(np.median(found))) for found in several.values()]
        left.plot(list(several), medians, color="#2b5c8a", label="median")
        left.set_xlabel("blocks deleted")
        left.set_ylabel("test error, %")
        left.legend(frameon=False)
        right.plot(
            [found["kendall_tau"] for found in shuffles],
            [100 * (1 - found["top1"]) for found in shuffles],
            ".",
            color="#2b5c8a",
        )
        right.set_xlabel("order of the blocks, Kendall's tau to their own")
        for axes in (left, right):
            axes.axhline(100 * (1 - intact), color="#333", linewidth=1)
    return figure


def draw_paths(shares: np.ndarray, sizes: np.ndarray) -> Figure:
    """Paths by their length and the gradient along them, as in Veit et al., Figure 6."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9, 3), layout="constrained")
        products = shares * sizes
        panels = (
            ("share of the paths", shares, "linear"),
            ("gradient along one path", sizes, "log"),
            ("both multiplied, its share", products / max(products.sum(), 1e-300), "linear"),
        )
        for axes, (title, values, scale) in zip(figure.subplots(1, 3), panels, strict=True):
            axes.plot(range(len(values)), values, ".-", color="#2b5c8a")
            axes.set_yscale(scale)
            axes.set_title(title, loc="left")
            axes.set_xlabel("branches on the path")
    return figure

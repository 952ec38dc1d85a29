"""What each block costs: parameters, arithmetic, memory traffic, activations and measured time."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
from jaxtyping import Array
from matplotlib.figure import Figure

from resnet_jax.analysis import counts
from resnet_jax.analysis.blocks import names, shapes
from resnet_jax.analysis.subject import Subject, Tree, evaluator, logits
from resnet_jax.models.residual import ResidualBlock
from resnet_jax.models.resnet import ResNet
from resnet_jax.reporting.drawing import STYLE
from resnet_jax.reporting.findings import Findings
from resnet_jax.tables.domains import PositiveInt


class BlockCost(NamedTuple):
    """The costs of a block, of the stem or of the head.

    Attributes:
      parameters: number of trained values.
      flops: arithmetic for one image; a multiply-add counts as two, see counts.Layer.
      activation_bytes: bytes of its layers' outputs for one image.
      traffic_bytes: bytes that the compiled forward pass reads and writes for one image, with that
        image's share of reading the parameters; None where it was not compiled alone.
      seconds: time of the forward pass for one image of a batch; None where it was not measured.
    """

    name: str
    parameters: int
    flops: int
    activation_bytes: int
    traffic_bytes: float | None = None
    seconds: float | None = None


def counted(model: ResNet, image_shape: tuple[int, int, int]) -> list[BlockCost]:
    """Stem, blocks and head, with the costs that can be counted without computing anything."""
    own = {str(name) for name in names(model)}
    rows: dict[str, BlockCost] = {}
    for layer in counts.layers(model, image_shape):
        path = layer.name.split("/")
        block = "/".join(path[:2])
        if block not in own:
            # What a stage has around its blocks, as the norm before them, counts in the first.
            block = f"{path[0]}/block1" if path[0].startswith("stage") else path[0]
            block = "stem" if block.startswith("stem") else block
            block = "head" if block.startswith("head") else block
        row = rows.get(block, BlockCost(block, 0, 0, 0))
        rows[block] = row._replace(
            parameters=row.parameters + layer.parameters,
            flops=row.flops + layer.flops,
            activation_bytes=row.activation_bytes + layer.output_bytes,
        )
    return list(rows.values())


def measured(
    model: ResNet,
    variables: Tree,
    image_shape: tuple[int, int, int],
    batch_size: int,
    repeats: int = 5,
) -> list[BlockCost]:
    """Stem, blocks and head, with memory traffic and time of every block on this machine.

    Each block runs alone. Equal blocks are compiled and timed once: `repeats` times, of which the
    median counts.
    """
    modules = _modules(model, variables, image_shape)
    compiled: dict[Any, tuple[float, float]] = {}
    rows = []
    for row in counted(model, image_shape):
        if row.name in modules:
            block, shape = modules[row.name]
            kind: Any = (row.name.split("/")[0], row.name.endswith("block1"))
            kind = kind if model.alike else row.name
            if kind not in compiled:
                own = _variables_of(variables, row.name)
                compiled[kind] = _timed(block, own, (batch_size, *shape), repeats)
            traffic, seconds = compiled[kind]
            row = row._replace(traffic_bytes=traffic / batch_size, seconds=seconds / batch_size)
        rows.append(row)
    return rows


def _modules(
    model: ResNet, variables: Tree, image_shape: tuple[int, int, int]
) -> dict[str, tuple[ResidualBlock, tuple[int, ...]]]:
    """Each block as a network of its own, and the shape of its input for one image."""
    found: list[ResidualBlock] = []

    def note(method: Any, args: Any, kwargs: Any, context: Any) -> Any:
        module = context.module
        called = isinstance(module, ResidualBlock) and context.method_name == "__call__"
        if called and len(module.path) == 2:
            found.append(module.clone(parent=None, name=None))
        return method(*args, **kwargs)

    with nn.intercept_methods(note):
        inputs = [x for x, _ in shapes(model, variables, image_shape)]
    return {
        str(name): (block, shape)
        for name, block, shape in zip(names(model), found, inputs, strict=True)
    }


def _variables_of(variables: Tree, block: str) -> Tree:
    stage, name = block.split("/")
    return {
        kind: tree[stage][name] for kind, tree in variables.items() if name in tree.get(stage, {})
    }


def _timed(
    block: ResidualBlock, variables: Tree, shape: tuple[int, ...], repeats: int
) -> tuple[float, float]:
    x = jnp.ones(shape, block.layers.dtype)
    compiled = jax.jit(block.apply).lower(variables, x).compile()
    analysis: Any = compiled.cost_analysis()
    seconds = _median(lambda: compiled(variables, x), repeats)
    return float(analysis["bytes accessed"]), seconds


def _median(call: Callable[[], Array], repeats: int) -> float:
    jax.block_until_ready(call())
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(call())
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def study(subject: Subject, *, examples: PositiveInt = 128) -> Findings:
    """The table of one network, its blocks timed on `examples` images at once, and its test top-1.

    Args:
      examples: number of images.
    """
    model, variables = subject.model, subject.variables
    rows = measured(model, variables, subject.image_shape, examples)
    scores = evaluator(partial(logits, model), subject.examples("test", 1_000))(variables)
    totals = {
        column: sum(getattr(row, column) for row in rows)
        for column in ("parameters", "flops", "activation_bytes")
    }
    seconds = sum(row.seconds or 0 for row in rows)
    numbers = {
        "batch": examples,
        "platform": jax.devices()[0].device_kind,
        "top1": scores["top1"],
        **totals,
        "seconds_in_blocks": seconds,
        "blocks": [row._asdict() for row in rows],
    }
    return Findings(
        numbers,
        {"blocks": draw(rows)},
        f"{totals['parameters']:,} parameters, {totals['flops'] / 1e6:,.1f} MFLOPs and"
        f" {1e3 * seconds:.3g} ms in the blocks for an image, top1 {scores['top1']:.4f}",
    )


def draw(rows: list[BlockCost]) -> Figure:
    """A panel for each column of the table."""
    panels = {
        "parameters": ("parameters, thousands", 1e-3),
        "flops": ("MFLOPs", 1e-6),
        "activation_bytes": ("activations, kB", 1e-3),
        "traffic_bytes": ("memory traffic, kB", 1e-3),
        "seconds": ("time, µs", 1e6),
    }
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10, 0.9 + 0.2 * len(rows)), layout="constrained")
        every = figure.subplots(1, len(panels), sharey=True)
        for axes, (column, (title, scale)) in zip(every, panels.items(), strict=True):
            values = [(getattr(row, column) or 0) * scale for row in rows]
            axes.barh(range(len(rows)), values, color="#2b5c8a")
            axes.set_title(title, loc="left", fontsize=8)
        every[0].set_yticks(range(len(rows)), [row.name for row in rows], fontsize=6)
        every[0].invert_yaxis()
    return figure

"""The table of a plan, and the figure of its weak scaling."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax

from resnet_jax.planning import slices
from resnet_jax.planning.scaling import CompiledStep, Prediction, predict
from resnet_jax.planning.slices import Slice

MEGA, GIGA = 1e6, 1e9
COLUMNS = ("slice", "images", "a chip", "memory GB", "of GB", "GFLOP", "GB moved", "MB reduced",
           "arithmetic ms", "memory ms", "sums ms", "step ms", "images/s", "hours", "efficiency",
           "figures")  # fmt: skip


def table(rows: Sequence[Prediction], hours: Callable[[Prediction], float]) -> str:
    """A Markdown table with a line for each slice and batch."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    for row in rows:
        cells = [
            row.slice,
            f"{row.batch:,}",
            f"{row.images:,}",
            f"{row.memory / GIGA:.1f}" + ("" if row.fits else " (too much)"),
            f"{row.capacity / GIGA:.1f}",
            f"{row.flops / GIGA:,.0f}",
            f"{row.bytes / GIGA:.1f}",
            f"{row.reduced / MEGA:.0f}",
            f"{1e3 * row.arithmetic_time:.1f}",
            f"{1e3 * row.memory_time:.1f}",
            f"{1e3 * row.communication_time:.2f}",
            f"{1e3 * row.step_time:.1f}",
            f"{row.images_per_second:,.0f}",
            f"{hours(row):.2f}",
            f"{row.efficiency:.3f}",
            "compiled" if row.compiled else "predicted",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write(
    folder: Path, table: str, result: dict[str, Any], program: CompiledStep, on: Sequence[Slice]
) -> None:
    """Writes plan.md, plan.json and the weak scaling as plan.svg and plan.png."""
    folder.mkdir(parents=True, exist_ok=True)
    caption = f"compiled for {program.slice}, {program.images} images a chip; jax {jax.__version__}"
    (folder / "plan.md").write_text(f"{table}\n\n{caption}\n")
    (folder / "plan.json").write_text(json.dumps(result, indent=1) + "\n")
    figure(folder, program, sorted({slice_.generation for slice_ in on}))


# Slices that Google rents, by the dimensions of their grid, from one chip to most of a pod.
SIZES = {
    2: ["1x1", "2x2", "2x4", "4x4", "4x8", "8x8", "8x16", "16x16"],
    3: ["1x1x1", "2x2x1", "2x2x2", "2x2x4", "2x4x4", "4x4x4", "4x4x8", "4x8x8"],
}


def figure(folder: Path, program: CompiledStep, generations: Sequence[str]) -> None:
    """Predicted efficiency over the number of chips, at several batches a chip."""
    from matplotlib.figure import Figure

    from resnet_jax.reporting.drawing import as_png, as_svg

    drawing = Figure(figsize=(4.2 * len(generations), 3.4), layout="constrained")
    axes = drawing.subplots(1, len(generations), sharey=True, squeeze=False)[0]
    for axis, generation in zip(axes, generations, strict=True):
        sizes = SIZES[slices.CHIPS[generation].axes]
        shapes = [slices.parse(f"{generation}:{size}") for size in sizes]
        for images in (16, 32, 64, 128, 256):
            rows = [predict(program, shape, images * shape.chips) for shape in shapes]
            axis.plot(
                [row.chips for row in rows],
                [row.efficiency for row in rows],
                marker="o",
                markersize=3,
                label=f"{images} a chip" + ("" if rows[0].fits else ", does not fit"),
            )
        axis.set(title=generation, xlabel="chips", xscale="log", ylim=(0, 1.03))
        axis.set_xticks([s.chips for s in shapes], [str(s.chips) for s in shapes])
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("predicted weak-scaling efficiency")
    axes[-1].legend(fontsize="small")
    (folder / "plan.png").write_bytes(as_png(drawing))
    (folder / "plan.svg").write_text(as_svg(drawing))

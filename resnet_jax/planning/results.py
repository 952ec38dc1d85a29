"""What a plan prints and writes: tables of predictions and kernels, and the weak scaling."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from resnet_jax.planning import calibration, hardware
from resnet_jax.planning.calibration import on_card
from resnet_jax.planning.cards import Cards
from resnet_jax.planning.costly import Costly
from resnet_jax.planning.hardware import Hardware
from resnet_jax.planning.kernels import Kernel
from resnet_jax.planning.scaling import CompiledStep, Prediction, predict

MEGA, GIGA = 1e6, 1e9
COLUMNS = ("on", "images", "a chip", "memory GB", "of GB", "GFLOP", "GB moved", "MB summed",
           "arithmetic ms", "memory ms", "sums ms", "step ms", "images/s", "hours", "efficiency",
           "figures")  # fmt: skip


def table(rows: Sequence[Prediction], hours: Callable[[Prediction], float]) -> str:
    """A Markdown table with a line for each hardware and batch."""
    return _markdown(
        COLUMNS,
        (
            (
                row.on,
                f"{row.batch:,}",
                f"{row.images:,}",
                f"{row.memory / GIGA:.1f}" + ("" if row.fits else " (too much)"),
                f"{row.capacity / GIGA:.1f}",
                f"{row.flops / GIGA:,.0f}",
                f"{row.bytes / GIGA:.1f}",
                f"{row.summed / MEGA:.0f}",
                f"{1e3 * row.arithmetic_time:.1f}",
                f"{1e3 * row.memory_time:.1f}",
                f"{1e3 * row.communication_time:.2f}",
                f"{1e3 * row.step_time:.1f}",
                f"{row.images_per_second:,.0f}",
                f"{hours(row):.2f}",
                f"{row.efficiency:.3f}",
                "compiled" if row.compiled else "predicted",
            )
            for row in rows
        ),
    )


def details(program: CompiledStep, compiler: str | None) -> str:
    """A compiled step: its collectives, and of a GPU's its kernels and what is costly in it.

    Kernels of one name and the same types share a line, the longest of them first.

    Args:
      compiler: that made it, and its version.
    """
    parts = [
        f"compiled for {program.on}, {program.images} images a chip; jax {jax.__version__},"
        f" {compiler or 'a compiler that is gone'}"
    ]
    on = hardware.parse(program.on)
    if isinstance(on, Cards):
        groups = defaultdict(list)
        for kernel in program.kernels:
            groups[kernel.name, kernel.reads or "-", kernel.writes].append(kernel)
        times = {key: on_card(on.chip, group).step for key, group in groups.items()}
        longest = sorted(times, key=lambda key: times[key], reverse=True)
        rows = [_line(key, groups[key], times[key]) for key in longest]
        parts.append(_markdown(("kernel", "reads", "writes", "a step", "GFLOP", "GB", "ms"), rows))
        parts.append("costly on a GPU: " + (_costly(program.costly) or "nothing"))
    kinds = {each.kind for each in program.collectives}
    exchanged = [[each for each in program.collectives if each.kind == kind] for kind in kinds]
    parts.append(
        _markdown(
            ("collective", "a step", "arrays", "MB", "largest MB"),
            (
                (
                    same[0].kind,
                    str(len(same)),
                    str(sum(each.arrays for each in same)),
                    f"{sum(each.bytes for each in same) / MEGA:.3f}",
                    f"{max(each.bytes for each in same) / MEGA:.3f}",
                )
                for same in sorted(exchanged)
            ),
        )
    )
    return "\n\n".join(parts)


def _costly(found: Sequence[Costly]) -> str:
    """'53 x f32 convolution (the first: f32[...] jit(step)/...); 1 x scatter ...'."""
    first = {each.what: each.where for each in reversed(found)}
    counted = Counter(each.what for each in found)
    return "; ".join(f"{n} x {what} (the first: {first[what]})" for what, n in counted.items())


def _line(key: tuple[str, str, str], kernels: Sequence[Kernel], seconds: float) -> tuple[str, ...]:
    return (
        *key,
        f"{sum(kernel.count for kernel in kernels)}",
        f"{sum(kernel.count * kernel.flops for kernel in kernels) / GIGA:,.0f}",
        f"{sum(kernel.count * kernel.bytes for kernel in kernels) / GIGA:.2f}",
        f"{1e3 * seconds:.2f}",
    )


def _markdown(columns: Sequence[str], rows: Any) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def accuracy(on: Hardware) -> str:
    """How far predicted times lay from those that were measured."""
    if isinstance(on, Cards):
        errors, fitted, others = calibration.CARD_ERRORS, "three steps of an H200", "six others"
    else:
        errors, fitted, others = (
            calibration.CHIP_ERRORS,
            "one published run on TPU v4",
            "six others",
        )
    least, greatest, mean = errors
    return (
        f"step ms is fitted to {fitted}; {others} it missed by {least:+.0%} to {greatest:+.0%},"
        f" {mean:.0%} on average (experiments/scaling)"
    )


def write(
    folder: Path,
    text: str,
    result: dict[str, Any],
    programs: Mapping[str, CompiledStep],
    on: Sequence[Hardware],
) -> None:
    """Writes plan.md, plan.json and the weak scaling as plan.svg and plan.png.

    Args:
      programs: the compiled step of each make of chip in `on`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plan.md").write_text(f"{text}\n")
    (folder / "plan.json").write_text(json.dumps(result, indent=1) + "\n")
    makes = {each.name: each for each in on}
    figure(folder, programs, [makes[name] for name in sorted(makes)])


def figure(folder: Path, programs: Mapping[str, CompiledStep], makes: Sequence[Hardware]) -> None:
    """Predicted efficiency over the number of chips, at several batches a chip."""
    from matplotlib.figure import Figure

    from resnet_jax.reporting.drawing import as_png, as_svg

    drawing = Figure(figsize=(4.2 * len(makes), 3.4), layout="constrained")
    axes = drawing.subplots(1, len(makes), sharey=True, squeeze=False)[0]
    for axis, make in zip(axes, makes, strict=True):
        shapes = hardware.sizes(make)
        for images in (16, 32, 64, 128, 256):
            rows = [predict(programs[make.name], shape, images * shape.chips) for shape in shapes]
            axis.plot(
                [row.chips for row in rows],
                [row.efficiency for row in rows],
                marker="o",
                markersize=3,
                label=f"{images} a chip" + ("" if rows[0].fits else ", does not fit"),
            )
        axis.set(title=make.name, xlabel="chips", xscale="log", ylim=(0, 1.03))
        axis.set_xticks([s.chips for s in shapes], [str(s.chips) for s in shapes])
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("predicted weak-scaling efficiency")
    axes[-1].legend(fontsize="small")
    (folder / "plan.png").write_bytes(as_png(drawing))
    (folder / "plan.svg").write_text(as_svg(drawing))

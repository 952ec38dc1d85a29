"""Accuracy against seconds and against arithmetic: our runs beside the published records.

    python experiments/record/compare.py --runs='runs/record/*'

Reads the metrics of finished runs, such as those of cifar10_94, cifar10_96, cifar10_fast and
cifar10, and writes compare.json, .md, .svg and .png to --out. Seconds are of the machine that a run
was on, which the table names; those of the published records are of one A100.
"""

import glob
import json
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
from absl import flags
from matplotlib.figure import Figure

from resnet_jax.verbs.launch import launch

FLAGS = flags.FlagValues()
RUNS = flags.DEFINE_list(
    "runs", ["runs/record/*"], "Folders of runs, or patterns.", flag_values=FLAGS
)
OUT = flags.DEFINE_string(
    "out", str(Path(__file__).parent / "results"), "Folder of the results.", flag_values=FLAGS
)
A100 = "NVIDIA A100"


class Point(NamedTuple):
    """An evaluation: what had been spent, and what it came to.

    Attributes:
      top1: in percent; of a published figure the mean of its runs.
      seconds: of training, without compiling and without evaluations.
      with_compiling: the same with compiling; None of published figures.
      pflop: 10^15 operations of training.
    """

    name: str
    machine: str
    top1: float
    seconds: float
    with_compiling: float | None
    pflop: float


# README.md of KellerJordan/cifar10-airbench; their seconds hold the last evaluation as well.
PUBLISHED = [
    Point("airbench94", A100, 94.01, 3.83, None, 0.36),
    Point("airbench94, compiled", A100, 94.01, 3.09, None, 0.36),
    Point("airbench94 with Muon", A100, 94.01, 2.59, None, 0.29),
    Point("airbench95", A100, 95.01, 10.4, None, 1.4),
    Point("airbench96", A100, 96.03, 34.7, None, 4.9),
    Point("airbench96, faster", A100, 96.00, 27.3, None, 3.1),
    Point("ResNet-18, standard training", A100, 96.0, 420.0, None, 32.3),
]


def points(workdir: Path) -> list[Point]:
    """The evaluations of a run."""
    from resnet_jax.analysis.counts import PASSES
    from resnet_jax.assembly import Assembly, environment, run_folder
    from resnet_jax.reporting.metrics_file import read_lines
    from resnet_jax.reporting.timing import spent
    from resnet_jax.sweeps.costs import of_assembly

    assembly = Assembly(run_folder.load(workdir), known=run_folder.known(workdir))
    flops = PASSES * assembly.batch_size * of_assembly(assembly).flops
    machines, start = ", ".join(environment.devices_of(workdir)), environment.first_step(workdir)
    return [
        Point(workdir.name, machines, 100 * one.top1, one.training,
              one.training + one.compiling, flops * (one.step - start) / 1e15)
        for one in spent(read_lines(workdir / "metrics.jsonl"), assembly.batch_size, start)
    ]  # fmt: skip


def table(found: list[Point]) -> str:
    """The points in Markdown."""
    lines = [
        "| | machine | test top-1 % | s of training | with compiling | PFLOP |",
        "|---" * 6 + "|",
    ]
    for point in found:
        compiled = "" if point.with_compiling is None else f"{point.with_compiling:.2f}"
        numbers = f"{point.top1:.2f}", f"{point.seconds:.2f}", compiled, f"{point.pflop:.3g}"
        lines.append(f"| {' | '.join((point.name, point.machine, *numbers))} |")
    return "\n".join(lines) + "\n"


def draw(runs: dict[str, list[Point]]) -> Figure:
    """The curves of runs, and the published records as points."""
    from resnet_jax.reporting.drawing import STYLE, PlainNumbers

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10, 4.2), layout="constrained")
        axes = figure.subplots(1, 2, sharey=True)
        for side, of, label in zip(
            axes, ("seconds", "pflop"), ("seconds of training", "PFLOP of training"), strict=True
        ):
            for name, curve in runs.items():
                xs = [getattr(point, of) for point in curve]
                side.plot(xs, [point.top1 for point in curve], ".-", linewidth=1.2, label=name)
            for point, marker in zip(PUBLISHED, "*PXDsv^", strict=True):
                place = getattr(point, of), point.top1
                side.plot(*place, marker, color="#c0504d", markersize=7, label=point.name)
            side.set_xscale("log")
            side.xaxis.set_major_formatter(PlainNumbers())
            side.set_xlabel(label)
            side.set_ylim(85, 97)
        axes[0].set_ylabel("test top-1 %")
        axes[0].set_title("Red: published, on one A100", loc="left")
        handles = axes[0].get_legend_handles_labels()
        figure.legend(*handles, loc="outside lower center", ncols=4, frameon=False, fontsize=7)
    return figure


def main() -> dict[str, Any]:
    """Writes table and picture, and returns how many runs they show."""
    from resnet_jax.reporting.drawing import as_png, as_svg
    from resnet_jax.reporting.files import replace

    folders = [Path(name) for pattern in RUNS.value for name in sorted(glob.glob(pattern))]
    found = {
        folder.name: points(folder) for folder in folders if (folder / "metrics.jsonl").exists()
    }
    runs = {name: curve for name, curve in found.items() if curve}
    out = Path(OUT.value)
    figure, last = draw(runs), [curve[-1] for curve in runs.values()]
    replace(out / "compare.svg", as_svg(figure))
    replace(out / "compare.png", as_png(figure))
    replace(out / "compare.md", table([*last, *PUBLISHED]))
    numbers = {name: [point._asdict() for point in curve] for name, curve in runs.items()}
    replace(out / "compare.json", json.dumps(numbers, indent=1) + "\n")
    return {"runs": len(runs), "file": str(out / "compare.md")}


if __name__ == "__main__":
    import sys

    launch(sys.modules[__name__])

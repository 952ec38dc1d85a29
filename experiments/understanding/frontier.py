"""What a network keeps of its accuracy when it is made smaller, by every way and to several sizes.

    python experiments/understanding/frontier.py --workdir=RUN

Writes frontier.json, .md and .svg to --out, after each way; those that the file has already, of the
same network, are not taken again.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from absl import flags

from resnet_jax.verbs import shared_flags
from resnet_jax.verbs.launch import launch

FLAGS = flags.FlagValues()
OUT = flags.DEFINE_string(
    "out", str(Path(__file__).parent / "results"), "Folder of the results.", flag_values=FLAGS
)
EXAMPLES = flags.DEFINE_integer(
    "examples", 10_000, "Test images that tell the accuracy.", flag_values=FLAGS
)
STEPS = flags.DEFINE_integer(
    "steps", 1_000, "Updates after each pruning; twice as many to distil.", flag_values=FLAGS
)
TRAINED = shared_flags.Trained(FLAGS)

COSTS = {"parameters": "parameters", "flops": "FLOPs", "packed_bytes": "bytes, packed"}


class Way(NamedTuple):
    """A method of compression and its options."""

    method: str
    options: dict[str, Any]

    def __str__(self) -> str:
        return " ".join([self.method, *(f"{key}={value}" for key, value in self.options.items())])


def ways(steps: int) -> list[Way]:
    """From little to much."""
    updates = {"steps": steps, "rate": 0.02}
    return [
        Way("fold", {}),
        Way("int8", {}),
        Way("int8_aware", {"steps": steps // 4}),
        *(Way("magnitude", {"kept": kept, **updates}) for kept in (0.5, 0.25, 0.125, 0.0625)),
        *(Way("structured", {"kept": kept, **updates}) for kept in (0.75, 0.5, 0.25)),
        *(Way("distil", {"depths": depths, "steps": 2 * steps}) for depths in (2, 1)),
    ]


def measure(
    taken: list[Way],
    figures: Callable[[Way | None], dict[str, Any]],
    write: Callable[[dict[str, Any]], None],
    known: dict[str, Any],
) -> dict[str, Any]:
    """Returns the figures before, and after each way.

    Args:
      figures: of the network after a way; None is before.
      write: called after each way with what there is.
      known: what an earlier call returned, or nothing; of a network with another loss it does not
        count.
    """
    before = figures(None)
    if known.get("before", {}).get("loss") != before["loss"]:
        known = {"before": before, "after": {}}
    for way in taken:
        if str(way) not in known["after"]:
            known["after"][str(way)] = {"method": way.method, **figures(way)}
            write(known)
    return known


def table(found: dict[str, Any]) -> str:
    """Accuracy, and by how much each cost is less."""
    before = found["before"]
    lines = [
        "| | top-1 | points lost | parameters | FLOPs | bytes of the file | packed | ms an image |",
        "|---|---|---|---|---|---|---|---|",
        f"| before | {before['top1']:.4f} | | {before['parameters']:,} | {before['flops']:,}"
        f" | {before['bytes']:,} | {before['packed_bytes']:,} | {before['milliseconds']:.1f} |",
    ]
    for name, after in found["after"].items():
        lost = 100 * (before["top1"] - after["top1"])
        less = [
            f"{before[cost] / after[cost]:.2f}x"
            for cost in ("parameters", "flops", "bytes", "packed_bytes")
        ]
        cells = [name, f"{after['top1']:.4f}", f"{lost:.2f}", *less, f"{after['milliseconds']:.1f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def draw(found: dict[str, Any]) -> Any:
    """Top-1 against each cost; dotted lines mark a point less and a quarter of the cost."""
    import matplotlib
    import matplotlib.pyplot as plt

    from resnet_jax.reporting.drawing import STYLE

    before, methods = found["before"], {after["method"] for after in found["after"].values()}
    with matplotlib.rc_context(STYLE):
        figure, row = plt.subplots(1, len(COSTS), figsize=(10, 3.4), sharey=True,
                                   layout="constrained")  # fmt: skip
        for axes, (cost, words) in zip(row, COSTS.items(), strict=True):
            for method in sorted(methods):
                points = sorted(
                    (after[cost] / before[cost], 100 * after["top1"])
                    for after in found["after"].values()
                    if after["method"] == method
                )
                axes.plot(*zip(*points, strict=True), "o-", label=method, markersize=4)
            axes.axhline(100 * before["top1"], color="#222222", linewidth=1)
            axes.axhline(100 * before["top1"] - 1, color="#222222", linewidth=1, linestyle=":")
            axes.axvline(0.25, color="#222222", linewidth=1, linestyle=":")
            axes.set_xscale("log", base=2)
            axes.set_xticks([1, 1 / 2, 1 / 4, 1 / 8, 1 / 16], ["1", "1/2", "1/4", "1/8", "1/16"])
            axes.set_xlabel(f"share of the {words}")
        row[0].set_ylabel("test top-1, %")
        row[-1].legend(frameon=False, fontsize=8)
    return figure


def main() -> dict[str, Any]:
    """Measures and writes."""
    from resnet_jax.compression import methods
    from resnet_jax.reporting.drawing import as_svg

    folder = Path(OUT.value)
    path = folder / "frontier.json"
    network = TRAINED.load()
    subject, data = network.subject(), network.assembly.train_data

    def figures(way: Way | None) -> dict[str, Any]:
        found = methods.original(subject)
        if way is not None:
            found = methods.METHODS[way.method](subject, data, **way.options)
        measured = methods.figures(found, subject, EXAMPLES.value)
        print(way or "before", measured, flush=True)
        return measured

    def write(found: dict[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found, indent=1) + "\n")
        path.with_suffix(".md").write_text(table(found))
        path.with_suffix(".svg").write_text(as_svg(draw(found)))

    known = json.loads(path.read_text()) if path.exists() else {}
    found = measure(ways(STEPS.value), figures, write, known)
    return {"file": str(path), "ways": len(found["after"])}


if __name__ == "__main__":
    launch(sys.modules[__name__])

"""Table and figure of what compare.py measured."""

import json
from pathlib import Path
from typing import Any


def write(figures: dict[str, Any], folder: Path) -> None:
    """Writes throughput.json, throughput.md and throughput.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "throughput.json").write_text(json.dumps(figures, indent=1) + "\n")
    (folder / "throughput.md").write_text(table(figures))
    draw(figures["results"], folder / "throughput.svg")


def table(figures: dict[str, Any]) -> str:
    """One table for each machine that measured, which its last line names."""
    machines: dict[tuple[str, int, str], dict[str, Any]] = {}
    for work, result in figures["results"].items():
        machine = result["machine"]
        key = machine["processor"], machine["cores"], machine["system"]
        machines.setdefault(key, {})[work] = result
    return "\n".join(_table(results, *machine) for machine, results in machines.items())


def _table(results: dict[str, Any], processor: str, cores: int, system: str) -> str:
    lines = [
        "| work | side | median | this project's / its: median (least-most) | share of peak"
        " | peak memory, GB |",
        "|---|---|---|---|---|---|",
    ]
    for work, result in results.items():
        for number, (side, median) in enumerate(result["median"].items()):
            ratios = result["ratios"].get(side)
            ratio = ""
            if ratios:
                ratio = f"{result['ratio'][side]:.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
            facts = result["facts"].get(next(iter(result["median"])), {})
            share = ""
            if "peak" in facts:
                share = f"{median * facts['flops'] / facts['peak']:.0%}"
            name = work if number == 0 else ""
            digits = 1 if median > 20 else 2
            peak = result.get("peak_memory", {}).get(side)
            memory = f"{peak / 1e9:.2f}" if peak else ""
            lines.append(
                f"| {name} | {side} | {median:,.{digits}f} {result['unit']} | {ratio} | {share}"
                f" | {memory} |"
            )
    lines.append(
        f"\n{cores} cores of {processor}, {system}; {rounds(results)} rounds; {versions(results)}."
    )
    return "\n".join(lines) + "\n"


def rounds(results: dict[str, Any]) -> str:
    counts = {len(values) for result in results.values() for values in result["measured"].values()}
    return " or ".join(map(str, sorted(counts)))


def versions(results: dict[str, Any]) -> str:
    found = {
        f"{name} {version}"
        for result in results.values()
        for facts in result["facts"].values()
        for name, version in facts.get("versions", {}).items()
    }
    return ", ".join(sorted(found))


def _short(processor: str) -> str:
    """The maker and the family: 'Intel Xeon' of 'Intel(R) Xeon(R) Processor'."""
    return processor.replace("(R)", "").replace(" Processor", "")


def draw(results: dict[str, Any], path: Path) -> None:
    """A bar for each ratio of images a second, and a line where the sides are equal."""
    import matplotlib.pyplot as plt

    bars = [
        (
            f"{work}\nover {side}, {_short(result['machine']['processor'])}",
            result["ratio"][side],
            result["ratios"][side],
        )
        for work, result in results.items()
        if result["unit"] == "images/s"
        for side in result["ratio"]
    ]
    if not bars:
        return
    figure, axes = plt.subplots(figsize=(8, 0.6 * len(bars) + 1), layout="constrained")
    names, medians, ratios = zip(*reversed(bars), strict=True)
    axes.barh(names, medians, color="#4477aa")
    for place, values in enumerate(ratios):
        axes.plot(values, [place] * len(values), "o", color="#222222", markersize=3)
    axes.axvline(1, color="#222222", linewidth=1)
    axes.set_xscale("log", base=2)
    ticks = (0.5, 1, 2, 4)
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.margins(y=0.01)
    axes.set_xlabel("images/s, times the other's (dots: rounds)")
    figure.savefig(path)

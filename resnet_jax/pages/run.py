"""A run's page: everything that tells what it did, in one HTML file."""

import json
import os
from pathlib import Path
from typing import Any

import jax
import matplotlib
from matplotlib.figure import Figure

from resnet_jax.analysis.studies import cost, generalisation, gradient_flow
from resnet_jax.analysis.subject import Subject
from resnet_jax.assembly import Assembly, keys, restored, run_folder
from resnet_jax.reporting import markup as html
from resnet_jax.reporting.drawing import STYLE, as_png, as_svg
from resnet_jax.reporting.findings import Findings
from resnet_jax.reporting.metrics_file import read_lines

# Images of a figure that shows pictures are smaller as PNG, all other figures are sharper as SVG.
PICTURES = ("worst",)


def write_if_wanted(workdir: Path) -> Path | None:
    """Writes the page where the run's configuration asks for it.

    A run of several processes is left to `python -m resnet_jax report`, for which one is enough.
    """
    wanted = Assembly(run_folder.load(workdir)).writes_page
    return write(workdir) if wanted and jax.process_count() == 1 else None


def write(workdir: Path) -> Path:
    """Writes report.html from the newest checkpoint, the metrics and earlier findings of a run.

    Raises:
      UserError: there is no run, or it has no checkpoint yet.
    """
    network = restored.load(workdir)
    assert network.step is not None
    lines = read_lines(workdir / "metrics.jsonl")
    text = page(
        workdir.resolve().name,
        network.step,
        network.subject(),
        lines,
        json.loads((workdir / "config.json").read_text()),
        earlier_findings(workdir / "analysis"),
    )
    path = workdir / "report.html"
    draft = path.with_suffix(".tmp")
    draft.write_text(text)
    os.replace(draft, path)
    return path


def page(
    name: str,
    step: int,
    network: Subject,
    lines: list[dict[str, Any]],
    config: dict[str, Any],
    findings: list[tuple[str, str, list[str]]],
) -> str:
    """Returns the page.

    Args:
      lines: of metrics.jsonl.
      config: of the run, nested.
      findings: name, summary and SVG figures of analyses that were made before.
    """
    mistakes = generalisation.study(network, examples=1_000, corrupted=0)
    flow = gradient_flow.study(
        network._replace(checkpoints={step: lambda: network.variables}), twins_too=False
    )
    rows = cost.counted(network.model, network.image_shape)
    parts = [
        html.paragraphs([f"The run after {step:,} updates."]),
        _section("Result", html.table(("figure", "value"), _results(lines))),
        _section("Curves", html.figure(as_svg(draw_curves(lines)), "loss and accuracy by update")),
        _section("Mistakes", html.paragraphs([f"{mistakes.summary}."]) + _figures(mistakes)),
        _section("Gradient flow", html.paragraphs([f"{flow.summary}."]) + _figures(flow)),
        _section(
            "Cost of a forward pass, for one image",
            html.table(
                ("block", "parameters", "MFLOPs", "activations, kB"),
                [
                    (row.name, f"{row.parameters:,}", f"{row.flops / 1e6:,.2f}",
                     f"{row.activation_bytes / 1e3:,.1f}")
                    for row in rows
                ],
            ),
        ),
    ]  # fmt: skip
    for analysis, summary, svgs in findings:
        drawn = "".join(html.figure(svg, analysis) for svg in svgs)
        parts.append(_section(analysis.replace("_", " "), html.paragraphs([summary]) + drawn))
    flat = keys.flatten(config)
    table = html.table(("key", "value"), [(key, json.dumps(flat[key])) for key in sorted(flat)])
    parts.append(f"<details><summary>Configuration, {len(flat)} keys</summary>{table}</details>\n")
    return html.document(name, "".join(parts))


def earlier_findings(folder: Path) -> list[tuple[str, str, list[str]]]:
    """Name, summary and SVG figures of every analysis in the folder."""
    return [
        (
            path.stem,
            json.loads(path.read_text())["summary"],
            [figure.read_text() for figure in sorted(folder.glob(f"{path.stem}-*.svg"))],
        )
        for path in sorted(folder.glob("*.json"))
    ]


def _section(title: str, content: str) -> str:
    return f"<section><h2>{html.escape(title)}</h2>\n{content}</section>\n"


def _figures(found: Findings) -> str:
    return "".join(
        html.figure(as_png(figure) if name in PICTURES else as_svg(figure), name)
        for name, figure in found.figures.items()
    )


def _last(lines: list[dict[str, Any]], name: str) -> Any:
    return next((line[name] for line in reversed(lines) if name in line), None)


def _results(lines: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The last value of every metric."""
    names = sorted({name for line in lines for name in line} - {"step"})
    return [(name, f"{_last(lines, name):.6g}") for name in names]


def draw_curves(lines: list[dict[str, Any]]) -> Figure:
    """Loss and error of training and test over the updates."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 3.4), layout="constrained")
        for axes, measure in zip(figure.subplots(1, 2), ("loss", "top1"), strict=True):
            for split, colour, style in (("train", "#9db7d5", "-"), ("eval", "#c0504d", ".-")):
                found = [
                    (line["step"], line[f"{split}/{measure}"])
                    for line in lines
                    if f"{split}/{measure}" in line
                ]
                if found:
                    axes.plot(*zip(*found, strict=True), style, color=colour, label=split)
            axes.set_xlabel("updates")
            axes.set_title(measure, loc="left")
            axes.legend(frameon=False)
    return figure

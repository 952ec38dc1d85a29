"""The sections of a run's page: each is a function of the run, and a row of SECTIONS."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib
from matplotlib.figure import Figure

from resnet_jax.analysis.studies import cost, generalisation, gradient_flow
from resnet_jax.analysis.subject import Subject
from resnet_jax.assembly import keys
from resnet_jax.reporting import markup
from resnet_jax.reporting.drawing import STYLE, as_png, as_svg
from resnet_jax.reporting.findings import Findings, WrittenFindings
from resnet_jax.training.metrics import METRICS, Metric, in_brief


class Outcome(NamedTuple):
    """What is known of a run that has trained.

    Attributes:
      step: updates that the network has had.
      lines: of metrics.jsonl.
      config: of the run, nested.
      findings: of analyses that were made before.
      metrics: of its evaluations.
      environments: where and with what it was computed; see assembly.environment.
    """

    step: int
    network: Subject
    lines: list[dict[str, Any]]
    config: dict[str, Any]
    findings: list[WrittenFindings]
    metrics: Mapping[str, Metric] = METRICS
    environments: Sequence[Mapping[str, Any]] = ()


def results(run: Outcome) -> str:
    """The last value of every metric."""
    names = sorted({name for line in run.lines for name in line} - {"step"})
    last = {name: value for line in run.lines for name, value in line.items()}
    return markup.table(("figure", "value"), [(name, f"{last[name]:.6g}") for name in names])


def curves(run: Outcome) -> str:
    """Metrics over the updates."""
    known = {name for line in run.lines for name in line}
    names = [name for name in in_brief(run.metrics) if known & {f"train/{name}", f"eval/{name}"}]
    if not names:
        return ""
    return markup.figure(as_svg(draw_curves(run.lines, names)), f"{', '.join(names)} by update")


def draw_curves(lines: list[dict[str, Any]], names: list[str]) -> Figure:
    """These metrics of training and evaluation over the updates."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4 * len(names), 3.4), layout="constrained")
        for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
            for split, colour, style in (("train", "#9db7d5", "-"), ("eval", "#c0504d", ".-")):
                found = [
                    (line["step"], line[f"{split}/{name}"])
                    for line in lines
                    if f"{split}/{name}" in line
                ]
                if found:
                    axes.plot(*zip(*found, strict=True), style, color=colour, label=split)
            axes.set_xlabel("updates")
            axes.set_title(name, loc="left")
            axes.legend(frameon=False)
    return figure


def mistakes(run: Outcome) -> str:
    """Calibration, confusion and the images that the network is most wrong about."""
    return _found(generalisation.study(run.network, examples=1_000, corrupted=0))


def gradients(run: Outcome) -> str:
    """Sizes of gradients and signals at every block, before the first update and after the last."""
    now = run.network._replace(checkpoints={run.step: lambda: run.network.variables})
    return _found(gradient_flow.study(now, twins_too=False))


def costs(run: Outcome) -> str:
    """What one image costs in each block."""
    return markup.table(
        ("block", "parameters", "MFLOPs", "activations, kB"),
        [
            (row.name, f"{row.parameters:,}", f"{row.flops / 1e6:,.2f}",
             f"{row.activation_bytes / 1e3:,.1f}")
            for row in cost.counted(run.network.model, run.network.image_shape)
        ],
    )  # fmt: skip


def analyses(run: Outcome) -> str:
    """What `python -m resnet_jax analyse` has found about the run."""
    return "".join(
        markup.heading(found.name.replace("_", " "))
        + markup.paragraphs([f"{found.summary}."])
        + "".join(markup.figure(svg, found.name) for svg in found.figures)
        for found in run.findings
    )


def configured(run: Outcome) -> str:
    """Every key of the configuration, folded away."""
    flat = keys.flatten(run.config)
    table = markup.table(("key", "value"), [(key, json.dumps(flat[key])) for key in sorted(flat)])
    return markup.folded(f"{len(flat)} keys", table)


def environment(run: Outcome) -> str:
    """Where, when and with what the run was computed, a table for each time that it was started."""
    return "".join(
        markup.table(
            ("", "value"),
            [
                (key.replace("_", " "), value if isinstance(value, str) else json.dumps(value))
                for key, value in keys.flatten(dict(entry)).items()
            ],
        )
        for entry in run.environments
    )


def _found(findings: Findings) -> str:
    return markup.paragraphs([f"{findings.summary}."]) + "".join(
        markup.figure(as_png(figure) if name in findings.pictures else as_svg(figure), name)
        for name, figure in findings.figures.items()
    )


# Each section by its title, in the order of the page. One that returns no text is left out.
SECTIONS: dict[str, Callable[[Outcome], str]] = {
    "Result": results,
    "Curves": curves,
    "Mistakes": mistakes,
    "Gradient flow": gradients,
    "Cost of a forward pass, for one image": costs,
    "Analyses": analyses,
    "Environment": environment,
    "Configuration": configured,
}

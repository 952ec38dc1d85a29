"""The sections of a run's page: each is a function of the run, and a row of SECTIONS."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from resnet_jax.analysis.explanation import grad_cam
from resnet_jax.analysis.overlay import overlaid, png
from resnet_jax.analysis.studies import cost, generalisation, gradient_flow
from resnet_jax.analysis.subject import Subject
from resnet_jax.assembly import keys
from resnet_jax.data.changes.augment import normalise
from resnet_jax.reporting import markup, plots
from resnet_jax.reporting.drawing import as_svg
from resnet_jax.reporting.findings import Findings, WrittenFindings
from resnet_jax.training.metrics import METRICS, Metric, in_brief

# What training reports beside its metrics: keys of metrics.jsonl.
OTHERS = {
    "learning rate": "lr",
    "gradient norm": "train/gradient_norm",
    "images/s": "images_per_second",
}
EXPLAINED = 8  # mistakes, the worst, that are shown with where the network looked
PLACES = 64  # pixels of the shorter side of images in which a place says something
# The unit of a figure, by the end of its name.
UNITS = {
    "loss": "nats",
    "top1": "share of images",
    "top5": "share of images",
    "examples": "images",
    "images_per_second": "images/s",
}


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
    return markup.table(
        ("figure", "value", "unit"),
        [(name, f"{last[name]:.6g}", UNITS.get(name.rpartition("/")[2], "")) for name in names],
    )


def curves(run: Outcome) -> str:
    """Metrics over the updates, the learning rate and the speed."""
    drawn = of_lines(run.lines, in_brief(run.metrics))
    return markup.side_by_side(plots.figures(drawn)) if drawn else ""


def of_lines(lines: list[dict[str, Any]], metrics: Iterable[str]) -> list[plots.Plot]:
    """A plot of each of these metrics, of the learning rate and of other figures of training.

    Args:
      lines: of metrics.jsonl.
    """
    keys = {name: {split: f"{split}/{name}" for split in ("train", "eval")} for name in metrics}
    keys |= {name: {name: key} for name, key in OTHERS.items()}
    drawn = []
    for name, curves in keys.items():
        found, groups = {}, {1}
        for curve, key in curves.items():
            points = [(line["step"], line[key]) for line in lines if line.get(key) is not None]
            if points:
                found[curve], group = plots.thinned(points)
                groups.add(group)
        if found:
            title = f"{name}, {UNITS[name]}" if name in UNITS else name
            caption = f"A point is the mean of {max(groups)}." if max(groups) > 1 else ""
            alt = f"{title} over the updates: {plots.summary(found)}"
            drawn.append(plots.Plot(title, found, alt, caption=caption))
    return drawn


def mistakes(run: Outcome) -> str:
    """Calibration, confusion, the wrong answers of the highest loss, and where they come from."""
    found = generalisation.study(run.network, examples=1_000, corrupted=0)
    wrong = found.numbers["mistakes"]
    several = "No test image is taken for another class."
    if wrong:
        shown = len(found.pictures["worst"])
        several = f"{wrong:,} wrong; the {shown} with the highest loss are shown."
    return markup.paragraphs([several]) + _found(found) + _looked(run.network, found)


def _looked(network: Subject, found: Findings) -> str:
    """Grad-CAM of the worst mistakes, where the pictures are large enough to tell a place."""
    worst = found.pictures["worst"][:EXPLAINED]
    if not worst or min(network.image_shape[:2]) < PLACES:
        return ""
    guesses = found.numbers["most_wrong"][:EXPLAINED]
    pixels = np.stack([one.pixels for one in worst])
    maps = jax.jit(partial(grad_cam, network.model))(
        network.variables,
        normalise(jnp.asarray(pixels), network.mean, network.std),
        jnp.array([guess["number"] for guess in guesses]),
    )
    cards = [
        (
            png(overlaid(one.pixels, np.asarray(values))),
            f"Grad-CAM of {guess['predicted']}: {one.alt}",
            one.lines,
        )
        for one, values, guess in zip(worst, maps, guesses, strict=True)
    ]
    about = "Grad-CAM: yellow speaks most for the class that the picture is taken for."
    return (
        markup.heading("Where the network looked")
        + markup.paragraphs([about])
        + markup.cards(cards)
    )


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
        + "".join(markup.figure(svg, f"{found.name}: {found.summary}") for svg in found.figures)
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
    """The summary, the figures and the pictures."""
    figures = "".join(
        markup.figure(
            as_svg(figure), findings.alts.get(name, name), findings.captions.get(name, "")
        )
        for name, figure in findings.figures.items()
    )
    pictures = [one for several in findings.pictures.values() for one in several]
    shown = markup.cards((png(one.pixels), one.alt, one.lines) for one in pictures)
    return (
        markup.paragraphs([f"{findings.summary}."])
        + markup.side_by_side(figures)
        + (shown if pictures else "")
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

"""A run's page: everything that tells what it did, in one HTML file."""

import json
from collections.abc import Callable
from pathlib import Path

from resnet_jax.analysis.studies import cost
from resnet_jax.assembly import environment, restored
from resnet_jax.pages import time_to_target
from resnet_jax.pages.sections import SECTIONS, Outcome
from resnet_jax.reporting import markup
from resnet_jax.reporting.files import replace
from resnet_jax.reporting.findings import read_findings, write_findings
from resnet_jax.reporting.metrics_file import read_lines
from resnet_jax.tables import UserError


def write(workdir: Path, *, trust_rows: bool = False) -> Path:
    """Writes report.html from the newest checkpoint, the metrics and earlier findings of a run.

    Args:
      trust_rows: see run_folder.load.

    Raises:
      UserError: there is no run, or it has no checkpoint yet.
    """
    network = restored.load(workdir, trust_rows=trust_rows)
    assert network.step is not None
    subject, lines = network.subject(), read_lines(workdir / "metrics.jsonl")
    target = network.assembly.config.eval.target_top1
    if target is not None:
        of_training = network.assembly.source.image_shape
        flops = sum(row.flops for row in cost.counted(subject.model, of_training))
        spent = network.assembly.batch_size, flops, environment.first_step(workdir)
        found = time_to_target.findings(lines, target, *spent)
        write_findings(found, "time_to_target", workdir / "analysis")
    run = Outcome(
        network.step,
        subject,
        lines,
        json.loads((workdir / "config.json").read_text()),
        read_findings(workdir / "analysis"),
        network.assembly.evaluation.metrics,
        environment.read(workdir),
    )
    path = workdir / "report.html"
    replace(path, page(workdir.resolve().name, run))
    return path


def _content(section: Callable[[Outcome], str], run: Outcome) -> str:
    """The section, or why there is none, as where the run's data are not at hand."""
    try:
        return section(run)
    except UserError as error:
        return markup.paragraphs([f"Not shown: {error}."])


def page(name: str, run: Outcome) -> str:
    """Returns the page of a run of this name."""
    contents = {title: _content(section, run) for title, section in SECTIONS.items()}
    origin = run.config.get("init", {}).get("run")
    went_on = f" It went on from the training state of {origin}." if origin else ""
    body = markup.paragraphs([f"The run after {run.step:,} updates.{went_on}"])
    body += "".join(markup.section(title, html) for title, html in contents.items() if html)
    return markup.document(name, body)

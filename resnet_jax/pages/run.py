"""A run's page: everything that tells what it did, in one HTML file."""

import json
import os
from pathlib import Path

import jax

from resnet_jax.assembly import Assembly, restored, run_folder
from resnet_jax.pages.sections import SECTIONS, Outcome
from resnet_jax.reporting import markup
from resnet_jax.reporting.findings import read_findings
from resnet_jax.reporting.metrics_file import read_lines


def write_if_wanted(workdir: Path) -> Path | None:
    """Writes the page where the run's configuration asks for it.

    It writes none for a run of several processes: `python -m resnet_jax report` does, in one.
    Called by who has just trained the run, so its files of rows have run already.
    """
    wanted = Assembly(run_folder.load(workdir, trust_rows=True)).writes_page
    return write(workdir, trust_rows=True) if wanted and jax.process_count() == 1 else None


def write(workdir: Path, *, trust_rows: bool = False) -> Path:
    """Writes report.html from the newest checkpoint, the metrics and earlier findings of a run.

    Args:
      trust_rows: see run_folder.load.

    Raises:
      UserError: there is no run, or it has no checkpoint yet.
    """
    network = restored.load(workdir, trust_rows=trust_rows)
    assert network.step is not None
    run = Outcome(
        network.step,
        network.subject(),
        read_lines(workdir / "metrics.jsonl"),
        json.loads((workdir / "config.json").read_text()),
        read_findings(workdir / "analysis"),
    )
    path = workdir / "report.html"
    draft = path.with_suffix(".tmp")
    draft.write_text(page(workdir.resolve().name, run))
    os.replace(draft, path)
    return path


def page(name: str, run: Outcome) -> str:
    """Returns the page of a run of this name."""
    contents = {title: section(run) for title, section in SECTIONS.items()}
    body = markup.paragraphs([f"The run after {run.step:,} updates."])
    body += "".join(markup.section(title, html) for title, html in contents.items() if html)
    return markup.document(name, body)

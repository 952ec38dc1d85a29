"""The learning-rate finder for the run of a configuration."""

from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict

from resnet_jax.assembly import Assembly
from resnet_jax.reporting.findings import Findings, write_findings
from resnet_jax.reporting.rate_curve import rate_curve
from resnet_jax.tables import UserError
from resnet_jax.training import finding_rate


def find_rate(config: ConfigDict, folder: Path) -> dict[str, Any]:
    """Searches a learning rate for the run of `config`, and writes rate.json and its picture.

    Returns:
      The rate at which the loss falls fastest, a tenth of that at which it is least, and the file.

    Raises:
      UserError: no step had a finite loss.
    """
    found = finding_rate.find_rate(Assembly(config).run())
    if not found.rates:
        raise UserError(
            "the loss is not finite before the first update: look at the initial parameters and at"
            " data.mean and data.std"
        )
    tenth = found.lowest / 10
    numbers = {"steepest": found.steepest, "tenth_of_lowest": tenth}
    path = folder / "rate.json"
    if jax.process_index() == 0:
        marks = {"steepest": found.steepest, "a tenth of the lowest": tenth}
        figure = rate_curve(found.rates, found.losses, found.smoothed, marks)
        summary = f"the loss falls fastest at a rate of {found.steepest:.2g}"
        everything = {**numbers, **found._asdict()}
        path = write_findings(Findings(everything, {"curve": figure}, summary), "rate", folder)
    return {**numbers, "steps": len(found.rates), "file": str(path)}

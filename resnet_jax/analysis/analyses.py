"""Every analysis by its name: a file of studies/ with a function study(subject, *, options)."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_jax.tables import choose
from resnet_jax.tables.foreign import foreign_file, foreign_row

if TYPE_CHECKING:
    from resnet_jax.reporting.findings import Findings

ANALYSES: dict[str, Path] = {
    path.stem: path for path in sorted((Path(__file__).parent / "studies").glob("[a-z]*.py"))
}


def load(name: str) -> "Callable[..., Findings]":
    """Imports the file of an analysis, and returns its function; or FILE.py:FUNCTION of a user.

    Raises:
      UserError: there is no such analysis.
    """
    if foreign_file(name) is not None:
        return foreign_row(name)
    choose(ANALYSES, name, "analysis")
    return importlib.import_module(f"resnet_jax.analysis.studies.{name}").study

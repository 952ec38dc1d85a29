"""What an analysis found, and where it is written."""

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from resnet_jax.reporting.drawing import as_png, as_svg
from resnet_jax.reporting.files import read_object, replace


class Findings(NamedTuple):
    """What an analysis found.

    Attributes:
      numbers: JSON values.
      figures: by name.
      summary: the numbers that matter most, as a sentence without its full stop.
      pictures: names of the figures that show pictures, which are smaller as PNG than as SVG.
    """

    numbers: dict[str, Any]
    figures: dict[str, Figure]
    summary: str
    pictures: tuple[str, ...] = ()


def write_findings(found: Findings, name: str, folder: Path) -> Path:
    """Writes NAME.json, and NAME-FIGURE.svg and .png of each figure; returns the JSON file."""
    for figure_name, figure in found.figures.items():
        stem = folder / f"{name}-{figure_name}"
        replace(stem.with_suffix(".svg"), as_svg(figure))
        replace(stem.with_suffix(".png"), as_png(figure))
    path = folder / f"{name}.json"
    numbers = {"summary": found.summary, **found.numbers}
    replace(path, json.dumps(finite(numbers), indent=1) + "\n")
    return path


class WrittenFindings(NamedTuple):
    """What `write_findings` has left of an analysis in a folder.

    Attributes:
      figures: SVG texts.
    """

    name: str
    summary: str
    figures: list[str]


def read_findings(folder: Path) -> list[WrittenFindings]:
    """Every analysis in the folder, by name."""
    return [
        WrittenFindings(
            path.stem,
            str(read_object(path, "remove it, or make this analysis again").get("summary", "")),
            [figure.read_text() for figure in sorted(folder.glob(f"{path.stem}-*.svg"))],
        )
        for path in sorted(folder.glob("*.json"))
    ]


def finite(value: Any) -> Any:
    """The same value with None in place of NaN and infinities, which JSON can't write."""
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

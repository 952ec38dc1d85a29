"""What an analysis found, and where it is written."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from jaxtyping import UInt8
from matplotlib.figure import Figure

from resnet_jax.reporting.drawing import STYLE, as_png, as_svg
from resnet_jax.reporting.files import read_object, replace


class Picture(NamedTuple):
    """A picture that an analysis shows, with the lines of its caption and what is seen on it."""

    pixels: UInt8[np.ndarray, "height width channels"]
    lines: Sequence[str]
    alt: str


class Findings(NamedTuple):
    """What an analysis found.

    Attributes:
      numbers: JSON values.
      figures: by name.
      summary: the numbers that matter most, as a sentence without its full stop.
      alts: what is seen on a figure, for those who do not see it; by its name.
      captions: what stands below a figure; by its name.
      pictures: by name, which a page shows one by one, and files as one figure.
    """

    numbers: dict[str, Any]
    figures: dict[str, Figure]
    summary: str
    alts: Mapping[str, str] = {}
    captions: Mapping[str, str] = {}
    pictures: Mapping[str, Sequence[Picture]] = {}


def write_findings(found: Findings, name: str, folder: Path) -> Path:
    """Writes NAME.json, and NAME-FIGURE.svg and .png of each figure; returns the JSON file.

    Pictures are a figure as well.
    """
    several = {name: draw_pictures(shown) for name, shown in found.pictures.items() if shown}
    for figure_name, figure in {**found.figures, **several}.items():
        stem = folder / f"{name}-{figure_name}"
        replace(stem.with_suffix(".svg"), as_svg(figure))
        replace(stem.with_suffix(".png"), as_png(figure))
    path = folder / f"{name}.json"
    numbers = {"summary": found.summary, **found.numbers}
    replace(path, json.dumps(finite(numbers), indent=1) + "\n")
    return path


def draw_pictures(pictures: Sequence[Picture]) -> Figure:
    """The pictures with their captions, eight in a row."""
    rows = math.ceil(len(pictures) / 8)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10, 1.8 * rows), layout="constrained")
        grid = figure.subplots(rows, 8, squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        for axes, picture in zip(grid.flat, pictures, strict=False):
            axes.imshow(picture.pixels.squeeze(), cmap="gray")
            # A file's name may hold two dollars, which are no formula.
            axes.set_title("\n".join(picture.lines), fontsize=6, parse_math=False)
    return figure


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

"""Figures as files: the style that all share, and their SVG and PNG."""

import io
import re
from typing import Any

import matplotlib
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

# The same input gives the same bytes, so that a committed figure changes only with its numbers.
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "resnet_jax",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


class PlainNumbers(LogFormatter):
    """Ticks of a logarithmic axis as 0.06, where matplotlib writes 6 x 10 to the power of -2."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:g}" if super().__call__(x, pos) else ""


TOLD = "told:"  # begins the identifier of what tells a text


def tell(artist: Artist, text: str) -> None:
    """Lets a page show the text when the pointer stands on this part of a figure."""
    artist.set_gid(TOLD + text)


def as_svg(figure: Figure) -> str:
    """The figure as SVG text."""
    out = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(out, format="svg", metadata={"Date": None})
    return re.sub(f'<g id="{TOLD}([^"]*)">', r"<g><title>\1</title>", out.getvalue())


def as_png(figure: Figure) -> bytes:
    """The figure as PNG bytes, for places that can't show SVG."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=110, metadata={"Software": None})
    return out.getvalue()

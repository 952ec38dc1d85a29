"""The curve of the learning-rate finder."""

from collections.abc import Sequence

import matplotlib
from matplotlib.figure import Figure

from resnet_jax.reporting.drawing import STYLE


def rate_curve(
    rates: Sequence[float],
    losses: Sequence[float],
    smoothed: Sequence[float],
    marks: dict[str, float],
) -> Figure:
    """Loss over the rate, as it was and smoothed.

    Args:
      marks: rates to mark, by what they are called.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.plot(rates, losses, color="#9db7d5", linewidth=0.8, label="of each batch")
        axes.plot(rates, smoothed, color="#2b5c8a", linewidth=1.6, label="smoothed")
        for style, (name, rate) in zip((":", "--", "-."), marks.items(), strict=False):
            axes.axvline(
                rate, color="#333", linestyle=style, linewidth=1, label=f"{name}: {rate:.2g}"
            )
        axes.set_xscale("log")
        axes.set_ylim(0, 1.2 * max(smoothed))
        axes.set_xlabel("learning rate")
        axes.set_ylabel("training loss, nats")
        axes.set_title("Loss while the rate grows", loc="left")
        figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return figure

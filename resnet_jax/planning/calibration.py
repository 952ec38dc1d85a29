"""The time of a step from its figures: what chips reach of their peaks, from measured steps.

experiments/scaling/README.md has the measurements, which of them the shares were fitted to, and the
error on the others; experiments/scaling/calibrate.py fits them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from resnet_jax.planning.cards import Card
from resnet_jax.planning.kernels import Kernel
from resnet_jax.planning.slices import Chip


@dataclass(frozen=True)
class Shares:
    """What kernels reach of a card's peaks.

    Attributes:
      bandwidth: share of the bandwidth between card and memory.
      arithmetic: share of the peak of the matrix units.
      start: seconds that a kernel takes beside, however little it does.
    """

    bandwidth: float
    arithmetic: float
    start: float


# Of three steps on an H200.
CARD_SHARES = Shares(bandwidth=0.808, arithmetic=0.445, start=4.44e-6)
# Of the bandwidth or the arithmetic of a chip, whichever takes longer; of one step on 64 v4.
CHIP_SHARE = 0.714


# Of expected times on the steps that the shares were not fitted to: least, greatest, mean size.
CARD_ERRORS = (-0.15, 0.07, 0.09)
CHIP_ERRORS = (-0.18, 0.89, 0.34)


@dataclass(frozen=True)
class Times:
    """Seconds of a step on one chip alone.

    Attributes:
      arithmetic: at the chip's peak.
      traffic: at the chip's full bandwidth.
      step: expected.
    """

    arithmetic: float
    traffic: float
    step: float


def on_chip(chip: Chip, flops: float, moved: float) -> Times:
    """A TPU computes while it moves data, so the longer of the two decides."""
    arithmetic, traffic = flops / chip.flops, moved / chip.bandwidth
    return Times(arithmetic, traffic, max(arithmetic, traffic) / CHIP_SHARE)


def on_card(card: Card, kernels: Sequence[Kernel], shares: Shares = CARD_SHARES) -> Times:
    """A GPU runs one kernel after another, each as long as its arithmetic or its traffic takes."""
    arithmetic = traffic = step = 0.0
    for kernel in kernels:
        computing = kernel.flops / card.flops.get(kernel.reads, card.flops["f32"])
        moving = kernel.bytes / card.bandwidth
        arithmetic += kernel.count * computing
        traffic += kernel.count * moving
        longer = max(computing / shares.arithmetic, moving / shares.bandwidth)
        step += kernel.count * (shares.start + longer)
    return Times(arithmetic, traffic, step)

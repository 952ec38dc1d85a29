"""Published figures of TPU chips, and the slices that are built of them."""

import re
from math import prod
from typing import NamedTuple

from resnet_jax.tables import UserError, choose

# Seconds that a message takes over one link: about a microsecond.
LINK_LATENCY = 1e-6
# A grid, whose ends are not linked, has this share of a torus's bandwidth.
GRID_SHARE = 0.5


class Chip(NamedTuple):
    """The peak figures of one chip.

    Attributes:
      flops: bfloat16 operations a second; a multiply-add is two.
      memory: bytes.
      bandwidth: bytes a second between chip and memory.
      interconnect: bytes a second that a chip sends over all its links to its neighbours.
      torus: an axis of a slice with at least this many chips is a ring.
      axes: of a slice's grid.
    """

    flops: float
    memory: float
    bandwidth: float
    interconnect: float
    torus: int
    axes: int


# cloud.google.com/tpu/docs, pages v4, v5e, v5p and v6e. The interconnect is the all-reduce
# bandwidth of a pod over its chips (v4: 1.1 PB/s over 4,096; v5e: 51.2 TB/s, v6e: 102.4 TB/s over
# 256). The v5p page gives 1,200 GB/s for both directions together; half of it counts, as on v5e.
CHIPS = {
    "v4": Chip(275e12, 32 * 2**30, 1_200e9, 1.1e15 / 4_096, torus=4, axes=3),
    "v5e": Chip(197e12, 16e9, 819e9, 51.2e12 / 256, torus=16, axes=2),
    "v5p": Chip(459e12, 95e9, 2_765e9, 1_200e9 / 2, torus=4, axes=3),
    "v6e": Chip(918e12, 32e9, 1_638e9, 102.4e12 / 256, torus=16, axes=2),
}
# Slices that Google rents, by the dimensions of their grid, from one chip to most of a pod.
SIZES = {
    2: ("1x1", "2x2", "2x4", "4x4", "4x8", "8x8", "8x16", "16x16"),
    3: ("1x1x1", "2x2x1", "2x2x2", "2x2x4", "2x4x4", "4x4x4", "4x4x8", "4x8x8"),
}


class Slice(NamedTuple):
    """Chips of one generation, linked as a grid: 'v5e:4x4', 'v4:2x2x1'."""

    name: str
    shape: tuple[int, ...]

    @property
    def chips(self) -> int:
        return prod(self.shape)

    @property
    def chip(self) -> Chip:
        return CHIPS[self.name]

    @property
    def is_torus(self) -> bool:
        """Whether every axis is a ring."""
        return all(size >= self.chip.torus for size in self.shape if size > 1)

    @property
    def hops(self) -> int:
        """Links between the two chips that are furthest from each other."""
        return sum(size // 2 if self.is_torus else size - 1 for size in self.shape)

    def exchange_time(self, summed: float, others: float, collectives: int) -> float:
        """Seconds that chips exchange results, one collective after another.

        In a sum over n chips each sends 2 (n - 1) / n of the bytes (Patarasu & Yuan, 'Bandwidth
        optimal all-reduce algorithms', 2009); other collectives send their results once. Each one
        waits for a message to cross the slice and come back.

        Args:
          summed: bytes that are summed over chips.
          others: bytes of the results of all other collectives.
          collectives: number of both.
        """
        if self.chips == 1:
            return 0.0
        bandwidth = self.chip.interconnect * (1 if self.is_torus else GRID_SHARE)
        sent = (2 * summed + others) * (self.chips - 1) / self.chips
        return sent / bandwidth + 2 * self.hops * LINK_LATENCY * collectives

    def __str__(self) -> str:
        return f"{self.name}:{'x'.join(map(str, self.shape))}"


def parse(text: str) -> Slice:
    """Reads 'v5e:4x4'.

    Raises:
      UserError: the text has another form, or its generation is not in CHIPS.
    """
    generation, _, shape = text.strip().partition(":")
    axes = choose(CHIPS, generation, "TPU generation").axes
    if not re.fullmatch(r"[1-9]\d*" + r"x[1-9]\d*" * (axes - 1), shape):
        example = "v4:2x2x1" if axes == 3 else "v5e:4x4"
        raise UserError(f"'{text}' is no TPU slice: write its generation and shape, as {example}")
    return Slice(generation, tuple(map(int, shape.split("x"))))

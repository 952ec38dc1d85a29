"""How long a training step takes on a TPU slice, from a compiler's figures for a smaller one.

Every chip runs the same program on its own examples, so at equal examples a chip, arithmetic,
memory traffic and memory of one chip do not depend on the number of chips; only the sums over chips
do. experiments/scaling/README.md states the model and what it leaves out.
"""

from dataclasses import asdict, dataclass
from typing import Any

from resnet_jax.planning.slices import Slice

# Seconds that a message takes over one link: about a microsecond.
LINK_LATENCY = 1e-6
# A grid, whose ends are not linked, has this share of a torus's bandwidth.
GRID_SHARE = 0.5


@dataclass(frozen=True)
class CompiledStep:
    """A compiled training step on one chip.

    Attributes:
      slice: the slice that it was compiled for.
      images: number of images on one chip in a step.
      flops: arithmetic of one step.
      bytes: bytes that one step moves between the chip and its memory.
      temporaries: bytes of memory that hold neither the state nor the batch.
      state: bytes of the training state on one chip.
      batch: bytes of the batch on one chip.
      reductions: number of sums over chips in one step.
      reduced: bytes that these sums carry.
      others: number of other collectives in one step.
      others_bytes: bytes of their results.
    """

    slice: str
    images: int
    flops: float
    bytes: float
    temporaries: int
    state: int
    batch: int
    reductions: int
    reduced: int
    others: int
    others_bytes: int


@dataclass(frozen=True)
class Prediction:
    """A training step on a slice; times in seconds, memory in bytes of one chip.

    Attributes:
      compiled: whether a compiler gave the figures for just this slice and batch.
      efficiency: the time that one chip takes alone for its images, divided by this step's time.
    """

    slice: str
    chips: int
    batch: int
    images: int
    memory: float
    capacity: float
    flops: float
    bytes: float
    reduced: float
    arithmetic_time: float
    memory_time: float
    communication_time: float
    step_time: float
    images_per_second: float
    efficiency: float
    compiled: bool

    @property
    def fits(self) -> bool:
        return self.memory <= self.capacity

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "fits": self.fits}


def predict(program: CompiledStep, on: Slice, batch: int) -> Prediction:
    """Predicts the step on a slice whose chips share a batch of `batch` images."""
    images, chip = batch / on.chips, on.chip
    scale = images / program.images
    # Reading and writing the state costs the same for any batch, and so does holding gradients.
    fixed_bytes = min(2 * program.state, program.bytes)
    fixed_memory = min(program.reduced, program.temporaries)
    flops = program.flops * scale
    moved = fixed_bytes + (program.bytes - fixed_bytes) * scale
    memory = (
        program.state
        + program.batch * scale
        + fixed_memory
        + (program.temporaries - fixed_memory) * scale
    )
    arithmetic, traffic = flops / chip.flops, moved / chip.bandwidth
    alone = max(arithmetic, traffic)
    communication = communication_time(program, on)
    step = alone + communication
    return Prediction(
        slice=str(on),
        chips=on.chips,
        batch=batch,
        images=round(images),
        memory=memory,
        capacity=chip.memory,
        flops=flops,
        bytes=moved,
        reduced=program.reduced,
        arithmetic_time=arithmetic,
        memory_time=traffic,
        communication_time=communication,
        step_time=step,
        images_per_second=batch / step,
        efficiency=alone / step,
        compiled=program.slice == str(on) and program.images == images,
    )


def communication_time(program: CompiledStep, on: Slice) -> float:
    """Seconds that the collectives of a step take, one after another and none during arithmetic.

    In a sum over n chips each sends 2 (n - 1) / n of the bytes (Patarasu & Yuan, 'Bandwidth
    optimal all-reduce algorithms', 2009); other collectives send their results once. Each one waits
    for a message to cross the slice and come back.
    """
    if on.chips == 1:
        return 0.0
    bandwidth = on.chip.interconnect * (1 if on.is_torus else GRID_SHARE)
    share = (on.chips - 1) / on.chips
    sent = 2 * share * program.reduced + share * program.others_bytes
    waits = 2 * on.hops * LINK_LATENCY * (program.reductions + program.others)
    return sent / bandwidth + waits

"""How long a training step takes on hardware, from a compiler's figures for one compiled step.

Every chip runs the same program on its own examples, so at equal examples a chip, arithmetic,
memory traffic and memory of one chip do not depend on the number of chips; only the sums over chips
do. experiments/scaling/README.md states the model and what it leaves out.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from resnet_jax.planning import calibration
from resnet_jax.planning.calibration import Times
from resnet_jax.planning.cards import Cards
from resnet_jax.planning.compiled import Collective
from resnet_jax.planning.costly import Costly
from resnet_jax.planning.hardware import Hardware
from resnet_jax.planning.kernels import Kernel


@dataclass(frozen=True)
class CompiledStep:
    """A compiled training step on one chip.

    Attributes:
      on: the hardware that it was compiled for.
      images: number of images on one chip in a step.
      flops: arithmetic of one step.
      bytes: bytes that one step moves between the chip and its memory.
      temporaries: bytes of memory that hold neither the state nor the batch.
      state: bytes of the training state on one chip.
      batch: bytes of the batch on one chip.
      collectives: exchanges between chips in one step.
      kernels: what a GPU runs in one step; of TPUs, which run one program, none.
      costly: operations that take a GPU long for what they compute.
    """

    on: str
    images: int
    flops: float
    bytes: float
    temporaries: int
    state: int
    batch: int
    collectives: tuple[Collective, ...]
    kernels: tuple[Kernel, ...] = ()
    costly: tuple[Costly, ...] = ()

    @property
    def sums(self) -> tuple[Collective, ...]:
        return tuple(each for each in self.collectives if each.kind == "all-reduce")

    @property
    def summed(self) -> int:
        """Bytes that the sums over chips carry."""
        return sum(each.bytes for each in self.sums)

    @property
    def others(self) -> int:
        """Bytes of the results of all other collectives."""
        return sum(each.bytes for each in self.collectives) - self.summed

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {
            "collectives": [each._asdict() for each in self.collectives],
            "costly": [each._asdict() for each in self.costly],
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "CompiledStep":
        """Reads what `as_dict` gave."""
        return cls(
            **{
                **fields,
                "collectives": tuple(Collective(**each) for each in fields["collectives"]),
                "kernels": tuple(Kernel(**each) for each in fields["kernels"]),
                "costly": tuple(Costly(**each) for each in fields["costly"]),
            }
        )


@dataclass(frozen=True)
class Prediction:
    """A training step on some hardware; times in seconds, memory in bytes of one chip.

    Attributes:
      arithmetic_time: of the FLOPs at the chip's peak.
      memory_time: of the bytes at the chip's full bandwidth.
      communication_time: of the exchanges between chips.
      step_time: expected, the exchanges included.
      compiled: whether a compiler gave the figures for just this hardware and batch.
      efficiency: the time that one chip takes alone for its images, divided by this step's time.
    """

    on: str
    chips: int
    batch: int
    images: int
    memory: float
    capacity: float
    flops: float
    bytes: float
    summed: float
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


def predict(program: CompiledStep, on: Hardware, batch: int) -> Prediction:
    """Predicts the step on hardware whose chips share a batch of `batch` images.

    Args:
      program: compiled for hardware of the same kind.
    """
    images = batch / on.chips
    scale = images / program.images
    # Reading and writing the state costs the same for any batch, and so does holding gradients.
    fixed_bytes = min(2 * program.state, program.bytes)
    fixed_memory = min(program.summed, program.temporaries)
    flops = program.flops * scale
    moved = fixed_bytes + (program.bytes - fixed_bytes) * scale
    memory = (
        program.state
        + program.batch * scale
        + fixed_memory
        + (program.temporaries - fixed_memory) * scale
    )
    alone = _alone(program, on, flops, moved)
    communication = _communication_time(program, on)
    step = alone.step + communication
    return Prediction(
        on=str(on),
        chips=on.chips,
        batch=batch,
        images=round(images),
        memory=memory,
        capacity=on.chip.memory,
        flops=flops,
        bytes=moved,
        summed=program.summed,
        arithmetic_time=alone.arithmetic,
        memory_time=alone.traffic,
        communication_time=communication,
        step_time=step,
        images_per_second=batch / step,
        efficiency=alone.step / step,
        compiled=program.on == str(on) and program.images == images,
    )


def _alone(program: CompiledStep, on: Hardware, flops: float, moved: float) -> Times:
    """The times of one chip that exchanges nothing."""
    if not isinstance(on, Cards):
        return calibration.on_chip(on.chip, flops, moved)
    more_flops, more_bytes = flops / program.flops, moved / program.bytes
    kernels = [
        replace(kernel, flops=kernel.flops * more_flops, bytes=kernel.bytes * more_bytes)
        for kernel in program.kernels
    ]
    return calibration.on_card(on.chip, kernels)


def _communication_time(program: CompiledStep, on: Hardware) -> float:
    """Seconds that the collectives of a step take, one after another and none during arithmetic."""
    if on.chips == 1:
        return 0.0
    number = len(program.collectives)
    starts = number * calibration.CARD_SHARES.start if isinstance(on, Cards) else 0.0
    return starts + on.exchange_time(program.summed, program.others, number)

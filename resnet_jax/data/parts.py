"""Pieces of batches, each a pure function of its number: what worker processes compute.

A piece is small enough that several workers share a batch, and large enough that handing it over
costs little beside decoding it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from resnet_jax.data.images.encoded import EncodedSet, UnreadableImage, decode
from resnet_jax.data.order import repeated

if TYPE_CHECKING:
    from jaxtyping import Int32, UInt8

ROWS = 32  # of a batch in one part
# An example whose image can't be read gives way to so many others before training stops.
ATTEMPTS = 10

# (random numbers, content of an image file, pixels of a side) -> [side, side, 3] bytes
TrainTransform = Callable[[np.random.Generator, bytes, int], np.ndarray]


class EvalTransform(Protocol):
    """From a decoded image to a stack of crops of it, all of one shape."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Crops, height, width, channels."""
        ...

    def __call__(
        self, image: UInt8[np.ndarray, "height width 3"]
    ) -> UInt8[np.ndarray, "crops size size 3"]: ...


class Unreadable(NamedTuple):
    """An image that was passed over, and why."""

    name: str
    reason: str


class Part(NamedTuple):
    """Some rows of a batch.

    Attributes:
      images: one for each row in training, a stack of crops in evaluation.
      labels: class of each.
      unreadable: images that were not readable, in the order that they were met in.
    """

    images: UInt8[np.ndarray, "rows *crops height width 3"]
    labels: Int32[np.ndarray, "rows"]
    unreadable: tuple[Unreadable, ...]


class Rows(NamedTuple):
    """The rows of each batch that this process has.

    Attributes:
      start, stop: of them, in the batch.
      together: rows in one part.
    """

    start: int
    stop: int
    together: int

    @classmethod
    def of_shard(cls, batch_size: int, shard: tuple[int, int]) -> Rows:
        """The rows of process `index` of `count`."""
        index, count = shard
        share, rest = divmod(batch_size, count)
        if rest:
            raise ValueError(f"{count} processes can't share a batch of {batch_size}")
        return cls(index * share, (index + 1) * share, ROWS)

    @property
    def all(self) -> range:
        return range(self.start, self.stop)

    def parts(self) -> list[range]:
        """The rows, cut into those that are computed at once."""
        return [
            range(start, min(start + self.together, self.stop))
            for start in range(self.start, self.stop, self.together)
        ]


@dataclass(frozen=True)
class TrainParts:
    """Parts of training batches: part n is of step n // parts of a batch.

    The example in row r of step k stands at position k * batch_size + r of an endless stream; the
    seed and that position decide everything about it.

    Attributes:
      repeats: see order.repeated; each has random choices of its own.
      size_at: pixels of a side in step k.
    """

    examples: EncodedSet
    transform: TrainTransform
    seed: int
    batch_size: int
    rows: Rows
    size_at: Callable[[int], int]
    repeats: int = 1

    def nbytes(self, number: int) -> int:
        """Of the images of the largest part in the batch of part `number`."""
        step = number // len(self.rows.parts())
        return len(self.rows.parts()[0]) * 3 * self.size_at(step) ** 2

    def __call__(self, number: int, memory: np.ndarray | None = None) -> Part:
        parts = self.rows.parts()
        step, place = divmod(number, len(parts))
        start = step * self.batch_size
        positions = range(start + parts[place].start, start + parts[place].stop)
        size = self.size_at(step)
        images = _room(memory, (len(positions), size, size, 3))
        labels = np.empty(len(positions), np.int32)
        unreadable: list[Unreadable] = []
        count = len(self.examples)
        order = repeated(self.seed, positions.start, len(positions), count, self.repeats)
        for row, (position, index) in enumerate(zip(positions, order.tolist(), strict=True)):
            images[row], labels[row] = self._example(position, index, size, unreadable)
        return Part(images, labels, tuple(unreadable))

    def _example(
        self, position: int, index: int, size: int, unreadable: list[Unreadable]
    ) -> tuple[np.ndarray, int]:
        draw = np.random.default_rng([self.seed, position])
        for _ in range(ATTEMPTS):
            try:
                encoded, label = _read(self.examples, index)
                return self.transform(draw, encoded, size), label
            except UnreadableImage as error:
                unreadable.append(Unreadable(self.examples.name(index), str(error)))
                index = int(draw.integers(len(self.examples)))
        return np.zeros((size, size, 3), np.uint8), -1


@dataclass(frozen=True)
class EvalParts:
    """Parts of evaluation batches, each example once; rows past the last example are zeros.

    Attributes:
      batch_size: examples that count in each batch but the last.
      rows: of this process; a batch may have more than count, so that devices can share it.
    """

    examples: EncodedSet
    transform: EvalTransform
    batch_size: int
    rows: Rows

    def nbytes(self, number: int) -> int:
        """Of the images of the largest part."""
        return len(self.rows.parts()[0]) * math.prod(self.transform.shape)

    def __call__(self, number: int, memory: np.ndarray | None = None) -> Part:
        parts = self.rows.parts()
        batch, place = divmod(number, len(parts))
        rows, start = parts[place], batch * self.batch_size
        images = _room(memory, (len(rows), *self.transform.shape))
        images[self.counted(batch, rows) :] = 0
        labels = np.zeros(len(rows), np.int32)
        unreadable = []
        for row in range(self.counted(batch, rows)):
            index = start + rows.start + row
            try:
                encoded, labels[row] = _read(self.examples, index)
                images[row] = self.transform(decode(encoded))
            except UnreadableImage as error:
                unreadable.append(Unreadable(self.examples.name(index), str(error)))
        return Part(images, labels, tuple(unreadable))

    def counted(self, batch: int, rows: range) -> int:
        """How many of these rows of a batch hold an example."""
        left = len(self.examples) - batch * self.batch_size
        return max(0, min(len(rows), min(self.batch_size, left) - rows.start))


def _room(memory: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    """Bytes of this shape at the beginning of the memory, or in new one."""
    if memory is None:
        return np.empty(shape, np.uint8)
    return memory[: math.prod(shape)].reshape(shape)


def _read(examples: EncodedSet, index: int) -> tuple[bytes, int]:
    try:
        return examples.read(index)
    except OSError as error:
        raise UnreadableImage(error.strerror or str(error)) from None

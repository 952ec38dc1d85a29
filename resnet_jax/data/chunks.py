"""Chunks of batches, which worker processes compute; each is a pure function of its number.

A chunk is small enough that several workers share a batch, and large enough that handing it over
costs little beside decoding it. The chunks of all batches are numbered in one sequence: with n
chunks a batch, chunk k belongs to batch k // n.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from resnet_jax.data.images.encoded import EncodedSet, UnreadableImage, decode
from resnet_jax.data.order import EvalOrder, repeated

if TYPE_CHECKING:
    from jaxtyping import Int32, UInt8

ROWS = 32  # rows of a batch in one chunk
# Training stops where the images of this many examples, tried one after another, can't be read.
ATTEMPTS = 10

# (random numbers, content of an image file, pixels of a side) -> [side, side, 3] bytes
TrainTransform = Callable[[np.random.Generator, bytes, int], np.ndarray]


class EvalTransform(Protocol):
    """Cuts a decoded image into a stack of crops of one shape."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Crops, height, width, channels."""
        ...

    def __call__(
        self, image: UInt8[np.ndarray, "height width 3"]
    ) -> UInt8[np.ndarray, "crops size size 3"]: ...


class Unreadable(NamedTuple):
    """An image that could not be read, and why."""

    name: str
    reason: str


class Chunk(NamedTuple):
    """Some rows of a batch.

    Attributes:
      images: one for each row in training, a stack of crops in evaluation.
      labels: class of each.
      unreadable: images that could not be read, in the order in which they were tried.
    """

    images: UInt8[np.ndarray, "rows *crops height width 3"]
    labels: Int32[np.ndarray, "rows"]
    unreadable: tuple[Unreadable, ...]


def chunks_of(rows: range) -> tuple[range, ...]:
    """Cuts the rows of a batch into those of each chunk."""
    return tuple(
        range(start, min(start + ROWS, rows.stop)) for start in range(rows.start, rows.stop, ROWS)
    )


@dataclass(frozen=True)
class TrainChunks:
    """The chunks of training batches.

    The example in row r of step k stands at position k * batch_size + r of an endless stream; the
    seed and that position decide everything about it.

    Attributes:
      rows: of each chunk of a batch, see chunks_of.
      size_at: pixels of a side in step k.
      repeats: see order.repeated; each repeat has random choices of its own.
    """

    examples: EncodedSet
    transform: TrainTransform
    seed: int
    batch_size: int
    rows: tuple[range, ...]
    size_at: Callable[[int], int]
    repeats: int = 1

    def nbytes(self, number: int) -> int:
        """Bytes of the images of the largest chunk in the batch of chunk `number`."""
        step = number // len(self.rows)
        return len(self.rows[0]) * 3 * self.size_at(step) ** 2

    def __call__(self, number: int, memory: np.ndarray | None = None) -> Chunk:
        step, place = divmod(number, len(self.rows))
        rows, start = self.rows[place], step * self.batch_size
        positions = range(start + rows.start, start + rows.stop)
        size = self.size_at(step)
        images = _room(memory, (len(positions), size, size, 3))
        labels = np.empty(len(positions), np.int32)
        unreadable: list[Unreadable] = []
        count = len(self.examples)
        order = repeated(self.seed, positions.start, len(positions), count, self.repeats)
        for row, (position, index) in enumerate(zip(positions, order.tolist(), strict=True)):
            images[row], labels[row] = self._example(position, index, size, unreadable)
        return Chunk(images, labels, tuple(unreadable))

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
class EvalChunks:
    """The chunks of evaluation batches; rows that hold no example are zeros.

    Attributes:
      rows: of each chunk of a batch, see chunks_of.
    """

    examples: EncodedSet
    transform: EvalTransform
    order: EvalOrder
    rows: tuple[range, ...]

    def nbytes(self, number: int) -> int:
        """Bytes of the images of the largest chunk."""
        return len(self.rows[0]) * math.prod(self.transform.shape)

    def __call__(self, number: int, memory: np.ndarray | None = None) -> Chunk:
        batch, place = divmod(number, len(self.rows))
        rows = self.rows[place]
        found = self.order.examples_of(batch, rows)
        images = _room(memory, (len(rows), *self.transform.shape))
        images[len(found) :] = 0
        labels = np.zeros(len(rows), np.int32)
        unreadable = []
        for row, index in enumerate(found):
            try:
                encoded, labels[row] = _read(self.examples, index)
                images[row] = self.transform(decode(encoded))
            except UnreadableImage as error:
                unreadable.append(Unreadable(self.examples.name(index), str(error)))
        return Chunk(images, labels, tuple(unreadable))


def _room(memory: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    """An array of bytes of this shape, at the beginning of `memory` or newly allocated."""
    if memory is None:
        return np.empty(shape, np.uint8)
    return memory[: math.prod(shape)].reshape(shape)


def _read(examples: EncodedSet, index: int) -> tuple[bytes, int]:
    try:
        return examples.read(index)
    except OSError as error:
        raise UnreadableImage(error.strerror or str(error)) from None

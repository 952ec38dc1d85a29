"""Data sets that stream: worker processes decode and crop images ahead of their use.

The batch of step k is a pure function of (seed, k), as in data.resident; a run that goes on at step
k starts to read there. What a batch holds does not depend on how many workers make it, nor on how
many processes of a run share it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from absl import logging
from jaxtyping import Array, Bool, Int32, UInt8

from resnet_jax.data.changes.augment import Augmentation, normalise
from resnet_jax.data.chunks import (
    ATTEMPTS,
    Chunk,
    EvalChunks,
    EvalTransform,
    TrainChunks,
    TrainTransform,
    chunks_of,
)
from resnet_jax.data.contract import Batch
from resnet_jax.data.images.encoded import EncodedSet
from resnet_jax.data.images.resizing import Resizing
from resnet_jax.data.order import EvalOrder, flipped, shard_rows
from resnet_jax.data.pipeline import Pipeline
from resnet_jax.tables import UserError

ENDLESS = 2**60  # chunks


class Pixels(NamedTuple):
    """A batch as it goes to the devices.

    Attributes:
      images: as bytes; evaluation has a stack of crops for each.
      labels: class of each example.
      mask: False where a row only fills up an evaluation batch.
      flipped: which images are mirrored in the step, where flips alternate; else None.
    """

    images: UInt8[np.ndarray, "batch *crops height width channels"]
    labels: Int32[np.ndarray, "batch"]
    mask: Bool[np.ndarray, "batch"]
    flipped: Bool[np.ndarray, "batch"] | None = None


class StreamedData:
    """One split of an encoded set, decoded as it is needed; see contract.Data.

    Args:
      examples: the images, undecoded.
      mean, std: of each channel, on the scale of [0, 1].
      train_transform, eval_transform: from the content of a file to pixels, on the host.
      sizes: pixels of a side of the training images, by step.
      augmentation: applied to training batches inside the step.
      dtype: of the images in a batch.
      workers: processes that decode; 0: this one decodes.
      shard: see order.shard_rows.
      repeats: see order.repeated.

    Attributes:
      arrays: none; the pixels travel with each batch.
      skipped: images that training could not read, and why.
    """

    def __init__(
        self,
        examples: EncodedSet,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        train_transform: TrainTransform,
        eval_transform: EvalTransform,
        sizes: Resizing,
        augmentation: Augmentation | None = None,
        dtype: Any = jnp.float32,
        workers: int = 0,
        shard: tuple[int, int] = (0, 1),
        repeats: int = 1,
    ):
        self.examples = len(examples)
        self.arrays: dict[str, Array] = {}
        self.skipped: dict[str, str] = {}
        self.size_changes = sizes.changes()
        self._set, self._workers, self._shard = examples, workers, shard
        self._train_transform, self._eval_transform = train_transform, eval_transform
        self._sizes, self._repeats = sizes, repeats
        self._augmentation = augmentation or Augmentation()
        self._normalisation = {"mean": mean, "std": std, "dtype": dtype}
        self._reading: _Reading | None = None

    def train_picks(self, seed: int, step: int, batch_size: int) -> Pixels:
        """Returns this process's rows of the batch of step `step`.

        The batches of the steps that follow are read ahead; asking for another step begins anew.

        Raises:
          UserError: many images in a row can't be read, or the workers die again and again.
        """
        if self._reading is None or self._reading.at != (seed, step, batch_size):
            if self._reading is not None:
                self._reading.chunks.close()
            self._reading = self._read_from(seed, step, batch_size)
        reading = self._reading
        chunks = (self._checked(next(reading.chunks)) for _ in range(reading.per_batch))
        pixels = _joined(chunks, np.ones(reading.rows, bool))
        self._reading = reading._replace(at=(seed, step + 1, batch_size))
        if not self._augmentation.alternating:
            return pixels
        rows = shard_rows(self._shard, batch_size)
        start = step * batch_size + rows.start
        sides = flipped(seed, start, len(rows), self.examples, self._repeats)
        return pixels._replace(flipped=sides)

    def name(self, index: int) -> str:
        """What an example is called, as the path of its file."""
        return self._set.name(index)

    def _read_from(self, seed: int, step: int, batch_size: int) -> _Reading:
        rows = shard_rows(self._shard, batch_size)
        cut = chunks_of(rows)
        function = TrainChunks(
            self._set, self._train_transform, seed, batch_size, cut, self._sizes, self._repeats
        )
        chunks = Pipeline(function, step * len(cut), ENDLESS, workers=self._workers)
        return _Reading((seed, step, batch_size), len(rows), len(cut), chunks)

    def _checked(self, chunk: Chunk) -> Chunk:
        """Logs the images that others replace; raises UserError where none can be read."""
        for name, reason in chunk.unreadable:
            if name not in self.skipped:
                self.skipped[name] = reason
                logging.error(
                    "%s can't be read (%s), and another image takes its place; %d so far",
                    name, reason, len(self.skipped),
                )  # fmt: skip
        if (chunk.labels < 0).any():
            name, reason = chunk.unreadable[-1]
            raise UserError(
                f"{ATTEMPTS} images in a row can't be read, the last of them {name} ({reason}):"
                " see that data.dir is there, whole and readable"
            )
        return chunk

    def eval_picks(self, batch_size: int, multiple: int = 1) -> Iterator[Pixels]:
        """See contract.EvalData; rows that hold no example are zeros.

        Raises:
          UserError: an image can't be read.
        """
        order = EvalOrder.of(self.examples, batch_size, multiple)
        rows = shard_rows(self._shard, order.size)
        cut = chunks_of(rows)
        function = EvalChunks(self._set, self._eval_transform, order, cut)
        pipeline = Pipeline(function, 0, order.batches * len(cut), workers=self._workers)
        try:
            for batch in range(order.batches):
                chunks = (_readable(next(pipeline)) for _ in cut)
                mask = np.arange(len(rows)) < len(order.examples_of(batch, rows))
                yield _joined(chunks, mask)
        finally:
            pipeline.close()

    def train_batch(self, arrays: dict[str, Array], picks: Any, key: Array) -> Batch:
        """Inside a step: normalises and augments."""
        images = normalise(picks.images, **self._normalisation)
        images = self._augmentation(key, images, picks.flipped)
        return Batch(images, picks.labels, picks.mask)

    def eval_batch(self, arrays: dict[str, Array], picks: Any) -> Batch:
        """Inside a step: normalises the views of each image, or the only one."""
        batch, count, *shape = picks.images.shape
        images = normalise(picks.images.reshape(-1, *shape), **self._normalisation)
        if count > 1:
            images = images.reshape(batch, count, *shape)
        return Batch(images, picks.labels, picks.mask)


class _Reading(NamedTuple):
    """Training batches that are being read ahead.

    Attributes:
      at: (seed, step, batch size) of the batch that comes next.
      rows: number of this process's rows in each batch.
      per_batch: number of chunks that these rows are cut into.
    """

    at: tuple[int, int, int]
    rows: int
    per_batch: int
    chunks: Pipeline


def _joined(chunks: Iterable[Chunk], mask: np.ndarray) -> Pixels:
    """Copies the chunks into a batch of as many rows as the mask has."""
    images, labels, start = np.empty(0, np.uint8), np.empty(len(mask), np.int32), 0
    for chunk in chunks:
        if not start:
            images = np.empty((len(mask), *chunk.images.shape[1:]), np.uint8)
        rows = slice(start, start + len(chunk.labels))
        images[rows], labels[rows] = chunk.images, chunk.labels
        start = rows.stop
    return Pixels(images, labels, mask)


def _readable(chunk: Chunk) -> Chunk:
    if chunk.unreadable:
        name, reason = chunk.unreadable[0]
        raise UserError(
            f"{name} can't be read ({reason}), and evaluation leaves no image out: put the whole"
            " file in its place"
        )
    return chunk

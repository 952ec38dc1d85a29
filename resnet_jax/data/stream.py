"""Data sets that stream: images are decoded and cropped on the host, by worker processes, in time.

The batch of step k is a pure function of (seed, k), as in data.resident; a run that goes on at step
k starts to read there. What a batch holds does not depend on how many workers make it, nor on how
many processes of a run share it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from absl import logging
from jaxtyping import Array, Bool, Int32, UInt8

from resnet_jax.data.changes.augment import Augmentation, normalise
from resnet_jax.data.images.encoded import EncodedSet
from resnet_jax.data.parts import (
    ATTEMPTS,
    EvalParts,
    EvalTransform,
    Part,
    Rows,
    TrainParts,
    TrainTransform,
)
from resnet_jax.data.pipeline import Pipeline
from resnet_jax.data.resident import Batch
from resnet_jax.tables import UserError

ENDLESS = 2**60  # parts


class Pixels(NamedTuple):
    """A batch as it goes to the devices.

    Attributes:
      images: as bytes; evaluation has a stack of crops for each.
      labels: class of each example.
      mask: False where a row only fills up an evaluation batch.
    """

    images: UInt8[np.ndarray, "batch *crops height width channels"]
    labels: Int32[np.ndarray, "batch"]
    mask: Bool[np.ndarray, "batch"]


class StreamedData:
    """One split of an encoded set as training and evaluation read it.

    Args:
      examples: the images, undecoded.
      mean, std: of each channel, on the scale of [0, 1].
      train_transform, eval_transform: from the content of a file to pixels, on the host.
      size_at: pixels of a side of the training images in step k.
      size_changes: steps that are the first of another size.
      augmentation: applied to training batches inside the step.
      dtype: of the images in a batch.
      workers: processes that decode; 0 is none beside this one.
      shard: (index, count) of this process; its rows of each batch are the index-th of count equal
        pieces.
      repeats: times that training meets an example in a row.

    Attributes:
      arrays: nothing; the pixels travel with each batch.
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
        size_at: Callable[[int], int],
        size_changes: Sequence[int] = (),
        augmentation: Augmentation | None = None,
        dtype: Any = jnp.float32,
        workers: int = 0,
        shard: tuple[int, int] = (0, 1),
        repeats: int = 1,
    ):
        self.examples = len(examples)
        self.arrays: dict[str, Array] = {}
        self.skipped: dict[str, str] = {}
        self.size_changes = size_changes
        self._set, self._workers, self._shard = examples, workers, shard
        self._train_transform, self._eval_transform = train_transform, eval_transform
        self._size_at, self._repeats = size_at, repeats
        self._augmentation = augmentation or Augmentation()
        self._normalisation = {"mean": mean, "std": std, "dtype": dtype}
        self._reading: _Reading | None = None

    def train_picks(self, seed: int, step: int, batch_size: int) -> Pixels:
        """Returns this process's rows of the batch of step `step`.

        Steps that follow each other are read ahead; any other begins anew there.

        Raises:
          UserError: many images in a row can't be read, or the workers die again and again.
        """
        if self._reading is None or self._reading.at != (seed, step, batch_size):
            if self._reading is not None:
                self._reading.parts.close()
            self._reading = self._read_from(seed, step, batch_size)
        reading = self._reading
        parts = (self._checked(next(reading.parts)) for _ in reading.rows.parts())
        pixels = _joined(parts, np.ones(len(reading.rows.all), bool))
        self._reading = reading._replace(at=(seed, step + 1, batch_size))
        return pixels

    def _read_from(self, seed: int, step: int, batch_size: int) -> _Reading:
        rows = Rows.of_shard(batch_size, self._shard)
        function = TrainParts(
            self._set, self._train_transform, seed, batch_size, rows, self._size_at, self._repeats
        )
        first = step * len(rows.parts())
        parts = Pipeline(function, first, ENDLESS, workers=self._workers)
        return _Reading((seed, step, batch_size), rows, parts)

    def _checked(self, part: Part) -> Part:
        """Logs the images that gave way to others; stops where nothing can be read."""
        for name, reason in part.unreadable:
            if name not in self.skipped:
                self.skipped[name] = reason
                logging.error(
                    "%s can't be read (%s), and another image takes its place; %d so far",
                    name, reason, len(self.skipped),
                )  # fmt: skip
        if (part.labels < 0).any():
            name, reason = part.unreadable[-1]
            raise UserError(
                f"{ATTEMPTS} images in a row can't be read, the last of them {name} ({reason}):"
                " see that data.dir is there, whole and readable"
            )
        return part

    def eval_picks(self, batch_size: int, multiple: int = 1) -> Iterator[Pixels]:
        """Yields every example once; batches are filled up to one size with masked zeros.

        Args:
          batch_size: examples that count in each batch but the last.
          multiple: devices that share a batch; its size is rounded up to a multiple of this.

        Raises:
          UserError: an image can't be read.
        """
        size = -(-min(batch_size, self.examples) // multiple) * multiple
        rows = Rows.of_shard(size, self._shard)
        function = EvalParts(self._set, self._eval_transform, batch_size, rows)
        batches = -(-self.examples // batch_size)
        pipeline = Pipeline(function, 0, batches * len(rows.parts()), workers=self._workers)
        try:
            for batch in range(batches):
                parts = (_readable(next(pipeline)) for _ in rows.parts())
                mask = np.arange(len(rows.all)) < function.counted(batch, rows.all)
                yield _joined(parts, mask)
        finally:
            pipeline.close()

    def train_batch(self, arrays: dict[str, Array], picks: Any, key: Array) -> Batch:
        """Inside a step: normalises and augments."""
        images = normalise(picks.images, **self._normalisation)
        return Batch(self._augmentation(key, images), picks.labels, picks.mask)

    def eval_batch(self, arrays: dict[str, Array], picks: Any) -> Batch:
        """Inside a step: normalises the views of each image, or the only one."""
        batch, count, *shape = picks.images.shape
        images = normalise(picks.images.reshape(-1, *shape), **self._normalisation)
        if count > 1:
            images = images.reshape(batch, count, *shape)
        return Batch(images, picks.labels, picks.mask)


class _Reading(NamedTuple):
    """Training batches that are being read ahead: the (seed, step, batch size) to come next."""

    at: tuple[int, int, int]
    rows: Rows
    parts: Pipeline


def _joined(parts: Iterable[Part], mask: np.ndarray) -> Pixels:
    """Copies the parts into a batch of as many rows as the mask has."""
    images, labels, start = np.empty(0, np.uint8), np.empty(len(mask), np.int32), 0
    for part in parts:
        if not start:
            images = np.empty((len(mask), *part.images.shape[1:]), np.uint8)
        rows = slice(start, start + len(part.labels))
        images[rows], labels[rows] = part.images, part.labels
        start = rows.stop
    return Pixels(images, labels, mask)


def _readable(part: Part) -> Part:
    if part.unreadable:
        name, reason = part.unreadable[0]
        raise UserError(
            f"{name} can't be read ({reason}), and evaluation leaves no image out: put the whole"
            " file in its place"
        )
    return part

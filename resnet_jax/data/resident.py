"""Data sets that live on the devices: a step is sent the numbers of its examples, not the pixels.

The examples of step k are a pure function of (seed, k). A run reads an endless stream: one
permutation of the training set after another, cut into batches, so a batch may span two epochs and
none is short.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32

from resnet_jax.data.changes.augment import Augmentation, normalise
from resnet_jax.data.order import repeated
from resnet_jax.data.sources.decoded import ImageSet


class Batch(NamedTuple):
    """What a step computes on.

    Attributes:
      images: normalised.
      labels: class of each example.
      mask: False where an example only fills up an evaluation batch.
    """

    images: Float[Array, "batch height width channels"]
    labels: Int32[Array, "batch"]
    mask: Bool[Array, "batch"]


class Picks(NamedTuple):
    """The numbers of a batch's examples, and which of them count."""

    indices: Int32[np.ndarray, "batch"]
    mask: Bool[np.ndarray, "batch"]


class ResidentData:
    """One split of a data set as training and evaluation read it.

    Args:
      image_set: the examples.
      mean, std: of each channel, on the scale of [0, 1].
      augmentation: applied to training batches.
      dtype: of the images in a batch.
      repeats: see order.repeated.
      shard: (index, count): this process reads part `index` of `count` equal, consecutive parts of
        every batch.

    Attributes:
      arrays: what must lie on the devices; handed back to the methods that run inside a step.
      size_changes: see stream.StreamedData; images here have one size.
    """

    size_changes: tuple[int, ...] = ()

    def __init__(
        self,
        image_set: ImageSet,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        augmentation: Augmentation | None = None,
        dtype: Any = jnp.float32,
        shard: tuple[int, int] = (0, 1),
        repeats: int = 1,
    ):
        self._shard, self._repeats = shard, repeats
        self.examples = len(image_set.labels)
        self.arrays = {"images": image_set.images, "labels": image_set.labels}
        self._augmentation = augmentation or Augmentation()
        self._normalisation = {"mean": mean, "std": std, "dtype": dtype}

    def train_picks(self, seed: int, step: int, batch_size: int) -> Picks:
        """Returns this process's examples of step `step`, for the host to send to the devices."""
        rows = part(self._shard, batch_size)
        start = step * batch_size + rows.start
        indices = repeated(seed, start, len(rows), self.examples, self._repeats)
        return Picks(indices, np.ones(len(rows), bool))

    def eval_picks(self, batch_size: int, multiple: int = 1) -> Iterator[Picks]:
        """Yields every example once; batches are filled up to one size with masked examples.

        Each holds this process's part of the batch.

        Args:
          batch_size: examples that count in each batch but the last.
          multiple: devices that share a batch; its size is rounded up to a multiple of this.
        """
        size = -(-min(batch_size, self.examples) // multiple) * multiple
        rows = part(self._shard, size)
        for start in range(0, self.examples, batch_size):
            count = min(batch_size, self.examples - start)
            places = np.arange(rows.start, rows.stop, dtype=np.int32)
            mask = places < count
            yield Picks(np.where(mask, start + places, start).astype(np.int32), mask)

    def train_batch(self, arrays: dict[str, Array], picks: Any, key: Array) -> Batch:
        """Inside a step: gathers and augments the picked examples."""
        batch = self.eval_batch(arrays, picks)
        return batch._replace(images=self._augmentation(key, batch.images))

    def eval_batch(self, arrays: dict[str, Array], picks: Any) -> Batch:
        """Inside a step: gathers the picked examples."""
        images = normalise(arrays["images"][picks.indices], **self._normalisation)
        return Batch(images, arrays["labels"][picks.indices], picks.mask)


def part(shard: tuple[int, int], batch_size: int) -> range:
    """The rows of a batch that belong to part `index` of `count` equal, consecutive ones."""
    index, count = shard
    return range(index * batch_size // count, (index + 1) * batch_size // count)

"""Which examples stand in which rows of which batch, in training and in evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Bool, Int32


class Indices(NamedTuple):
    """The numbers of a batch's examples, and which of them count.

    Attributes:
      flipped: which are mirrored, where flips alternate; else None.
    """

    indices: Int32[np.ndarray, "batch"]
    mask: Bool[np.ndarray, "batch"]
    flipped: Bool[np.ndarray, "batch"] | None = None


def stream(seed: int, start: int, count: int, examples: int) -> np.ndarray:
    """Returns `count` numbers of examples, int32, from position `start` of an endless stream on.

    The stream is one permutation of the examples after another.
    """
    positions = np.arange(start, start + count)
    epochs, places = np.divmod(positions, examples)
    indices = np.empty(count, np.int32)
    for epoch in np.unique(epochs):
        here = epochs == epoch
        indices[here] = _permutation(seed, int(epoch), examples)[places[here]]
    return indices


def repeated(seed: int, start: int, count: int, examples: int, repeats: int) -> np.ndarray:
    """Returns the same of a stream in which each example stands `repeats` times in a row.

    Repeated augmentation: Hoffer et al., arXiv 1901.09335; Berman et al., arXiv 1902.05509. So
    every example comes once in `repeats` epochs. The samplers of timm and torchvision draw a new
    permutation for each epoch and stop after its first share of 1 / repeats, so that some examples
    come in several of these epochs and others in none.
    """
    places = np.arange(start, start + count) // repeats
    first = int(places[0])
    return stream(seed, first, int(places[-1]) + 1 - first, examples)[places - first]


def flipped(seed: int, start: int, count: int, examples: int, repeats: int = 1) -> np.ndarray:
    """Returns which images of `repeated` are mirrored where flips alternate, as booleans.

    An example is mirrored every second time that it stands in the stream; whether it is the first
    time is drawn for each. So two epochs show both sides of every image, where flips that are drawn
    anew show one side twice in half of the cases. Jordan, arXiv 2404.00498, in airbench94.py.
    """
    places, copies = np.divmod(np.arange(start, start + count), repeats)
    times = places // examples * repeats + copies
    indices = repeated(seed, start, count, examples, repeats)
    return _flipped_first(seed, examples)[indices] ^ (times % 2 == 1)


@lru_cache(maxsize=2)
def _flipped_first(seed: int, examples: int) -> np.ndarray:
    # A child of the seed, so that no epoch's permutation is drawn from the same numbers.
    draw = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    return draw.random(examples) < 0.5


@lru_cache(maxsize=2)
def _permutation(seed: int, epoch: int, examples: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(examples).astype(np.int32)


def shard_rows(shard: tuple[int, int], batch_size: int) -> range:
    """The rows of a batch that belong to process `index` of `count`: an equal, consecutive share.

    Args:
      shard: (index, count).
    """
    index, count = shard
    share, rest = divmod(batch_size, count)
    if rest:
        raise ValueError(f"{count} processes can't share a batch of {batch_size}")
    return range(index * share, (index + 1) * share)


@dataclass(frozen=True)
class EvalOrder:
    """How evaluation cuts a split into batches of one size, so that every example counts once.

    Attributes:
      examples: in the split.
      counted: examples in each batch but the last, which has those that are left.
      size: rows of every batch; the rows after the examples only fill it up.
    """

    examples: int
    counted: int
    size: int

    @classmethod
    def of(cls, examples: int, batch_size: int, multiple: int) -> EvalOrder:
        """Batches of at most `batch_size` examples, their rows a multiple of `multiple`."""
        counted = min(batch_size, examples)
        return cls(examples, counted, -(-counted // multiple) * multiple)

    @property
    def batches(self) -> int:
        """Number of batches."""
        return -(-self.examples // self.counted)

    def examples_of(self, batch: int, rows: range) -> range:
        """The examples in the first of these rows of a batch; the other rows hold none."""
        start = batch * self.counted
        stop = min(start + self.counted, self.examples)
        return range(min(start + rows.start, stop), min(start + rows.stop, stop))


def eval_indices(
    examples: int, batch_size: int, multiple: int, shard: tuple[int, int] = (0, 1)
) -> Iterator[Indices]:
    """Yields a process's rows of every evaluation batch, see contract.EvalData.eval_picks."""
    order = EvalOrder.of(examples, batch_size, multiple)
    rows = shard_rows(shard, order.size)
    for batch in range(order.batches):
        found = order.examples_of(batch, rows)
        # Rows that hold no example repeat the first one of the batch.
        indices = np.full(len(rows), batch * order.counted, np.int32)
        indices[: len(found)] = found
        yield Indices(indices, np.arange(len(rows)) < len(found))

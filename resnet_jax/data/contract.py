"""What every kind of data gives a step: the picks of a batch, and the batch made of them.

This module imports nothing of the project, so that the room `training` may know it without knowing
any data.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from jaxtyping import Array, Bool, Float, Int32

Tree = Any


class Batch(NamedTuple):
    """The examples that a step computes on.

    Attributes:
      images: normalised; evaluation may have several views of each, [batch, views, ...].
      labels: class of each example.
      mask: False where a row only fills up an evaluation batch.
    """

    images: Float[Array, "batch *views height width channels"]
    labels: Int32[Array, "batch"]
    mask: Bool[Array, "batch"]


class Picks(Protocol):
    """What the host sends to the devices for one batch: a pytree of arrays with a row an example.

    Data on the devices need the numbers of the examples alone (data.order.Indices), other data send
    their pixels (data.stream.Pixels).
    """

    @property
    def mask(self) -> Bool[Any, "batch"]:
        """See Batch."""
        ...


class EvalData(Protocol):
    """A split as evaluation reads it."""

    @property
    def examples(self) -> int:
        """Number of examples in the split."""
        ...

    @property
    def arrays(self) -> Tree:
        """Arrays to put on the devices; `eval_batch` and `train_batch` take them as `arrays`."""
        ...

    def eval_picks(self, batch_size: int, multiple: int) -> Iterator[Picks]:
        """Yields this process's rows of every batch; each example counts in exactly one of them.

        Args:
          batch_size: examples that count in each batch but the last.
          multiple: devices that share a batch; its size is rounded up to a multiple of this.
        """
        ...

    def eval_batch(self, arrays: Tree, picks: Any) -> Batch:
        """Inside a step: the batch of these picks, not augmented."""
        ...


class Data(EvalData, Protocol):
    """A split as training and evaluation read it."""

    @property
    def size_changes(self) -> Sequence[int]:
        """Each step at which the size of the training images changes."""
        ...

    def train_picks(self, seed: int, step: int, batch_size: int) -> Picks:
        """This process's rows of the batch of step `step`: a pure function of (seed, step)."""
        ...

    def train_batch(self, arrays: Tree, picks: Any, key: Array) -> Batch:
        """Inside a step: the batch of these picks, augmented."""
        ...

"""Data whose classes are known before they are read: labels are mapped by the names of classes."""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from resnet_jax.data.images.encoded import EncodedSet
from resnet_jax.data.sources.catalogue import Source
from resnet_jax.data.sources.decoded import ImageSet
from resnet_jax.tables import UserError, nearest


class Renumbered:
    """A set whose labels have new numbers; see encoded.EncodedSet.

    Args:
      numbers: the new label of labels 0, 1, ...
    """

    def __init__(self, examples: EncodedSet, numbers: Sequence[int]):
        self._examples, self._numbers = examples, np.array(numbers, np.int32)

    def __len__(self) -> int:
        return len(self._examples)

    def read(self, index: int) -> tuple[bytes, int]:
        encoded, label = self._examples.read(index)
        return encoded, int(self._numbers[label])

    def name(self, index: int) -> str:
        return self._examples.name(index)


def with_classes(
    open: Callable[[], Source],
    class_names: tuple[str, ...],
    image_shape: tuple[int, int, int],
    photographs: bool,
) -> Source:
    """A source whose classes were known before: it is opened with its first split.

    Args:
      open: the source as it is now; its labels are mapped by the names of their classes.
    """
    opened = cache(open)

    def load(split: str) -> ImageSet | EncodedSet:
        source = opened()
        return renumbered(source.load(split), source.class_names, class_names)

    return Source(image_shape, class_names, load, photographs)


def renumbered(
    examples: ImageSet | EncodedSet, found: Sequence[str], wanted: Sequence[str]
) -> ImageSet | EncodedSet:
    """The examples with the labels of other classes.

    Args:
      found: names of the labels that the examples have.
      wanted: names of the labels that they get.

    Raises:
      UserError: a name is not among the wanted ones.
    """
    if tuple(found) == tuple(wanted):
        return examples
    numbers = {name: number for number, name in enumerate(wanted)}
    for name in found:
        if name not in numbers:
            raise UserError(
                f"'{name}' is a class of the data and none of the {len(wanted)} that the network"
                f" was trained on{nearest(name, wanted)}: give data of those classes"
            )
    table = np.array([numbers[name] for name in found], np.int32)
    if isinstance(examples, ImageSet):
        return examples._replace(labels=table[examples.labels])
    return Renumbered(examples, table.tolist())

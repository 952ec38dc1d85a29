"""What makes a run the run that it is: its configuration, and what it knows of its data.

It lies in the run's folder, and in every checkpoint as well: so a checkpoint can't be taken for one
of another run, and a network knows its classes where its data are not at hand.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from resnet_jax.assembly.keys import defaults
from resnet_jax.data.changes.augment import AUGMENTATIONS

# Keys that may stand in a configuration where they change nothing.
OFF = {f"data.{name}" for name in AUGMENTATIONS}


class DataFacts(NamedTuple):
    """What a run has to know of its data when they are not at hand, or have changed.

    Attributes:
      class_names: of labels 0, 1, ...
      image_shape: height, width and channels of the images that the network trains on.
      photographs: whether they are cut out of images of any size.
      examples: number of training images.
    """

    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    photographs: bool
    examples: int

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> Self:
        """The facts that `as_json` returned; raises KeyError, TypeError or ValueError."""
        names, (height, width, channels) = values["class_names"], values["image_shape"]
        if not all(isinstance(name, str) for name in names):
            raise TypeError("a class name is no text")
        photographs, examples = bool(values["photographs"]), int(values["examples"])
        return cls(tuple(names), (height, width, channels), photographs, examples)

    def as_json(self) -> dict[str, Any]:
        return {
            "class_names": list(self.class_names),
            "image_shape": list(self.image_shape),
            "photographs": self.photographs,
            "examples": self.examples,
        }


class Identity(NamedTuple):
    """A run's identity.

    Attributes:
      config: every key that changes what the run computes, flat; see keys.facts.
      data: None for a run that was begun before runs knew their data.
    """

    config: Mapping[str, Any]
    data: DataFacts | None

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> Self:
        """The identity that `as_json` returned; raises KeyError, TypeError or ValueError."""
        return cls(dict(values["config"]), DataFacts.of_json(values["data"]))

    def as_json(self) -> dict[str, Any]:
        data = None if self.data is None else self.data.as_json()
        return {"config": dict(self.config), "data": data}

    def unlike(self, stored: Mapping[str, Any]) -> str:
        """How another run's identity, as JSON, differs from this one's; '' where it does not."""
        other = Identity.of_json(stored)
        found = changes(other.config, self.config)
        if self.data is not None and self.data != other.data:
            found.append("its classes or images are others")
        return "; ".join(found)


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The keys that differ, as 'seed was 0 and is 1'.

    Args:
      before, now: see Identity.config; an older version's lack the keys that came later. An
        augmentation that is off counts as one that is not named.
    """
    before = {**{key: value for key, value in defaults().items() if key in now}, **before}
    before, now = (
        {key: value for key, value in facts.items() if value or key not in OFF}
        for facts in (before, now)
    )
    return [
        f"{key} was {before.get(key)} and is {now.get(key)}"
        for key in sorted({*before, *now})
        if before.get(key) != now.get(key)
    ]

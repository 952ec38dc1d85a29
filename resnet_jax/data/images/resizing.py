"""Progressive resizing: training images grow in the course of a run."""

import math
from dataclasses import dataclass

from resnet_jax.tables import UserError

# Pixels between two sizes. The step is compiled anew for each size.
PIXELS = 32


@dataclass(frozen=True)
class Resizing:
    """The side of the training images in each step, in pixels.

    The side grows linearly and is rounded to a multiple of PIXELS, as in FFCV's ImageNet code
    (Howard, fast.ai, 2018, was the first to train ImageNet with growing images). So there are at
    most 1 + ceil((last - first) / PIXELS) sizes.

    Attributes:
      first, last: pixels.
      start, end: steps between which the images grow.
    """

    first: int
    last: int
    start: int
    end: int

    def __call__(self, step: int) -> int:
        if step >= self.end:
            return self.last
        if step <= self.start:
            return self.first
        grown = (self.last - self.first) * (step - self.start) / (self.end - self.start)
        return min(self.first + PIXELS * math.floor(grown / PIXELS + 0.5), self.last)

    def changes(self) -> list[int]:
        """The first step of each size but the first."""
        steps = range(max(self.start, 1), self.end + 1)
        return [step for step in steps if self(step) != self(step - 1)]


def resizing(first: int | None, last: int, growth: tuple[float, float], steps: int) -> Resizing:
    """The sizes of a run.

    Args:
      first: None means `last`: images that do not grow.
      growth: fractions of the run between which the images grow.
      steps: of the run.

    Raises:
      UserError: the images would shrink, or `growth` is not two rising fractions.
    """
    if first is not None and first > last:
        raise UserError(
            f"data.first_size={first} is more than the {last} pixels of data.image_size: images can"
            " only grow"
        )
    if len(growth) != 2 or not 0 <= growth[0] < growth[1] <= 1:
        raise UserError(
            f"data.growth={tuple(growth)} must be two rising fractions of the training from 0 to 1"
        )
    if first is None:
        return Resizing(last, last, 0, 0)
    start, end = (round(fraction * steps) for fraction in growth)
    return Resizing(first, last, start, end)

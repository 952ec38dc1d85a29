"""What an annotation can demand beside a type, as in Annotated[int, Interval(0, 10)]."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise
from typing import Any


class Misfit(ValueError):
    """A value outside its domain; the message, if any, adds to what the domain's words say."""


class Constraint:
    """What an annotation demands beside a type, as in Annotated[int, Interval(0, 10)]."""

    def check(self, value: Any) -> None:
        """Raises Misfit, or a UserError of its own, where the value is not allowed."""
        raise NotImplementedError

    def words(self, kind: str) -> str:
        """What is allowed, in words, from those for the type alone."""
        raise NotImplementedError


@dataclass(frozen=True)
class Interval(Constraint):
    """The numbers from `low` to `high`; `above` and `below` leave these two out."""

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False

    def check(self, value: float) -> None:
        if not (self.low < value if self.above else self.low <= value):
            raise Misfit
        if not (value < self.high if self.below else value <= self.high):
            raise Misfit

    def words(self, kind: str) -> str:
        low = f"{'above' if self.above else 'of at least'} {self.low:,}"
        high = f"{'below' if self.below else 'at most'} {self.high:,}"
        if self.low == self.high:
            return f"{self.low:,}"
        if self.high == math.inf:
            return f"{kind} {low}"
        if self.low == -math.inf:
            return f"{kind} {high}"
        kind = kind.replace("a finite", "a")
        if self.above or self.below:
            return f"{kind} {low} and {high}"
        return f"{kind} from {self.low:,} to {self.high:,}"


@dataclass(frozen=True)
class Rising(Constraint):
    """Numbers none of which is less than the one before; `strictly`: nor equal to it."""

    strictly: bool = False

    def check(self, value: tuple[float, ...]) -> None:
        for before, after in pairwise(value):
            if not (before < after if self.strictly else before <= after):
                raise Misfit

    def words(self, kind: str) -> str:
        return f"{kind}, {'each larger' if self.strictly else 'none less'} than the one before"


@dataclass(frozen=True)
class Odd(Constraint):
    """Odd numbers."""

    def check(self, value: int) -> None:
        if not value % 2:
            raise Misfit

    def words(self, kind: str) -> str:
        return kind.replace("a whole", "an odd")


class Among(Constraint):
    """The names of a collection."""

    def __init__(self, names: Collection[str]):
        self._names = names

    def check(self, value: str) -> None:
        if value not in self._names:
            raise Misfit

    def words(self, kind: str) -> str:
        return f"one of {', '.join(self._names)}"

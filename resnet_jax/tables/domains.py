"""Which values an option of a row, or a key of a configuration, may have: its annotation says it.

    def sgd(update: Update, momentum: BelowOne = 0.9)

An annotation is a name of this module, `bool`, `str`, `int`, `float` (any finite number), a
Literal, a tuple of these, or one of them `| None`. Every other annotation allows every value.
"""

import collections.abc
import math
import numbers
import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any

from resnet_jax.tables.constraints import Constraint, Interval, Misfit, Odd
from resnet_jax.tables.errors import UserError
from resnet_jax.tables.literals import literal, shown

# float32, in which everything is computed: its largest number and its smallest normal one.
LARGEST, SMALLEST = (2 - 2**-23) * 2.0**127, 2.0**-126


# Steps, examples and places are counted in int32.
MOST = 2**31 - 1
Count = Annotated[int, Interval(0, MOST)]
PositiveInt = Annotated[int, Interval(1, MOST)]
Pixels = Annotated[int, Interval(1, 2**13)]
Kernel = Annotated[int, Interval(1, 99), Odd()]
# JAX drops what a seed has above 32 bits, so that two seeds would be one.
Seed = Annotated[int, Interval(0, 2**32 - 1)]
NonNegative = Annotated[float, Interval(0)]
Positive = Annotated[float, Interval(0, above=True)]
Probability = Annotated[float, Interval(0, 1)]
Share = Annotated[float, Interval(0, 1, above=True)]
BelowOne = Annotated[float, Interval(0, 1, below=True)]


def checked(value: Any, annotation: Any, what: str) -> Any:
    """Returns the value in its type: a whole number as a float where that is asked for.

    Args:
      what: is given this value, in words.

    Raises:
      UserError: the annotation does not allow it; the sentence says what is valid.
    """
    try:
        return _fitted(value, annotation)
    except Misfit as misfit:
        why = f": {misfit}" if str(misfit) else ""
        raise UserError(f"{what}={shown(value)} must be {words(annotation)}{why}") from None


def allows(annotation: Any, value: Any) -> bool:
    """Whether the annotation allows the value."""
    try:
        checked(value, annotation, "")
    except UserError:
        return False
    return True


def read(text: str, annotation: Any, what: str) -> Any:
    """Returns the value of text, which is written as in Python; text that is none is a string.

    Raises:
      UserError: as `checked`.
    """
    value = literal(text)
    kinds = tuple(_kinds(annotation))
    if bool in kinds and text in ("true", "false"):
        value = text == "true"
    elif (
        str in kinds
        and type(value) not in kinds
        and not isinstance(value, str | collections.abc.Mapping | tuple | list)
    ):
        value = text
    return checked(value, annotation, what)


def of_text(annotation: str) -> Any:
    """The annotation that is written so, with this module's names, in a file of this package."""
    return eval(annotation, {**vars(typing), **globals()})


def is_optional(annotation: Any) -> bool:
    """Whether the value may be None."""
    return types.NoneType in _kinds(annotation)


def kind_of(annotation: Any) -> Any:
    """The type that an annotation allows beside None; `object` where there are several."""
    kinds = set(_kinds(annotation)) - {types.NoneType}
    return kinds.pop() if len(kinds) == 1 else object


def constraints(annotation: Any) -> Iterator[Constraint]:
    """The constraints on the value itself, not on values inside it."""
    if typing.get_origin(annotation) is Annotated:
        yield from (fact for fact in annotation.__metadata__ if isinstance(fact, Constraint))
    for inner in _alternatives(annotation):
        yield from constraints(inner)


def words(annotation: Any) -> str:
    """What an annotation allows, in words, as in 'must be a number above 0'."""
    origin, inside = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        said = words(inside[0])
        for fact in inside[1:]:
            said = fact.words(said) if isinstance(fact, Constraint) else said
        return said
    if _alternatives(annotation):
        return " or ".join(dict.fromkeys(map(words, _alternatives(annotation))))
    if origin is typing.Literal:
        return f"one of {', '.join(map(str, inside))}"
    if origin in _SEQUENCES:
        return _words_of_tuple(inside)
    return _WORDS.get(origin or annotation, "a value")


_SEQUENCES = (tuple, list, collections.abc.Sequence)
_WORDS = {
    bool: "True or False",
    int: "a whole number",
    float: "a finite number",
    str: "text",
    tuple: "a tuple",
    collections.abc.Mapping: "a mapping of its name and options",
    types.NoneType: "None",
}


def _words_of_tuple(inside: tuple[Any, ...]) -> str:
    if _of_any_length(inside):
        return f"a tuple, each value of it {words(inside[0])}"
    if len(set(inside)) == 1:
        return f"a tuple of {len(inside)} values, each {words(inside[0])}"
    return f"a tuple of {len(inside)} values: {'; '.join(map(words, inside))}"


def _of_any_length(inside: tuple[Any, ...]) -> bool:
    return len(inside) == 1 or inside[1:] == (...,)


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    """The parts of a union; none for everything else."""
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return typing.get_args(annotation) if union else ()


def _kinds(annotation: Any) -> Iterator[Any]:
    """The types that the annotation allows."""
    origin, inside = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        yield from _kinds(inside[0])
    elif _alternatives(annotation):
        for one in inside:
            yield from _kinds(one)
    elif origin is typing.Literal:
        yield from map(type, inside)
    else:
        yield tuple if origin in _SEQUENCES else origin or annotation


def _fitted(value: Any, annotation: Any) -> Any:
    """The value in its type; raises Misfit."""
    origin, inside = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        value = _fitted(value, inside[0])
        for fact in inside[1:]:
            if isinstance(fact, Constraint):
                fact.check(value)
        return value
    if _alternatives(annotation):
        return _fitted_to_one(value, inside)
    if origin is typing.Literal:
        if value not in inside:
            raise Misfit
        return value
    if origin in _SEQUENCES:
        return _fitted_values(value, inside)
    return _fitted_to_type(value, origin or annotation)


def _fitted_to_one(value: Any, alternatives: tuple[Any, ...]) -> Any:
    if value is None and types.NoneType in alternatives:
        return None
    misfit = Misfit()
    for one in alternatives:
        try:
            return _fitted(value, one)
        except Misfit as error:
            misfit = error if str(error) else misfit
    raise misfit


def _fitted_values(value: Any, inside: tuple[Any, ...]) -> tuple[Any, ...]:
    if not isinstance(value, tuple | list):
        raise Misfit
    if _of_any_length(inside):
        inside = inside[:1] * len(value)
    elif len(value) != len(inside):
        raise Misfit(f"it has {len(value)}")
    return tuple(map(_fitted, value, inside))


def _fitted_to_type(value: Any, kind: Any) -> Any:
    if kind is float:
        return _number(value)
    if kind is int:
        if isinstance(value, bool) or not isinstance(value, numbers.Integral):
            raise Misfit
        return int(value)
    if kind is str:
        if not isinstance(value, str) or "\0" in value:
            raise Misfit
        return str(value)
    if kind is tuple and isinstance(value, list):
        return tuple(value)
    if kind in _WORDS and not isinstance(value, kind):
        raise Misfit
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise Misfit
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise Misfit
    if not abs(found) <= LARGEST:
        raise Misfit(f"float32 ends at {LARGEST:.2g}")
    if 0 < abs(found) < SMALLEST:
        raise Misfit(f"float32 has 0 in its place, since its numbers begin at {SMALLEST:.2g}")
    return found

"""What annotations allow, and the words for it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resnet_jax.tables import Choice, Table, UserError, annotations_of, domains
from resnet_jax.tables.constraints import Among, Interval, Rising
from resnet_jax.tables.domains import (
    BelowOne,
    Count,
    Kernel,
    Positive,
    PositiveInt,
    Probability,
    Seed,
    Share,
)

TABLE = Table("colour", {"red": lambda x, depth=1: x, "green": lambda x: x})
Size = Annotated[float, Interval(1.5, 2.5)]
Steps = Annotated[tuple[Share, ...], Rising(strictly=True)]


@pytest.mark.parametrize(
    ("annotation", "allowed", "refused", "words"),
    [
        (int, [-3, 0, 2**70], [1.0, True, "1", None], "a whole number"),
        (float, [-3, 0.5], [math.nan, math.inf, True, "1", 1j, 1e39, 10**400], "a finite number"),
        (bool, [True, False], [0, 1, "True"], "True or False"),
        (str, ["", "a"], [0, None, b"a", "a\0"], "text"),
        (Count, [0, 2**31 - 1], [-1, 2**31, 0.0, False], "a whole number from 0 to 2,147,483,647"),
        (PositiveInt, [1], [0], "a whole number from 1 to 2,147,483,647"),
        (Seed, [0, 2**32 - 1], [-1, 2**32], "a whole number from 0 to 4,294,967,295"),
        (Kernel, [1, 3, 99], [0, 2, 101, -1], "an odd number from 1 to 99"),
        (Positive, [1e-30, 5], [0, 0.0, -1, 1e-45], "a finite number above 0"),
        (Probability, [0, 0.5, 1], [-0.1, 1.1, math.nan], "a number from 0 to 1"),
        (Share, [0.1, 1], [0, 1.1], "a number above 0 and at most 1"),
        (BelowOne, [0, 0.9], [1, -0.1], "a number of at least 0 and below 1"),
        (Size, [1.5, 2.5], [1.4, 2.6], "a number from 1.5 to 2.5"),
        (int | None, [None, 3], ["None", 0.5], "a whole number or None"),
        (Literal["a", "b"], ["a"], ["c", None, 0], "one of a, b"),
        (Annotated[str, Among(["a", "b"])], ["b"], ["c", 0], "one of a, b"),
        (Sequence[int], [(), [1, 2]], [1, "12", (0.5,)],
         "a tuple, each value of it a whole number"),
        (tuple[Share, Share], [(0.1, 1)], [(0.1,), (0, 1), (1, 1, 1)],
         "a tuple of 2 values, each a number above 0 and at most 1"),
        (tuple[int, str], [(1, "a")], [("a", 1)], "a tuple of 2 values: a whole number; text"),
        (Steps, [(), (0.5,), (0.1, 0.2)], [(0.2, 0.1), (0.1, 0.1), (0,)],
         "a tuple, each value of it a number above 0 and at most 1, each larger than the one"),
        (Any, [None, 1, "a", object()], [], "a value"),
    ],
)  # fmt: skip
def test_what_an_annotation_allows_and_says(annotation, allowed, refused, words):
    for value in allowed:
        assert domains.checked(value, annotation, "x") == (
            tuple(value) if isinstance(value, list) else value
        )
    for value in refused:
        with pytest.raises(UserError) as raised:
            domains.checked(value, annotation, "x")
        assert f" must be {words}" in str(raised.value)
    assert domains.words(annotation).startswith(words)


def test_a_sentence_tells_a_number_that_is_none_from_one_that_float32_does_not_have():
    for value, end in ((math.nan, "number"), (1e39, "float32 ends at 3.4e+38"), (1e-45, "1.2e-38")):
        with pytest.raises(UserError) as raised:
            domains.checked(value, float, "x")
        assert str(raised.value).endswith(end)


@pytest.mark.parametrize(
    ("value", "annotation", "kind"),
    [(1, float, float), (np.float32(0.5), float, float), (np.int64(3), int, int),
     (Fraction(1, 4), Share, float), ([1, 2], tuple[int, ...], tuple)],
)  # fmt: skip
def test_a_value_gets_the_type_of_its_domain(value, annotation, kind):
    assert type(domains.checked(value, annotation, "x")) is kind


def test_a_row_is_chosen_with_valid_options():
    choice = Annotated[Choice, TABLE]
    for value in ("red", {"name": "red", "depth": 2}):
        assert domains.checked(value, choice, "x") == value
    assert domains.words(choice) == "one of red, green"
    with pytest.raises(UserError, match=r"unknown colour 'rad' \(did you mean 'red'"):
        domains.checked("rad", choice, "x")
    with pytest.raises(UserError, match=r"colour 'red' option depth=0\.5 must be a whole number"):
        domains.checked({"name": "red", "depth": 0.5}, choice, "x")
    with pytest.raises(UserError, match="x=3 must be one of red, green"):
        domains.checked(3, choice, "x")


@pytest.mark.parametrize(
    ("text", "annotation", "value"),
    [
        ("3", int, 3), ("3", str, "3"), ("3", float, 3.0), ("None", str | None, None),
        ("None", str, "None"), ("true", bool, True), ("False", bool, False), ("'a'", str, "a"),
        ("(1,2)", tuple[int, ...], (1, 2)), ("[1, 2]", tuple[int, ...], (1, 2)),
        ("1e-3", Share, 1e-3), ("a b", str, "a b"), 
        ("True", bool | Literal["half"], True), ("half", bool | Literal["half"], "half"),
        ("{'name': 'red'}", Choice, {"name": "red"}),
    ],
)  # fmt: skip
def test_text_is_read_as_its_domain_has_it(text, annotation, value):
    found = domains.read(text, annotation, "x")
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    ["__import__('os').getcwd()", "(1).real", "[x for x in (1, 2)]", "{[]: 1}", "(" * 300,
     "lambda: 1", "-" * 3_000 + "1", "9" * 5_000, "f'{1}'", "1 if 1 else 2", "'a"],
)  # fmt: skip
def test_text_that_is_code_or_no_value_is_never_run(text):
    with pytest.raises(UserError, match=r"^x=.* must be a tuple") as raised:
        domains.read(text, tuple[float, ...], "x")
    assert len(str(raised.value)) < 200


def test_a_number_of_thousands_of_digits_is_refused_in_a_short_sentence():
    """Python refuses to write an integer of more than 4,300 digits."""
    with pytest.raises(UserError, match="x=a number of thousands of digits must be"):
        domains.read("0x" + "f" * 10_000, Count, "x")


@given(st.floats(allow_nan=True) | st.integers() | st.text() | st.none() | st.booleans())
def test_an_interval_holds_just_the_numbers_between_its_ends(value):
    number = isinstance(value, int | float) and not isinstance(value, bool)
    # Numbers that float32 can't tell from 0 are none.
    inside = number and 0 <= value <= 1 and (value == 0 or value >= 2.0**-126)
    assert domains.allows(Probability, value) == bool(inside)


def test_the_domain_of_an_option_is_its_annotation_or_the_type_of_its_default():
    def row(x, a, *, b: Share = 0.5, c=1, d=None, e: "Count" = 2, f: "Unknown" = 3, g=(1,)):  # noqa: F821
        return x

    found = annotations_of(row)
    assert found == {
        "x": Any, "a": Any, "b": Share, "c": int, "d": Any, "e": Count, "f": Any, "g": tuple
    }  # fmt: skip
    assert annotations_of(partial(row, b=0.25))["e"] == Count


@dataclass(frozen=True)
class Record:
    """A row that is a class."""

    size: "Share | None" = None


def test_the_domain_of_a_class_s_options_is_that_of_its_fields():
    assert annotations_of(Record) == {"size": Share | None}


def test_an_option_outside_its_domain_is_refused_where_a_row_is_chosen():
    table = Table("gate", {"one": lambda x, share=0.5: x})
    with pytest.raises(UserError, match="gate 'one' option share='a' must be a finite number"):
        table.choose({"name": "one", "share": "a"})
    with pytest.raises(UserError, match="gate 'one' option share=nan must be a finite number"):
        table.choose({"name": "one", "share": math.nan})

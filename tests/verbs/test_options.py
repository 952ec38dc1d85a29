"""Options of rows as flags, read from source that is not imported."""

import re

import pytest
from absl import flags

from resnet_jax.tables import UserError
from resnet_jax.verbs import options

SOURCE = '''"""Counts what there is: {name}."""
raise ImportError("this file is not imported")

def study(subject, {parameters}):
    """Counts.

    Args:
      points: on each
        side.
    """
'''
PARAMETERS = {
    "one": "*, points: PositiveInt = 3, reach: Positive = 1.5, other: 'Subject | None' = None",
    "two": "points: PositiveInt = 4, *, corrupted: Count = 500, kept: Share = 0.25,"
    " fast: bool = True",
}


@pytest.fixture
def rows(tmp_path):
    for name, parameters in PARAMETERS.items():
        (tmp_path / f"{name}.py").write_text(SOURCE.format(name=name, parameters=parameters))
    return options.of_files(sorted(tmp_path.glob("*.py")), "study")


@pytest.fixture
def given(rows):
    def parse(name, *arguments):
        values = flags.FlagValues()
        options.define(values, rows)
        values(["x", *arguments])
        return options.given(values, rows, name, "analysis")

    return parse


def test_a_row_is_read_from_its_source(rows):
    assert rows["one"].line == "Counts what there is: one."
    assert rows["one"].defaults == {"points": 3, "reach": 1.5, "other": None}
    assert rows["two"].defaults == {"points": 4, "corrupted": 500, "kept": 0.25, "fast": True}
    assert options.listed(rows).splitlines() == [
        "  one --points=3 --reach=1.5 --other=...",
        "      Counts what there is: one.",
        "  two --points=4 --corrupted=500 --kept=0.25 --fast=True",
        "      Counts what there is: two.",
    ]


def test_a_flag_says_whose_option_it_is(rows):
    values = flags.FlagValues()
    options.define(values, rows)
    assert values["points"].help == "Of one, two: on each side."
    assert values["kept"].help == "Of two."


def test_options_have_the_types_of_their_annotations(given):
    assert given("one") == {}
    assert given("one", "--points=5", "--reach=2", "--other=runs/x") == {
        "points": 5, "reach": 2.0, "other": "runs/x",
    }  # fmt: skip
    assert given("two", "--corrupted=0", "--kept=1", "--nofast") == {
        "corrupted": 0, "kept": 1.0, "fast": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "flag", "sentence"),
    [
        ("three", "--points=1", "unknown analysis 'three'"),
        ("one", "--kept=0.5", "analysis 'one' takes no --kept: leave it out, or choose one that"
         " takes it: two"),
        ("one", "--points=0", "--points=0 must be a whole number from 1 to 2,147,483,647"),
        ("one", "--reach=-1", "--reach=-1.0 must be a finite number above 0"),
        ("one", "--reach=nan", "--reach=nan must be a finite number above 0"),
        ("two", "--corrupted=-1", "--corrupted=-1 must be a whole number from 0"),
        ("two", "--kept=1.5", "--kept=1.5 must be a number above 0 and at most 1"),
        ("two", "--kept=0", "--kept=0.0 must be a number above 0 and at most 1"),
    ],
)  # fmt: skip
def test_values_that_do_not_fit(given, name, flag, sentence):
    with pytest.raises(UserError, match=re.escape(sentence)):
        given(name, flag)


def test_rows_of_a_table_are_those_that_are_there_when_it_is_imported():
    from inspect import signature

    from resnet_jax.compression.methods import METHODS
    from resnet_jax.verbs.compress import ROWS

    assert list(ROWS) == list(METHODS)
    for name, row in ROWS.items():
        found = {p.name: p.default for p in signature(METHODS[name]).parameters.values()}
        assert {"subject": found["subject"], "data": found["data"], **row.defaults} == found


def test_analyses_are_the_files_of_their_folder():
    from inspect import signature

    from resnet_jax.analysis import analyses
    from resnet_jax.verbs.analyse import ROWS

    assert {"lesion", "landscape", "cost"} < set(ROWS)
    for name, row in ROWS.items():
        _, *found = signature(analyses.load(name)).parameters.values()
        assert row.defaults == {parameter.name: parameter.default for parameter in found}

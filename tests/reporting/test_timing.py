"""Seconds up to each evaluation, by arithmetic."""

import pytest

from resnet_jax.reporting.timing import Spent, first_at, spent, training_seconds

# Ten updates of 32 images at 64 images a second are 5 s.
LINES = [
    {"step": 10, "images_per_second": 64.0, "compile_seconds": 7.0},
    {"step": 20, "images_per_second": 32.0, "eval/top1": 0.5, "eval/seconds": 3.0},
    {"step": 30, "images_per_second": 64.0, "eval/top1": 0.9, "eval/seconds": 1.0},
    {"step": 40, "images_per_second": 64.0, "eval/top1": 0.8, "compile_seconds": 2.0},
]


def test_time_is_told_apart():
    assert training_seconds(LINES, 32) == [5.0, 15.0, 20.0, 25.0]
    assert spent(LINES, 32) == [
        Spent(20, 0.5, 15.0, 7.0, 0.0),
        Spent(30, 0.9, 20.0, 7.0, 3.0),
        Spent(40, 0.8, 25.0, 9.0, 4.0),
    ]


def test_updates_of_the_run_that_it_went_on_from_are_not_counted():
    later = [{**line, "step": line["step"] + 1_000} for line in LINES]
    found = [one._replace(step=one.step - 1_000) for one in spent(later, 32, start=1_000)]
    assert found == spent(LINES, 32)


@pytest.mark.parametrize(("target", "step"), [(0.5, 20), (0.51, 30), (0.9, 30), (0.91, None)])
def test_the_first_evaluation_at_or_over_the_target(target, step):
    found = first_at(spent(LINES, 32), target)
    assert (found.step if found else None) == step

"""Time to target in the table of an experiment."""

import pytest

from resnet_jax.sweeps.costs import Cost
from resnet_jax.sweeps.records import Record
from resnet_jax.sweeps.target import cells, flat, to_target

COST = Cost(parameters=1, flops=10**9, activation_bytes=1)


def record(*evaluations, status="done"):
    """Evaluations: (step, top1, training, compiling)."""
    return Record(status, spent=[(*one, 0.0) for one in evaluations], batch_size=100)


def test_the_runs_that_reached_it_are_averaged_and_the_others_counted():
    runs = [
        record((1_000, 0.90, 5.0, 2.0), (2_000, 0.95, 10.0, 2.0), (3_000, 0.96, 15.0, 2.0)),
        record((1_000, 0.94, 6.0, 4.0)),
        record((1_000, 0.93, 5.0, 2.0)),
        record((1_000, 0.99, 1.0, 1.0), status="diverged"),
    ]
    found = to_target(runs, 94.0, COST)
    assert (found.runs, found.reached) == (3, 2)
    assert found.seconds.mean == (10 + 6) / 2
    assert found.with_compiling.mean == (12 + 10) / 2
    # 3 passes of 1 GFLOP for each of 100 images an update, 1,500 updates on average.
    assert found.pflop.mean == pytest.approx(3 * 1e9 * 100 * 1_500 / 1e15)
    assert cells(found)["target reached"] == "2 of 3"
    assert cells(found)["s to target"] == "8.0 ± 2.8"
    assert flat(found)["target_pflop_mean"] == "0.45"


def test_without_a_target_or_a_clock_there_is_nothing_to_say():
    assert flat(None) == {} and set(cells(None).values()) == {""}
    older = to_target([Record("done", test_error=5.0)], 94.0, COST)
    assert set(cells(older).values()) == {""}

"""The learning-rate finder on a bowl, where the best rate is known."""

import jax.numpy as jnp
import numpy as np
import pytest

from resnet_jax.training import finding_rate
from resnet_jax.training.finding_rate import Found
from resnet_jax.training.optim import Numbers
from resnet_jax.training.run import Run
from resnet_jax.training.steps import TrainStep


def test_the_steepest_and_the_lowest_place_of_a_curve():
    rates = [1e-3, 1e-2, 1e-1, 1.0, 10.0]
    found = Found(rates, rates, [2.0, 1.9, 1.0, 0.8, 5.0])
    # -(1.9 - 1.0) and its neighbours: -(2.0 - 1.0) / 2 at 1e-2, -(1.9 - 0.8) / 2 at 1e-1.
    assert found.steepest == 1e-1
    assert found.lowest == 1.0


class Bowl:
    """Steps down w^2 / 2 from w = 1, in place of a dispatch."""

    def __init__(self, runs):
        (self.run,) = runs

    def __call__(self, w, step, count):
        assert count == 1
        rate = self.run.numbers.rate * self.run.train_step.schedule(step)
        loss = w * w / 2
        report = {
            "sums": {"loss": jnp.array([4 * loss]), "examples": jnp.array([4])},
            "learning_rate": jnp.array([rate]),
        }
        return w - rate * w, (report,)


@pytest.fixture
def run():
    step = TrainStep(None, None, None, None)
    nothing = dict.fromkeys(Run._fields)
    return Run(**{**nothing, "train_step": step, "numbers": Numbers(0.3, 0.5),
                  "create_state": lambda: 1.0})  # fmt: skip


def test_the_rate_grows_evenly_in_its_logarithm_until_the_loss_does(monkeypatch, run):
    monkeypatch.setattr(finding_rate, "Dispatch", Bowl)
    found = finding_rate.find_rate(run, lowest=1e-3, highest=1e3, steps=61)
    np.testing.assert_allclose(np.diff(np.log10(found.rates)), 0.1, rtol=1e-3)
    np.testing.assert_allclose(found.rates[0], 1e-3, rtol=1e-5)
    assert found.losses[0] == 0.5
    # Above 2 every step goes further up than the one before: the search ends, and does not go on.
    assert 2 < found.rates[-1] < 1e3
    assert found.smoothed[-1] > finding_rate.DIVERGED * min(found.smoothed)
    np.testing.assert_allclose(found.smoothed[1], (0.9 * found.losses[0] + found.losses[1]) / 1.9)


def test_a_search_ends_where_the_loss_is_not_finite(monkeypatch, run):
    class Broken(Bowl):
        def __call__(self, w, step, count):
            state, reports = super().__call__(w, step, count)
            return (float("nan") if step == 2 else state), reports

    monkeypatch.setattr(finding_rate, "Dispatch", Broken)
    assert len(finding_rate.find_rate(run, steps=9).rates) == 3

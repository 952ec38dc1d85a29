from functools import partial
from math import cos, pi

import numpy as np
import pytest

from resnet_jax.tables import UserError
from resnet_jax.training.schedules import (
    SHAPES,
    constant,
    cosine,
    one_cycle,
    polynomial,
    schedule,
    stable_decay,
    step,
)


def rates(shape, at, *, peak, **options):
    factor = schedule(shape, **options)
    return np.array([peak * float(factor(k)) for k in at])


def test_he_et_al_divide_after_32k_and_48k_of_64k_steps():
    """'Deep Residual Learning', section 4.2."""
    at = [0, 31_999, 32_000, 47_999, 48_000, 63_999]
    expected = [0.1, 0.1, 0.01, 0.01, 0.001, 0.001]
    np.testing.assert_allclose(rates(step, at, peak=0.1, steps=64_000), expected, rtol=1e-6)


def test_he_et_al_warm_up_resnet_110_at_a_tenth_without_moving_the_boundaries():
    at = [0, 399, 400, 31_999, 32_000, 47_999, 48_000, 63_999]
    expected = [0.01, 0.01, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001]
    warmup = {"warmup_steps": 400, "warmup": "constant", "warmup_start": 0.1}
    np.testing.assert_allclose(
        rates(step, at, peak=0.1, steps=64_000, **warmup), expected, rtol=1e-6
    )


def test_step_with_its_own_fractions_and_factor():
    shape = partial(step, decay_at=(0.3, 0.6, 0.8), decay_factor=0.2)
    at = [29, 30, 59, 60, 79, 80, 99]
    expected = [1, 0.2, 0.2, 0.04, 0.04, 0.008, 0.008]
    np.testing.assert_allclose(rates(shape, at, peak=1.0, steps=100), expected, rtol=1e-5)


def test_step_keeps_every_decay_of_a_run_too_short_to_tell_them_apart():
    shape = partial(step, decay_at=(0.5, 0.51))
    np.testing.assert_allclose(rates(shape, [1, 2], peak=1.0, steps=4), [1, 0.01], rtol=1e-6)


@pytest.mark.parametrize("decay_at", [(0.5, 0.25), (0.5, 0.5), (0.0, 0.5), (0.5, 1.0), (32_000,)])
def test_step_refuses_what_are_no_rising_fractions(decay_at):
    sentence = "decay_at=.* above 0 and below 1, each larger than the one before"
    with pytest.raises(UserError, match=sentence):
        SHAPES.choose({"name": "step", "decay_at": decay_at})


def test_gradual_warmup_is_a_straight_line_to_the_peak():
    found = rates(constant, [0, 1, 4, 5, 9], peak=0.4, steps=10, warmup_steps=5, warmup_start=0.25)
    np.testing.assert_allclose(found, [0.1, 0.16, 0.34, 0.4, 0.4], rtol=1e-6)


def test_constant_is_the_peak_throughout():
    np.testing.assert_allclose(rates(constant, range(5), peak=0.3, steps=5), 0.3, rtol=1e-6)


@pytest.mark.parametrize("warmup_steps", [0, 20])
def test_cosine_fills_what_the_warmup_leaves(warmup_steps):
    shape = partial(cosine, final=0.1)
    at = [warmup_steps + k for k in (0, 20, 40, 60, 80)]
    expected = [2 * (0.1 + 0.9 * (1 + cos(pi * part)) / 2) for part in (0, 0.25, 0.5, 0.75, 1)]
    found = rates(shape, at, peak=2.0, steps=80 + warmup_steps, warmup_steps=warmup_steps)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_cosine_ends_near_zero():
    found = rates(cosine, [99, 100], peak=1.0, steps=100)
    np.testing.assert_allclose(found, [(1 + cos(0.99 * pi)) / 2, 0], atol=1e-6)


def test_one_cycle_rises_and_falls_in_cosines():
    """Corners of torch.optim.lr_scheduler.OneCycleLR: 0.3 * 100 - 1 and 100 - 1.

    Annealing from a to b is b + (a - b) (1 + cos(pi t)) / 2.
    """

    def anneal(a, b, part):
        return b + (a - b) * (1 + cos(pi * part)) / 2

    low, lowest, peak = 0.5 / 25, 0.5 / 25 * 1e-4, 0.5
    expected = {
        0: low,
        10: anneal(low, peak, 10 / 29),
        29: peak,
        64: anneal(peak, lowest, 1 / 2),
        98: anneal(peak, lowest, 69 / 70),
        99: lowest,
    }
    found = rates(one_cycle, expected, peak=0.5, steps=100)
    np.testing.assert_allclose(found, list(expected.values()), rtol=1e-4, atol=1e-7)


def test_one_cycle_options():
    shape = partial(one_cycle, rise=0.5, start=0.1, final=0.5)
    found = rates(shape, [0, 4, 9], peak=2.0, steps=10)
    np.testing.assert_allclose(found, [0.2, 2.0, 0.1], rtol=1e-5)


def test_one_cycle_has_its_peak_between_two_steps():
    """OneCycleLR(max_lr=1, total_steps=5): its formula with corners at 0.5 and 4."""
    at = [1, 2, 3, 4]
    expected = [4e-6 + (1 - 4e-6) * (1 + cos(pi * (step - 0.5) / 3.5)) / 2 for step in at]
    np.testing.assert_allclose(rates(one_cycle, at, peak=1.0, steps=5), expected, rtol=1e-5)


@pytest.mark.parametrize("options", [{"rise": 1.0}, {"start": 0.0}, {"final": 0.0}])
def test_one_cycle_refuses_what_it_can_not_divide_by(options):
    with pytest.raises(UserError, match=r"must be a number above 0 and (below|at most) 1"):
        SHAPES.choose({"name": "one_cycle", **options})


@pytest.mark.parametrize(
    "power, final, expected",
    [
        (1.0, 0.0, [0.4, 0.3, 0.2, 0.1, 0.0]),
        (2.0, 0.0, [0.4, 0.225, 0.1, 0.025, 0.0]),
        (1.0, 0.5, [0.4, 0.35, 0.3, 0.25, 0.2]),
    ],
)
def test_polynomial(power, final, expected):
    shape = partial(polynomial, power=power, final=final)
    found = rates(shape, [10, 12, 14, 16, 18], peak=0.4, steps=18, warmup_steps=10)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_every_shape_stays_within_zero_and_the_peak(shape):
    found = rates(shape, range(27), peak=0.7, steps=27, warmup_steps=7)
    assert (found >= 0).all()
    assert found.max() == pytest.approx(0.7)


@pytest.mark.parametrize("warmup_steps", [10, 11])
def test_warmup_that_leaves_no_step(warmup_steps):
    with pytest.raises(UserError, match=f"{warmup_steps} steps leaves none of the run's 10"):
        schedule(cosine, steps=10, warmup_steps=warmup_steps)


def test_unknown_names():
    with pytest.raises(UserError, match=r"'cosin' \(did you mean 'cosine'\?\); valid: constant, "):
        SHAPES.choose("cosin")
    with pytest.raises(UserError, match=r"'linear'.*valid: gradual, constant"):
        schedule(cosine, steps=10, warmup="linear")
    with pytest.raises(UserError, match=r"'cosine' takes no power.*: polynomial"):
        SHAPES.choose({"name": "cosine", "power": 2.0})


def test_a_polynomial_may_end_before_the_run():
    shape = partial(polynomial, final=0.1, length=0.75)
    expected = [1, 0.55, 0.1, 0.1]
    found = rates(shape, [5, 20, 35, 44], peak=1.0, steps=45, warmup_steps=5)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("form", "middle"), [("linear", 0.55), ("square_root", 1 - 0.9 * 0.5**0.5)]
)
def test_stable_decay_stays_at_the_peak_and_falls_at_the_end(form, middle):
    """20 of 100 steps decay, whatever the warm-up."""
    shape = partial(stable_decay, decay=0.2, final=0.1, decay_shape=form)
    for warmup_steps in (0, 10):
        found = rates(shape, [10, 50, 80, 90, 100], peak=2.0, steps=100, warmup_steps=warmup_steps)
        np.testing.assert_allclose(found, [2, 2, 2, 2 * middle, 0.2], rtol=1e-6)


def test_a_decay_of_the_whole_run_begins_after_the_warm_up():
    shape = partial(stable_decay, decay=1.0, decay_shape="linear")
    found = rates(shape, [10, 55, 100], peak=1.0, steps=100, warmup_steps=10)
    np.testing.assert_allclose(found, [1, 0.5, 0], atol=1e-6)

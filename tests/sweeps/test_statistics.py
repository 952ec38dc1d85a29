"""Statistics against arithmetic and against SciPy's other ways to the same number."""

import math

import numpy as np
import pytest
from scipy import stats

from resnet_jax.sweeps.statistics import compare, summary


def test_three_seeds_by_hand():
    found = summary([1.0, 2.0, 6.0])
    assert found[:4] == pytest.approx((3, 3.0, math.sqrt(7.0), 2.0))
    # Student's t of 2 degrees of freedom at 97.5% is 4.302653.
    reach = 4.302653 * math.sqrt(7.0 / 3)
    assert (found.low, found.high) == pytest.approx((3 - reach, 3 + reach), rel=1e-6)


def test_one_seed_has_no_spread():
    found = summary([2.5])
    assert (found.n, found.mean, found.median) == (1, 2.5, 2.5)
    assert all(math.isnan(value) for value in (found.std, found.low, found.high))
    assert summary([]) is None


def test_the_comparison_is_welch():
    ours, baseline = [5.0, 6.0, 8.5], [4.0, 4.5]
    found = compare(ours, baseline)
    va, vb = np.var(ours, ddof=1) / 3, np.var(baseline, ddof=1) / 2
    freedom = (va + vb) ** 2 / (va**2 / 2 + vb**2 / 1)
    difference, error = 6.5 - 4.25, math.sqrt(va + vb)
    reach = stats.t.ppf(0.975, freedom) * error
    p = 2 * stats.t.sf(difference / error, freedom)
    assert found == pytest.approx((difference, difference - reach, difference + reach, p))


@pytest.mark.parametrize(("ours", "baseline"), [([3.0], [1.0, 2.0]), ([3.0, 3.0], [1.0, 1.0])])
def test_without_spread_there_is_only_a_difference(ours, baseline):
    found = compare(ours, baseline)
    assert found.difference == pytest.approx(3 - np.mean(baseline))
    assert math.isnan(found.p) and math.isnan(found.low)


def test_a_row_without_figures_compares_with_nothing():
    assert compare([], [1.0]) is None and compare([1.0], []) is None


def test_the_interval_covers_the_mean_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(3.0, 2.0, (2_000, 4))
    found = [summary(list(draw)) for draw in draws]
    assert np.mean([one.low <= 3.0 <= one.high for one in found]) == pytest.approx(0.95, abs=0.015)

"""Statistics against arithmetic and against SciPy's other ways to the same number."""

import math

import numpy as np
import pytest
from scipy import stats

from resnet_jax.sweeps.statistics import compare, holm, of_test_set, summary


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


def by_seed(*values):
    return dict(enumerate(values))


def test_the_comparison_is_welch():
    ours, baseline = [5.0, 6.0, 8.5], [4.0, 4.5]
    found = compare(by_seed(*ours), by_seed(*baseline))
    va, vb = np.var(ours, ddof=1) / 3, np.var(baseline, ddof=1) / 2
    freedom = (va + vb) ** 2 / (va**2 / 2 + vb**2 / 1)
    difference, error = 6.5 - 4.25, math.sqrt(va + vb)
    reach = stats.t.ppf(0.975, freedom) * error
    p = 2 * stats.t.sf(difference / error, freedom)
    assert found[:4] == pytest.approx((difference, difference - reach, difference + reach, p))
    assert not found.paired and math.isnan(found.holm)


def test_pairs_are_compared_by_their_differences():
    """Seeds 1, 2 and 4 are in both rows, with differences of 1, 2 and 3."""
    ours, baseline = {1: 11.0, 2: 22.0, 3: 50.0, 4: 43.0}, {4: 40.0, 2: 20.0, 1: 10.0, 5: 99.0}
    found = compare(ours, baseline, paired=True)
    # A mean of 2, a deviation of 1, Student's t of 2 degrees of freedom at 97.5%.
    error, reach = 1 / math.sqrt(3), 4.302653 / math.sqrt(3)
    assert found[:3] == pytest.approx((2.0, 2 - reach, 2 + reach), rel=1e-6)
    assert found.p == pytest.approx(2 * stats.t.sf(2 / error, 2))
    assert found.paired == 1
    # Rows that differ so much in spread show nothing by Welch's test.
    assert compare(ours, baseline).p > 0.5


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize(("ours", "baseline"), [((3.0,), (1.0, 2.0)), ((3.0, 3.0), (1.0, 1.0))])
def test_without_spread_there_is_only_a_difference(ours, baseline, paired):
    found = compare(by_seed(*ours), by_seed(*baseline), paired=paired)
    seen = baseline[: len(ours)] if paired else baseline
    assert found.difference == pytest.approx(3 - np.mean(seen))
    assert math.isnan(found.p) and math.isnan(found.low)


def test_a_row_without_figures_compares_with_nothing():
    assert compare({}, {0: 1.0}) is None and compare({0: 1.0}, {}) is None
    assert compare({0: 1.0}, {1: 1.0}, paired=True) is None


def test_holm_by_hand():
    """Holm's factors 4, 3, 2, 1 in the order of p; none falls below the one before, or above 1."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.4]) == pytest.approx([0.8, 0.8])
    assert holm([0.9, 0.8, 0.7]) == [1.0, 1.0, 1.0]
    assert holm([0.2]) == pytest.approx([0.2]) and holm([]) == []


def test_holm_errs_in_one_table_of_twenty():
    """Five rows that do not differ from their baseline, each of four seeds."""
    draw, tables = np.random.default_rng(0), 1_000
    rows, baseline = draw.normal(size=(tables, 5, 4)), draw.normal(size=(tables, 1, 4))
    found = stats.ttest_ind(rows, baseline, axis=-1, equal_var=False).pvalue
    corrected = [min(holm(ps)) < 0.05 for ps in found.tolist()]
    assert (found.min(axis=1) < 0.05).mean() > 0.1
    assert np.mean(corrected) < 0.05 + 2 * math.sqrt(0.05 * 0.95 / tables)


def test_the_interval_of_a_test_set_is_wilsons():
    """8% of 10,000 images, by Wilson's formula with 1.959964 deviations."""
    z, p, n = 1.959964, 0.08, 10_000
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    found = of_test_set(8.0, n)
    assert found == pytest.approx((100 * (centre - reach), 100 * (centre + reach)), rel=1e-6)
    assert found == pytest.approx((7.48, 8.55), abs=0.01)
    low, high = of_test_set(0.0, 100)
    assert low == pytest.approx(0.0) and high == pytest.approx(3.7, abs=0.01)


def test_the_interval_covers_the_mean_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(3.0, 2.0, (2_000, 4))
    found = [summary(list(draw)) for draw in draws]
    assert np.mean([one.low <= 3.0 <= one.high for one in found]) == pytest.approx(0.95, abs=0.015)

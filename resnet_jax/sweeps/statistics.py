"""Statistics over the seeds of a row, and how two rows compare."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats


class Summary(NamedTuple):
    """A figure over n seeds.

    Attributes:
      std: standard deviation of the sample, divided by n - 1; NaN where n is 1.
      low, high: 95% interval of the mean by Student's t; NaN where n is 1.
    """

    n: int
    mean: float
    std: float
    median: float
    low: float
    high: float


class Comparison(NamedTuple):
    """The mean of a row minus the mean of the row that it is compared with.

    Attributes:
      low, high: 95% interval of the difference by Welch's t; NaN where a row has one seed.
      p: probability of a difference at least as large if the true means were equal.
    """

    difference: float
    low: float
    high: float
    p: float


def summary(values: Sequence[float]) -> Summary | None:
    """Summarises the seeds of a row; returns None where no seed has the figure."""
    if not values:
        return None
    array = np.asarray(values, np.float64)
    mean, median, n = float(array.mean()), float(np.median(array)), len(array)
    if n == 1:
        return Summary(n, mean, math.nan, median, math.nan, math.nan)
    std = float(array.std(ddof=1))
    reach = float(stats.t.ppf(0.975, n - 1)) * std / math.sqrt(n)
    return Summary(n, mean, std, median, mean - reach, mean + reach)


def compare(values: Sequence[float], baseline: Sequence[float]) -> Comparison | None:
    """Compares two rows by Welch's t-test; returns None where a row has no figure.

    Runs of one seed share the order of the images but not the initial parameters, whose shapes
    differ, so they are not treated as pairs.
    """
    if not values or not baseline:
        return None
    difference = float(np.mean(values) - np.mean(baseline))
    if min(len(values), len(baseline)) < 2 or np.ptp(values) + np.ptp(baseline) == 0:
        return Comparison(difference, math.nan, math.nan, math.nan)
    test = stats.ttest_ind(values, baseline, equal_var=False)
    low, high = test.confidence_interval(0.95)
    return Comparison(difference, float(low), float(high), float(test.pvalue))

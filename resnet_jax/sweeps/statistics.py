"""Statistics over the seeds of a row, and how two rows compare."""

import math
from collections.abc import Mapping, Sequence
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
      low, high: 95% interval of the difference by Student's t; NaN where it has no spread.
      p: probability of a difference at least as large if the true means were equal.
      holm: p, corrected for all comparisons with the same row; see `holm`.
      paired: 1 where each seed's difference counts as one, 0 where the rows are independent.
    """

    difference: float
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    holm: float = math.nan
    paired: int = 0


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


def compare(
    row: Mapping[int, float], baseline: Mapping[int, float], *, paired: bool = False
) -> Comparison | None:
    """Compares two rows; returns None where there is nothing to compare.

    Args:
      row, baseline: the figure of each seed.
      paired: runs of one seed share what chance decides, so that their difference is one value:
        the t-test of the differences, over the seeds that both rows have. Otherwise the rows are
        independent and may differ in spread: Welch's t-test.
    """
    if paired:
        seeds = sorted(row.keys() & baseline.keys())
        row, baseline = ({seed: values[seed] for seed in seeds} for values in (row, baseline))
    if not row or not baseline:
        return None
    values, others = np.array(list(row.values())), np.array(list(baseline.values()))
    found = Comparison(float(np.mean(values) - np.mean(others)), paired=int(paired))
    spread = np.ptp(values - others) if paired else np.ptp(values) + np.ptp(others)
    if min(len(values), len(others)) < 2 or spread == 0:
        return found
    if paired:
        test = stats.ttest_rel(values, others)
    else:
        test = stats.ttest_ind(values, others, equal_var=False)
    low, high = test.confidence_interval(0.95)
    return found._replace(low=float(low), high=float(high), p=float(test.pvalue))


def holm(found: Sequence[float]) -> list[float]:
    """The p of several comparisons, corrected so that 5% of such tables have one below 0.05.

    Holm, 'A Simple Sequentially Rejective Multiple Test Procedure', Scandinavian Journal of
    Statistics 6, 1979: the smallest is multiplied by their number, the next by one less, and none
    falls below the one before. It holds however the comparisons depend on each other, as they do
    through their common baseline. Dunnett's test would use that dependence, but takes all rows to
    have the same spread.
    """
    order = np.argsort(found)
    factors = np.arange(len(found), 0, -1)
    corrected = np.empty(len(found))
    corrected[order] = np.minimum(np.maximum.accumulate(np.asarray(found)[order] * factors), 1)
    return [float(p) for p in corrected]


def of_test_set(error: float, examples: int) -> tuple[float, float]:
    """The 95% interval of an error in percent that the number of test images alone gives.

    Wilson's interval of a share of so many images that are drawn at random. It is of one network,
    and at most this wide for the mean of several.
    """
    wrong = round(error / 100 * examples)
    low, high = stats.binomtest(wrong, examples).proportion_ci(0.95, method="wilson")
    return 100 * float(low), 100 * float(high)

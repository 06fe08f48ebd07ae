"""Confidence intervals over worlds.

The units are runs, each in a world of its own. The tokens of one run share its world, so they are not an independent
sample: an interval of a percentile over tokens is made from the differences between whole runs.

Means have Student's interval. Medians have the percentile bootstrap interval (Efron and Tibshirani, *An Introduction to
the Bootstrap*, 1993, chapter 13): the middle 95 % of the medians of many resamples, each of the size of the sample and
drawn with replacement.
"""

# ruff: noqa: PLC0415 - the import of scipy.stats takes longer than most computations here

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

RESAMPLES = 4000
LEVEL = 0.95

_CHUNK = 1_000_000


@dataclass(frozen=True)
class Interval:
    """A statistic of a sample and its confidence interval.

    Attributes:
        value: the statistic of the sample itself.
        low: lower end.
        high: upper end; equal to the lower end for a sample of one, which says nothing about its spread.
        count: size of the sample.
    """

    value: float
    low: float
    high: float
    count: int


def mean_interval(sample: npt.ArrayLike, comparisons: int = 1) -> Interval:
    """The mean of a sample with Student's interval.

    Several intervals of one study hold at the same time with 95 % confidence if each is made for their number
    (Bonferroni; Law, *Simulation Modeling and Analysis*, 5th edition 2015, section 9.7).

    Args:
        sample: independent values, shape (n,), n >= 1, finite, roughly normal.
        comparisons: number of intervals that shall hold together.

    Raises:
        ValueError: the sample is empty, or a value is not finite.
    """
    values = _finite(sample)
    mean = float(values.mean())
    if values.size == 1 or (values == values[0]).all():
        mean = float(values[0])  # no rounding of the sum
        return Interval(mean, mean, mean, values.size)
    half = _student(values.size, comparisons) * float(values.std(ddof=1)) / math.sqrt(values.size)
    return Interval(mean, mean - half, mean + half, values.size)


def median_interval(sample: npt.ArrayLike, *, seed: int = 0) -> Interval:
    """The median of a sample with its 95 % bootstrap interval; the same for the same sample and seed.

    Args:
        sample: independent values, shape (n,), n >= 1, finite.
        seed: of the resampling.

    Raises:
        ValueError: the sample is empty, or a value is not finite.
    """
    values = _finite(sample)
    if values.size == 1:
        only = float(values[0])
        return Interval(only, only, only, 1)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(_resampled_medians(values, np.random.default_rng(seed)), [tail, 1.0 - tail])
    return Interval(float(np.median(values)), float(low), float(high), values.size)


def percentile_over_runs(samples: Sequence[npt.ArrayLike], percent: float) -> Interval:
    """A percentile over the values of all runs together, with a 95 % interval in which the runs are the units.

    The share of values at or below the percentile differs from run to run. Student's law turns this spread into an
    interval of the share, and the percentiles of the shares at its ends are the ends of the interval (Woodruff, Journal
    of the American Statistical Association 47, 1952). For percentiles this covers at the nominal rate, and resampling
    whole runs does not.

    Args:
        samples: the values of each run, such as the latencies of its tokens, each of shape (tokens,), finite. Runs
            without a value do not count.
        percent: from 0 to 100; interpolated linearly between two values.

    Raises:
        ValueError: no run has a value, or one is not finite.
    """
    runs = [run for run in (np.asarray(sample, dtype=np.float64) for sample in samples) if run.size]
    values = np.concatenate(runs) if runs else np.empty(0)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise ValueError("needs rows of finite values, at least one value in all")
    share = percent / 100
    value = float(np.quantile(values, share))
    error = _share_error(runs, value)
    low, high = np.quantile(values, [max(0.0, share - error), min(1.0, share + error)])
    return Interval(value, float(low), float(high), len(runs))


def worlds_needed(sample: npt.ArrayLike, half_width: float, comparisons: int = 1) -> int:
    """About how many worlds give a mean whose interval reaches this far to either side.

    With the spread s of the sample and the normal quantile z of the level, (z s / half width)^2 + z^2 / 2; the second
    term accounts for Student's law (Guenther, The American Statistician 35, 1981). The result is as good as the
    spread, which a handful of worlds shows only roughly.

    Args:
        sample: one value per world, shape (n,), n >= 2, finite.
        half_width: in the unit of the values, above 0.
        comparisons: as in `mean_interval`.

    Raises:
        ValueError: there are fewer than two values, one is not finite, or the half width is not above 0.
    """
    from scipy.stats import norm

    values = _finite(sample)
    if values.size < 2:
        raise ValueError(f"needs at least two values, got {values!r}")
    if not half_width > 0.0:
        raise ValueError(f"needs a half width above 0, got {half_width!r}")
    quantile = float(norm.isf((1 - LEVEL) / 2 / comparisons))
    return math.ceil((quantile * float(values.std(ddof=1)) / half_width) ** 2 + quantile**2 / 2)


def _finite(sample: npt.ArrayLike) -> npt.NDArray[np.float64]:
    values = np.asarray(sample, dtype=np.float64)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise ValueError(f"needs a row of finite values, got {values!r}")
    return values


def _share_error(runs: Sequence[npt.NDArray[np.float64]], value: float) -> float:
    """Half the width of the interval of the share of values at or below one; 0 for a single run.

    The share is a ratio of sums over runs. Its error is that of the mean over runs of count - share x size.
    """
    if len(runs) < 2:
        return 0.0
    sizes = np.array([run.size for run in runs])
    below = np.array([(run <= value).sum() for run in runs])
    beyond = (below - below.sum() / sizes.sum() * sizes) / sizes.mean()
    return _student(len(runs)) * float(beyond.std(ddof=1)) / math.sqrt(len(runs))


@cache
def _student(count: int, comparisons: int = 1) -> float:
    """Half the width of the interval of a mean of `count` values, in standard errors."""
    from scipy.stats import t

    return float(t.isf((1 - LEVEL) / 2 / comparisons, count - 1))


def _resampled_medians(values: npt.NDArray[np.float64], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """The median of each resample, shape (RESAMPLES,), in chunks to bound the memory."""
    rows = max(1, _CHUNK // values.size)
    parts = []
    for begin in range(0, RESAMPLES, rows):
        count = min(rows, RESAMPLES - begin)
        parts.append(np.median(values[rng.integers(0, values.size, (count, values.size))], axis=1))
    return np.concatenate(parts)

"""How sure a number is: confidence intervals over worlds.

The units are runs, each in a world of its own. Tokens of one run share its world and are no independent sample: a
percentile over many tokens is resampled by whole runs.

Intervals, but those of percentiles over tokens, are percentile bootstrap intervals (Efron and Tibshirani, *An
Introduction to the Bootstrap*, 1993, chapter 13): the statistic of many resamples of the same size, drawn with
replacement, and of these the middle 95 %.
Means get somewhat more than the middle 95 % (Hesterberg, *What Teachers Should Know About the Bootstrap*, The American
Statistician 69, 2015): resampled means of n values spread too little, by the factor sqrt((n - 1) / n) and by what
separates the normal law from Student's. Intervals of fewer than `FEW` worlds cannot be widened enough, as no resample
leaves the range of the sample.
"""

# ruff: noqa: PLC0415 - scipy.stats takes longer to import than most of what is done with it

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Statistic: TypeAlias = Literal["mean", "median"]
RESAMPLES = 4000
LEVEL = 0.95
FEW = 6
"""With fewer worlds no interval keeps its promise, and no signed-rank test can come below 5 %."""

_STATISTICS: dict[str, Callable[..., Any]] = {"mean": np.mean, "median": np.median}
_CHUNK = 1_000_000


@dataclass(frozen=True)
class Interval:
    """A statistic of a sample, and where it lies with 95 % confidence.

    Attributes:
        value: the statistic of the sample itself.
        low: lower end.
        high: upper end; equal to the lower one for a sample of one, which says nothing of its spread.
        count: size of the sample.
    """

    value: float
    low: float
    high: float
    count: int


def bootstrap(sample: npt.ArrayLike, statistic: Statistic = "median", *, seed: int = 0) -> Interval:
    """The statistic of a sample with its 95 % interval; the same for the same sample and seed.

    Args:
        sample: independent values, shape (n,), n >= 1, finite.
        statistic: the mean, or the median.
        seed: of the resampling.

    Raises:
        ValueError: the sample is empty, or holds something that is not finite: what is missing is for the caller to
            count and to show.
    """
    values = np.asarray(sample, dtype=np.float64)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise ValueError(f"needs a row of finite values, got {values!r}")
    if values.size == 1:
        only = float(values[0])
        return Interval(only, only, only, 1)
    of = _STATISTICS[statistic]
    resampled = _resampled(values, of, np.random.default_rng(seed))
    tail = (1 - LEVEL) / 2 if statistic == "median" else _tail(values.size)
    return _interval(float(of(values)), resampled, tail, values.size)


def percentile_over_runs(samples: Sequence[npt.ArrayLike], percent: float) -> Interval:
    """A percentile over the values of all runs together, with a 95 % interval in which the runs are the units.

    How sure the share of values at or below the percentile is follows from how much that share differs from run to run,
    by Student's law; the percentiles of the shares at either end are the ends (Woodruff, Journal of the American
    Statistical Association 47, 1952). For percentiles this keeps its promise where resampling whole runs does not.

    Args:
        samples: the values of each run, such as the latencies of its tokens, each of shape (tokens,), finite. Runs
            without a value do not count.
        percent: from 0 to 100; between two values it is interpolated linearly.

    Raises:
        ValueError: there is no value at all, or one is not finite.
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


def replications_needed(sample: npt.ArrayLike, half_width: float) -> int:
    """How many worlds give a mean whose 95 % interval reaches so far to either side.

    The least n at which Student's interval, with the spread of the sample at hand, is no wider (Law, *Simulation
    Modeling and Analysis*, 5th edition 2015, section 9.4.1). It is as good as that spread: from a handful of worlds,
    take it for a first guess.

    Args:
        sample: one value per world, shape (n,), n >= 2, finite; differences, if a difference is to be told.
        half_width: wished, in the unit of the values, above 0.

    Returns:
        At least 2, those at hand included.

    Raises:
        ValueError: there are fewer than two values, one is not finite, or the half width is not above 0.
    """
    values = np.asarray(sample, dtype=np.float64)
    if values.ndim != 1 or values.size < 2 or not np.isfinite(values).all():
        raise ValueError(f"needs a row of at least two finite values, got {values!r}")
    if not half_width > 0.0:
        raise ValueError(f"needs a half width above 0, got {half_width!r}")
    spread = float(values.std(ddof=1))

    def enough(count: int) -> bool:
        return _student(count) * spread <= half_width * math.sqrt(count)

    low, high = 1, 2
    while not enough(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _share_error(runs: Sequence[npt.NDArray[np.float64]], value: float) -> float:
    """How far the share of values at or below one may be off, to either side; 0 for a single run.

    The share is a ratio of sums over runs, and its error that of the mean of what each run adds beyond its due.
    """
    if len(runs) < 2:
        return 0.0
    sizes = np.array([run.size for run in runs])
    below = np.array([(run <= value).sum() for run in runs])
    beyond = (below - below.sum() / sizes.sum() * sizes) / sizes.mean()
    return _student(len(runs)) * float(beyond.std(ddof=1)) / math.sqrt(len(runs))


@cache
def _student(count: int) -> float:
    """How many standard errors the interval of a mean of `count` values reaches to either side."""
    from scipy.stats import t

    return float(t.ppf((1 + LEVEL) / 2, count - 1))


def _tail(count: int) -> float:
    """What is cut off at either end of the resampled means of `count` values."""
    from scipy.stats import norm

    return float(norm.sf(_student(count) * math.sqrt(count / (count - 1))))


def _interval(value: float, resampled: npt.NDArray[np.float64], tail: float, count: int) -> Interval:
    low, high = np.quantile(resampled, [tail, 1.0 - tail])
    return Interval(value, float(low), float(high), count)


def _resampled(
    values: npt.NDArray[np.float64], of: Callable[..., Any], rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """The statistic of each resample, shape (RESAMPLES,), a part at a time to bound the memory."""
    rows = max(1, _CHUNK // values.size)
    parts = []
    for begin in range(0, RESAMPLES, rows):
        count = min(rows, RESAMPLES - begin)
        parts.append(of(values[rng.integers(0, values.size, (count, values.size))], axis=1))
    return np.concatenate(parts)

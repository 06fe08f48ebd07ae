"""How sure a number is: bootstrap intervals over worlds.

Policies are compared in the same worlds, so what is resampled is the difference or the ratio within a world and not the
policies' numbers on their own: most of the spread between worlds is common to all policies and cancels.

The intervals are percentile bootstrap intervals (Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993,
chapter 13): the statistic of many resamples of the same size, drawn with replacement, and of these the middle 95 %.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Statistic: TypeAlias = Literal["mean", "median"]

RESAMPLES = 4000
LEVEL = 0.95

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
    of = _STATISTICS[statistic]
    resampled = np.sort(_resampled(values, of, np.random.default_rng(seed)))
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(of(values)), float(low), float(high), values.size)


def paired_difference(
    a: npt.ArrayLike, b: npt.ArrayLike, statistic: Statistic = "median", *, seed: int = 0
) -> Interval:
    """The statistic of a - b over worlds, where `a` and `b` hold one value per world in the same order.

    Raises:
        ValueError: as `bootstrap`, or the shapes differ.
    """
    first, second = _pair(a, b)
    return bootstrap(first - second, statistic, seed=seed)


def paired_ratio(
    a: npt.ArrayLike, b: npt.ArrayLike, statistic: Statistic = "median", *, seed: int = 0
) -> Interval:
    """The statistic of a / b over worlds, where `a` and `b` hold one value per world in the same order.

    Raises:
        ValueError: as `bootstrap`, or the shapes differ, or some b is not above 0.
    """
    first, second = _pair(a, b)
    if not (second > 0.0).all():
        raise ValueError("needs values above 0 to divide by")
    return bootstrap(first / second, statistic, seed=seed)


def _pair(a: npt.ArrayLike, b: npt.ArrayLike) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.shape != second.shape:
        raise ValueError(f"needs one value of each per world, got shapes {first.shape} and {second.shape}")
    return first, second


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

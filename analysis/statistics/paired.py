"""Comparisons of policies in the same worlds: paired differences, a test, an effect size, and many tests at once.

What is resampled is the difference or the ratio within a world and not the policies' numbers on their own: most of the
spread between worlds is common to all policies and cancels.
"""

# ruff: noqa: PLC0415 - scipy.stats takes longer to import than most of what is done with it

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headway.analysis.statistics.intervals import Interval, Statistic, bootstrap

ROUNDING = 1e-9
"""Relative differences up to this are none: the simulation is exact to nine digits."""

_EXACT_UP_TO = 100


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


def without_rounding(differences: npt.ArrayLike, size: npt.ArrayLike = 1.0) -> npt.NDArray[np.float64]:
    """Differences, with 0 for those that are no more than what rounding leaves of equal numbers.

    Two runs that come to the same by another order of sums would differ by the last digits, maybe in all worlds with
    the same sign, and a test of signs would be sure that they differ.

    Args:
        differences: of logarithms, or of anything else.
        size: of the numbers that they are differences of; 1 for logarithms.
    """
    found = np.asarray(differences, dtype=np.float64)
    return np.where(np.abs(found) <= ROUNDING * np.asarray(size, dtype=np.float64), 0.0, found)


@dataclass(frozen=True)
class Comparison:
    """What two policies in the same worlds tell about each other.

    Attributes:
        difference: of the first from the second within a world.
        p_value: of Wilcoxon's signed-rank test: how often differences as one-sided as these come about if each world's
            could as well have had the other sign.
        effect: rank-biserial correlation of the pairs, from -1 (the first is lower in all worlds) through 0 to 1.
    """

    difference: Interval
    p_value: float
    effect: float


def compare_pairs(
    a: npt.ArrayLike, b: npt.ArrayLike, statistic: Statistic = "mean", *, seed: int = 0
) -> Comparison:
    """The difference a - b over worlds, its interval, a test and an effect size.

    Worlds without a difference have no sign and take no part in the test and the effect (Wilcoxon's own rule). The
    effect is the sum of ranks of the positive differences minus that of the negative ones, over the sum of all (Kerby,
    *The simple difference formula*, Comprehensive Psychology 3, 2014).

    Args:
        a: one value per world, shape (n,), finite.
        b: the same worlds in the same order.
        statistic: of the differences.
        seed: of the resampling.

    Raises:
        ValueError: as `paired_difference`.
    """
    first, second = _pair(a, b)
    found = bootstrap(first - second, statistic, seed=seed)
    changes = (first - second)[first != second]
    return Comparison(found, _signed_rank_p(changes), _rank_biserial(changes))


def holm(p_values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """P-values that account for how many there are (Holm, Scandinavian Journal of Statistics 6, 1979).

    The smallest of n is multiplied by n, the next by n - 1, and so on; none may come below one that was smaller before,
    or above 1. If all that is at most 5 % afterwards is believed, the chance of a wrong belief among them is at most
    5 %, however the tests depend on each other.

    Args:
        p_values: shape (n,).

    Returns:
        In the same order, shape (n,).
    """
    values = np.asarray(p_values, dtype=np.float64)
    if values.ndim != 1 or not ((values >= 0.0) & (values <= 1.0)).all():
        raise ValueError(f"needs a row of values from 0 to 1, got {values!r}")
    order = np.argsort(values, kind="stable")
    raised = values[order] * np.arange(values.size, 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(raised), 1.0)
    return adjusted


def _rank_biserial(changes: npt.NDArray[np.float64]) -> float:
    """From differences other than 0, shape (n,)."""
    if not changes.size:
        return 0.0
    ranks = _ranks(changes)
    return float(ranks @ np.sign(changes) / ranks.sum())


def _signed_rank_p(changes: npt.NDArray[np.float64]) -> float:
    """Both sides, from differences other than 0, shape (n,); exact for up to 100, also where they tie.

    The law of the sum of positive ranks is built rank by rank: with probability 1/2 each it grows by that rank.
    """
    if changes.size > _EXACT_UP_TO:
        from scipy.stats import wilcoxon

        return float(wilcoxon(changes, method="approx").pvalue)
    doubled = np.rint(2.0 * _ranks(changes)).astype(np.int64)
    law = np.zeros(int(doubled.sum()) + 1)
    law[0] = 1.0
    for rank in doubled:
        law[rank:] = (law[rank:] + law[: law.size - rank]) / 2.0
        law[:rank] /= 2.0
    positive = int(doubled[changes > 0.0].sum())
    smaller = min(positive, law.size - 1 - positive)
    return min(1.0, 2.0 * float(law[: smaller + 1].sum()))


def _ranks(changes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Ranks of the sizes from 1, ties sharing their mean."""
    from scipy.stats import rankdata

    ranks: npt.NDArray[np.float64] = np.asarray(rankdata(np.abs(changes)), dtype=np.float64)
    return ranks


def _pair(a: npt.ArrayLike, b: npt.ArrayLike) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.shape != second.shape:
        raise ValueError(f"needs one value of each per world, got shapes {first.shape} and {second.shape}")
    return first, second

"""The criterion for "better", "worse" and "same", which `headway whatif` and `headway report` share.

Two cases (a base and a variant, or two policies) run in the same worlds. Each world gives the ratio of their metrics,
or the difference where a metric can be 0. The effect of the world is common to both cases and cancels. The mean over
the worlds has Student's interval, widened for the number of comparisons in the study (Bonferroni), so that the chance
of any false verdict in the whole study is at most 5 %. This is the usual comparison under common random numbers (Law,
*Simulation Modeling and Analysis*, 5th edition 2015, sections 10.2, 10.3 and 11.2).

Assumptions: worlds are independent, and the logarithms of the ratios (or the differences) are roughly normal. For two
equal cases they are symmetric; then Student's interval is wide enough, also with few worlds and with frequent extreme
values. It can be too narrow where a difference has only a few possible values, for example because a run either meets
an event or does not; use more worlds there.

A run that did not complete is worse than every run that did, whatever it measured before. `failure_verdict` has this
rule; the interval is one of the worlds that both cases completed.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from headway.analysis.statistics.intervals import Interval, mean_interval, worlds_needed
from headway.traces.errors import InputError, quoted
from headway.traces.units import parse

Verdict: TypeAlias = Literal["lower", "higher", "same", "unsure", "better", "worse"]

SMALLEST = 0.01
"""The default of the smallest interesting difference, as a share."""

_ROUNDING = 1e-9
"""Relative differences up to this are rounding: the simulation is exact to nine digits."""


def smallest_difference(value: object, where: str) -> float:
    """The smallest interesting difference from a user's text, such as "1 %".

    Args:
        value: text, or a number.
        where: the option or the key, for a message.

    Raises:
        InputError: it is not a share from 0 to 1.
    """
    share = parse(value, "fraction", where)
    if share > 1.0:
        raise InputError(where, quoted(value), 'a share from 0 to 1, such as 0.01 or "1 %"')
    return share


@dataclass(frozen=True)
class Comparison:
    """The change from one case to another over worlds.

    Attributes:
        change: geometric mean of the ratios minus 1 (0.05 is 5 % more), or mean difference, with its interval.
        relative: whether it is a ratio.
        verdict: "higher" or "lower" if the interval excludes 0 and the change is at least the smallest interesting
            difference; "same" if the whole interval is within that difference of 0; otherwise "unsure". "better" or
            "worse" come from `failure_verdict`.
        needed: about how many worlds would show a change of this size; None unless the verdict is "unsure", two worlds
            are known, and the change is at least the smallest interesting difference.
    """

    change: Interval
    relative: bool
    verdict: Verdict
    needed: int | None


def failure_verdict(
    before: npt.ArrayLike, after: npt.ArrayLike
) -> Literal["better", "worse", "unsure"] | None:
    """The verdict on the second of two cases if in some worlds only one of them completed its run.

    It is "worse" if only its own runs ended early there, "better" if only those of the first case did, and "unsure" if
    both happened. It is None if both cases completed the same worlds; then the interval decides.

    Args:
        before: whether the first case completed each world, shape (n,).
        after: the same of the second case, in the same worlds.
    """
    first, second = np.asarray(before, dtype=bool), np.asarray(after, dtype=bool)
    worse, better = bool((first & ~second).any()), bool((second & ~first).any())
    if worse and better:
        return "unsure"
    return "worse" if worse else "better" if better else None


def compare(
    before: npt.ArrayLike,
    after: npt.ArrayLike,
    *,
    comparisons: int = 1,
    smallest: float = SMALLEST,
    exact: bool = False,
) -> Comparison:
    """Compare a metric of two cases, world by world.

    Args:
        before: one value per world, shape (n,), n >= 1, finite.
        after: the same worlds in the same order.
        comparisons: number of comparisons in the study.
        smallest: smallest interesting difference, as a share of `before`.
        exact: nothing depends on the seed, so one world is enough. Otherwise one world gives "unsure".

    Raises:
        ValueError: the shapes differ, or a value is not finite.
    """
    first, second = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    if first.shape != second.shape:
        raise ValueError(f"needs one value of each per world, got shapes {first.shape} and {second.shape}")
    if (first > 0.0).all() and (second > 0.0).all():
        return compare_logs(
            np.log(second) - np.log(first), comparisons=comparisons, smallest=smallest, exact=exact
        )
    size = np.maximum(np.abs(first), np.abs(second))
    changes = np.where(np.abs(second - first) <= _ROUNDING * size, 0.0, second - first)
    interval = mean_interval(changes, comparisons)
    least = smallest * float(np.abs(first).mean())
    verdict = _verdict(interval, least, exact)
    return Comparison(interval, False, verdict, _needed(verdict, changes, interval, least, comparisons))


def compare_logs(
    logs: npt.ArrayLike, *, comparisons: int = 1, smallest: float = SMALLEST, exact: bool = False
) -> Comparison:
    """As `compare`, from the logarithms of the ratios after / before, shape (n,)."""
    values = np.asarray(logs, dtype=np.float64)
    # Sums in another order differ in the last digits, perhaps with the same sign in all worlds.
    values = np.where(np.abs(values) <= _ROUNDING, 0.0, values)
    interval = mean_interval(values, comparisons)
    with np.errstate(over="ignore"):
        ends = np.expm1([interval.value, interval.low, interval.high])
    least = float(np.log1p(smallest))
    verdict = _verdict(interval, least, exact)
    needed = _needed(verdict, values, interval, least, comparisons)
    value, low, high = map(float, ends)
    return Comparison(Interval(value, low, high, interval.count), True, verdict, needed)


def _verdict(interval: Interval, least: float, exact: bool) -> Verdict:
    if interval.count < 2 and not exact:
        return "unsure"
    if max(abs(interval.low), abs(interval.high)) <= least:
        return "same"
    if interval.low > 0.0 and interval.value >= least:
        return "higher"
    if interval.high < 0.0 and interval.value <= -least:
        return "lower"
    return "unsure"


def _needed(
    verdict: Verdict, values: npt.NDArray[np.float64], interval: Interval, least: float, comparisons: int
) -> int | None:
    size = abs(interval.value)
    if verdict != "unsure" or values.size < 2 or not size >= max(least, _ROUNDING):
        return None
    return max(values.size + 1, worlds_needed(values, size, comparisons))

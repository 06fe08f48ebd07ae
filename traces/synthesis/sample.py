"""A recorded trace, prepared for the estimators."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from headway.traces.errors import InputError
from headway.traces.trace import FloatArray, Trace
from headway.traces.transform import averaged

CLOSEST_TO_ONE = 0.999999
"""Largest correlation of neighbours; with a larger one the trace would be a constant."""

_FEWEST_STEPS = 10
_MOST_STEPS = 1_000_000
_PLAUSIBLE = 1e30
_ROUNDING = 1e-6
"""Values that differ by less, relatively, count as equal: averages of equal values differ so."""


@dataclass(frozen=True)
class Sample:
    """A trace as segments and as values at equal distances.

    Attributes:
        values: one per segment, shape (n,).
        spans: duration of each segment [s], shape (n,).
        regular: the values in the middle of steps of equal length, shape (m,).
        step_s: length of these steps.
        loops: whether the first segment follows the last.
    """

    values: FloatArray
    spans: FloatArray
    regular: FloatArray
    step_s: float
    loops: bool

    @cached_property
    def mean(self) -> float:
        """Mean over time."""
        return float(np.average(self.values, weights=self.spans))

    @cached_property
    def deviation(self) -> float:
        """Standard deviation over time."""
        return float(np.sqrt(np.average((self.values - self.mean) ** 2, weights=self.spans)))

    def correlation(self, lag: int) -> float:
        """Correlation of the values `lag` steps apart."""
        return lagged_product(self.regular - self.regular.mean(), lag) / float(np.var(self.regular))

    @cached_property
    def next_correlation(self) -> float:
        """Correlation of neighbouring steps, limited to the range from 0 to just below 1."""
        return min(max(self.correlation(1), 0.0), CLOSEST_TO_ONE)


def sample_of(trace: Trace, step_s: float | None) -> Sample:
    """Prepare a trace.

    Args:
        trace: of one that holds, the last value counts for the median time of the others.
        step_s: average the trace over such steps first [s]; by default it stays as it is, and the steps are as long as
            its short segments (the tenth percentile).

    Raises:
        InputError: the trace is constant or too short, its numbers are too extreme, or the step is unusable.
    """
    if step_s is not None:
        try:
            trace = averaged(trace, step_s)
        except ValueError as error:
            expected = "a step above 0 that makes at most a million values"
            raise InputError("step", str(error), expected) from error
    if np.ptp(trace.values) <= _ROUNDING * trace.values.max():
        got = f"a trace that always is {trace.values[0]:.6g}"
        raise InputError("trace", got, "one that changes (a constant needs no model)")
    between = np.diff(trace.times)
    last = float(np.median(between)) if trace.duration is None else trace.duration - float(trace.times[-1])
    spans = np.append(between, last).astype(np.float64)
    length = float(spans.sum())
    _check_plausible(trace, length)
    shortest = float(np.quantile(spans, 0.1, method="lower"))
    step = max(shortest if step_s is None else step_s, length / _MOST_STEPS)
    # A length of a whole number of steps may be a little less in float64.
    count = int(length / step * (1 + 1e-12))
    if count < _FEWEST_STEPS:
        expected = f"at least {_FEWEST_STEPS}, for example shorter ones"
        raise InputError("trace", f"{count} steps of {step:g} s", expected)
    regular = trace.values[np.searchsorted(trace.times, middles(count, step), "right") - 1]
    if np.ptp(regular) <= _ROUNDING * regular.max():
        got = f"one value at all steps of {step:g} s"
        raise InputError("trace", got, "another step, at which it changes")
    return Sample(trace.values, spans, regular, step, trace.end == "loop")


def _check_plausible(trace: Trace, length_s: float) -> None:
    """Refuse numbers whose products, which statistics need, are outside float64."""
    positive = trace.values[trace.values > 0.0]
    for what, number in (("values", positive.max()), ("values", positive.min()), ("a length [s]", length_s)):
        if not 1 / _PLAUSIBLE < number < _PLAUSIBLE:
            expected = f"numbers from {1 / _PLAUSIBLE:g} to {_PLAUSIBLE:g}"
            raise InputError("trace", f"{what} of {number:g}", expected)


def middles(count: int, step: float) -> FloatArray:
    """The middles of equal steps, shape (count,)."""
    return (np.arange(count, dtype=np.float64) + 0.5) * step


def lagged_product(x: FloatArray, lag: int) -> float:
    """The mean product of values `lag` apart."""
    return float(np.dot(x[: len(x) - lag], x[lag:])) / (len(x) - lag)

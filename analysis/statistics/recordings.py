"""Statistics of recorded traces: mean, percentiles, and the duration of each value."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from headway.traces import InputError, Quantity, Recording
from headway.traces.recording import quantiles
from headway.traces.trace import FloatArray

SHARES = (0.05, 0.5, 0.95)
MOST_STEPS = 10_000_000
"""Most steps over which a recording is averaged."""

UNITS: Mapping[Quantity, tuple[float, str]] = {
    "rate": (125_000.0, "Mbit/s"),
    "fraction": (0.01, "%"),
    "size": (1e6, "MB"),
    "time": (1e-3, "ms"),
}
"""For each quantity, the SI value of the unit in which it is shown, and its name."""

KINDS: tuple[tuple[Quantity, bool, str], ...] = (
    ("rate", False, "Rate"),
    ("fraction", True, "Load"),
    ("fraction", False, "Share"),
    ("size", False, "Size"),
    ("time", False, "Time"),
)


@dataclass(frozen=True)
class Summary:
    """Statistics of one recording, in SI units.

    Attributes:
        mean: of the values.
        least: smallest value.
        p5: 5 % of the time, or of the rows, have at most this value.
        p50: 50 % have.
        p95: 95 % have.
        most: largest value.
        zeros: number of values that are 0.
    """

    mean: float
    least: float
    p5: float
    p50: float
    p95: float
    most: float
    zeros: int


def summary(recording: Recording, *, by_row: bool = False, step_s: float | None = None) -> Summary:
    """Compute the statistics of a recording.

    Args:
        recording: the recording.
        by_row: whether all values have the same weight, as in most publications; otherwise the weight of a value is its
            duration.
        step_s: values are first averaged over steps of this length; the length that the format suggests if None.
    """
    values, weights = values_and_weights(recording, recording.window_s if step_s is None else step_s)
    if by_row or not weights.any():
        weights = np.ones(len(values))
    p5, p50, p95 = quantiles(values, weights, np.array(SHARES)).tolist()
    mean = float(np.average(values, weights=weights))
    zeros = int(np.count_nonzero(values == 0))
    return Summary(mean, float(values.min()), p5, p50, p95, float(values.max()), zeros)


def values_and_weights(recording: Recording, step_s: float) -> tuple[FloatArray, FloatArray]:
    """Values and their durations; means over whole steps of `step_s` if it is above 0.

    Raises:
        InputError: there are more than `MOST_STEPS`.
    """
    if step_s <= 0:
        return recording.trace.values, recording.weights()
    steps = recording.length_s / step_s * (1 + 1e-12)
    if steps > MOST_STEPS:
        got = f"{steps:.4g} steps of {step_s:g} s in a recording of {recording.length_s:g} s"
        raise InputError("--step", got, f"a step long enough for at most {MOST_STEPS:,} steps")
    times = step_s * np.arange(float(max(1, int(steps))))
    ends = np.minimum(times + step_s, max(recording.length_s, step_s))
    return recording.trace.mean(times, ends), ends - times


def title(recording: Recording) -> str:
    """The name of the values of a recording."""
    kind = (recording.quantity, recording.is_load)
    return next(name for quantity, load, name in KINDS if (quantity, load) == kind)

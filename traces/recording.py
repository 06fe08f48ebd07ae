"""`Recording`: a trace with the story of how it came out of a file."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from headway.traces.trace import FloatArray, Trace
from headway.traces.units import Quantity


@dataclass(frozen=True)
class Recording:
    """A trace that was read from a file.

    Attributes:
        trace: in SI units, from the first row on.
        format: its name in `traces.readers.FORMATS`.
        quantity: what the values measure.
        rows: rows of data in the file, those that a repair left out included.
        length_s: how long it is [s]; where the last row has no end, it counts for one median step.
        step_s: median time from one row to the next; 0 where there is one row.
        gaps: steps in which rows are missing, being at least one and a half times as long as the median.
        longest_step_s: the longest time from one row to the next.
        repairs: what was put right, and in how many places.
        is_load: the values are the share of a device that others use, and not the one that is left.
        window_s: over so long values have to be averaged before they say something, as of single packets; else 0.
        notes: what the reader assumed, or what the values cannot be used for; a sentence each.
    """

    trace: Trace
    format: str
    quantity: Quantity
    rows: int
    length_s: float
    step_s: float
    gaps: int
    longest_step_s: float
    repairs: Mapping[str, int] = field(default_factory=dict)
    is_load: bool = False
    window_s: float = 0.0
    notes: tuple[str, ...] = ()

    def weights(self) -> FloatArray:
        """How long each value of the trace holds within the recording [s], shape (n,)."""
        return np.diff(self.trace.times, append=self.length_s)


def quantiles(values: FloatArray, weights: FloatArray, shares: FloatArray) -> FloatArray:
    """For each share of the whole weight, the value up to which values weigh so much.

    Between two neighbours in order of value lies the mean of their weights, and the result is interpolated: with equal
    weights these are the quantiles of `numpy.quantile`.

    Args:
        values: shape (n,), n >= 1.
        weights: shape (n,), not negative; they count the same if all are 0.
        shares: 0 to 1.
    """
    order = np.argsort(values, kind="stable")
    ordered = weights[order] if weights.any() else np.ones(len(values))
    positions = np.append(0.0, np.cumsum((ordered[1:] + ordered[:-1]) / 2))
    found: FloatArray = np.interp(shares * positions[-1], positions, values[order])
    return found

"""`Recording`: a trace from a file, with information about the file and its repairs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from headway.traces.trace import FloatArray, Trace
from headway.traces.units import Quantity


@dataclass(frozen=True)
class Recording:
    """A trace from a file.

    Attributes:
        trace: in SI units, from the first row on.
        format: its name in `traces.readers.FORMATS`.
        quantity: what the values measure.
        rows: number of rows of data in the file, with those that a repair left out.
        length_s: length [s]; a last row without an end counts for one median step.
        step_s: median time from one row to the next; 0 for one row.
        gaps: number of steps that lack rows, since they have at least one and a half times the median length.
        longest_step_s: the longest time from one row to the next.
        repairs: the repairs, and the number of each.
        is_load: whether the values are the share of a device that others use, not the share that is left.
        window_s: time over which values need to be averaged, such as those of single packets; else 0.
        notes: assumptions of the reader and limits of the values; a sentence each.
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
        """The time for which each value of the trace holds within the recording [s], shape (n,)."""
        return np.diff(self.trace.times, append=self.length_s)


def quantiles(values: FloatArray, weights: FloatArray, shares: FloatArray) -> FloatArray:
    """Weighted quantiles: for each share, the value below which that share of the weight lies.

    Neighbours in order of value are as far apart as the mean of their weights, and the result is interpolated. With
    equal weights these are the quantiles of `numpy.quantile`.

    Args:
        values: shape (n,), n >= 1.
        weights: shape (n,), not negative; if all are 0, all values count the same.
        shares: 0 to 1.
    """
    order = np.argsort(values, kind="stable")
    ordered = weights[order] if weights.any() else np.ones(len(values))
    positions = np.append(0.0, np.cumsum((ordered[1:] + ordered[:-1]) / 2))
    result: FloatArray = np.interp(shares * positions[-1], positions, values[order])
    return result

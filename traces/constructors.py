"""Traces from plain numbers: equal steps, outages."""

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from headway.traces.trace import EndRule, FloatArray, Trace


def steps(values: npt.ArrayLike, *, step_s: float, end: EndRule = "hold") -> Trace:
    """A trace of the given values, each of which lasts for the same time.

    Args:
        values: shape (n,), n >= 1, finite and not negative.
        step_s: duration of each value [s].
        end: what follows the last value; "loop" and "zero" act after n steps.

    Raises:
        ValueError: an argument is out of range.
    """
    require(step_s > 0 and math.isfinite(step_s), "a finite step_s > 0", step_s)
    levels = np.asarray(values, dtype=np.float64)
    return trace_of_length(np.arange(levels.size) * np.float64(step_s), levels, levels.size * step_s, end)


def on_off(
    outages: Iterable[tuple[float, float]], *, end: EndRule = "hold", duration_s: float | None = None
) -> Trace:
    """The trace that is 0 during outages and 1 otherwise: multiply a rate or a share by it.

    Args:
        outages: start and end of each [s], in any order; they may touch and overlap. An outage with an infinite end
            lasts forever.
        end: what follows the last change; "loop" and "zero" need a duration.
        duration_s: period of a loop, or the time of the drop to zero; no outage ends later.

    Raises:
        ValueError: unless 0 <= start < end for all, the end within the duration if there is one.
    """
    limit = math.inf if duration_s is None else duration_s
    times, values = [0.0], [1.0]
    for start, stop in sorted(outages):
        require(0 <= start < stop <= limit, f"outages with 0 <= start < end <= {limit:g}", (start, stop))
        if start > times[-1] or len(times) == 1:
            times += [start, stop]
            values += [0.0, 1.0]
        else:
            times[-1] = max(times[-1], stop)
    return without_empty_segments(np.array(times), np.array(values), end, duration_s)


def trace_of_length(times: FloatArray, values: FloatArray, length_s: float, end: EndRule) -> Trace:
    """A trace that loops or drops to zero after a length [s]; one that holds has no length."""
    return Trace(times, values, end, None if end == "hold" else length_s)


def without_empty_segments(
    times: FloatArray, values: FloatArray, end: EndRule, duration: float | None
) -> Trace:
    """A trace from times that never fall; of values at one time the last is used.

    Rounding may make two times equal. Times that are infinite, or not before the duration, are left out.
    """
    within = times < (math.inf if duration is None else duration)
    times, values = times[within], values[within]
    keep = np.append(times[1:] > times[:-1], True)
    return Trace(times[keep], values[keep], end, duration)


def require(condition: bool, requirement: str, value: object) -> None:
    """Check an argument.

    Raises:
        ValueError: the condition is false; the message names both the requirement and the value.
    """
    if not condition:
        raise ValueError(f"needs {requirement}, got {value!r}")

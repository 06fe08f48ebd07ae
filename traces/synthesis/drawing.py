"""Common parts of the generators."""

import math
from itertools import accumulate

import numpy as np

from headway.traces.constructors import require
from headway.traces.trace import FloatArray

MOST_VALUES = 10_000_000
"""Maximum number of values of one synthetic trace; checked before they are drawn."""


def step_starts(step_s: float, duration_s: float) -> FloatArray:
    """The starts of the steps that fill a duration [s]; the last step is cut if it is no multiple of the step.

    Raises:
        ValueError: unless 0 < step <= duration, both finite, with at most `MOST_VALUES` steps.
    """
    require(0 < step_s <= duration_s < math.inf, "0 < step_s <= duration_s < inf", (step_s, duration_s))
    require(duration_s / step_s <= MOST_VALUES, f"at most {MOST_VALUES} values", duration_s / step_s)
    times: FloatArray = np.arange(math.ceil(duration_s / step_s)) * np.float64(step_s)
    # Rounding of the quotient may have added a step that starts at the very end.
    return times[times < duration_s]


def autoregression(noise: FloatArray, correlation: float) -> FloatArray:
    """A stationary first-order autoregression with variance 1, driven by standard normal noise, shape (n,)."""
    fresh = math.sqrt(1 - correlation**2) * noise
    fresh[0] = noise[0]
    return np.array(list(accumulate(fresh.tolist(), lambda before, new: correlation * before + new)))

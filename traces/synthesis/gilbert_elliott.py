"""`gilbert-elliott`: a good and a bad value in turn."""

import math
from typing import Annotated

import numpy as np

from headway.traces.constructors import require, without_empty_segments
from headway.traces.errors import InputError
from headway.traces.rounding import rounded
from headway.traces.synthesis.drawing import MOST_VALUES
from headway.traces.synthesis.kind import Duration, Kind, Parameter
from headway.traces.synthesis.model import Model
from headway.traces.synthesis.sample import Sample
from headway.traces.trace import EndRule, FloatArray, Trace


def gilbert_elliott(
    rng: np.random.Generator,
    *,
    good: Annotated[float, Parameter("value", "value in the good state, with its unit")],
    bad: Annotated[float, Parameter("value", "value in the bad state, with its unit")],
    good_time_s: Annotated[float, Parameter("time", "mean time in the good state until the next change")],
    bad_time_s: Annotated[float, Parameter("time", "mean time in the bad state")],
    duration_s: Duration,
    end: EndRule = "loop",
) -> Trace:
    """A Gilbert-Elliott process: two values in turn, each for an exponentially distributed time.

    The two-state channel of Gilbert (1960) and Elliott (1963) in continuous time: changes are not on a grid. The trace
    begins in the good state with the long-run probability of this state. The time until the first change is exponential
    like any other, since that distribution has no memory.

    Raises:
        ValueError: unless 0 <= bad < good, and the three times are > 0, all finite.
    """
    require(0 <= bad < good < math.inf, "0 <= bad < good < inf", (bad, good))
    require(0 < good_time_s < math.inf, "a finite good_time_s > 0", good_time_s)
    require(0 < bad_time_s < math.inf, "a finite bad_time_s > 0", bad_time_s)
    require(0 < duration_s < math.inf, "a finite duration_s > 0", duration_s)
    rounds = duration_s / (good_time_s + bad_time_s)
    require(2 * rounds <= MOST_VALUES, f"at most {MOST_VALUES} values", 2 * rounds)
    begins_bad = bool(rng.random() * (good_time_s + bad_time_s) >= good_time_s)
    means = np.array([bad_time_s, good_time_s] if begins_bad else [good_time_s, bad_time_s])
    batch = 8 + math.ceil(rounds + 4 * math.sqrt(rounds))
    sojourns = np.empty((0, 2))
    while sojourns.sum() < duration_s:
        sojourns = np.concatenate((sojourns, rounded(means * rng.standard_exponential((batch, 2)))))
    times = np.append(0.0, np.cumsum(sojourns.ravel()))
    times = times[times < duration_s]
    values = np.where(np.arange(len(times)) % 2 == begins_bad, good, bad)
    # Late in a long trace, a very short sojourn may vanish when it is added to the time.
    return without_empty_segments(times, values, end, None if end == "hold" else duration_s)


def model(*, good: float, bad: float, good_time_s: float, bad_time_s: float) -> Model:
    """The model of the process with two states.

    Each state has the share of time of its mean sojourn. The correlation decays with the sum of both rates of change.
    """
    share = good_time_s / (good_time_s + bad_time_s)
    rate = 1 / good_time_s + 1 / bad_time_s

    def cdf(x: FloatArray) -> FloatArray:
        return np.where(x >= good, 1.0, np.where(x >= bad, 1 - share, 0.0))

    mean, deviation = bad + share * (good - bad), (good - bad) * math.sqrt(share * (1 - share))
    return Model(mean, deviation, lambda lag_s: np.exp(-lag_s * rate), cdf, {good: share, bad: 1 - share})


def estimate(sample: Sample) -> dict[str, float]:
    """Two classes of values, and for each the time in it per departure: the most likely mean of exponential times.

    Raises:
        InputError: the trace never leaves one of the two classes.
    """
    good = sample.values > _threshold(sample.values, sample.spans)
    leaves = good != np.roll(good, -1)
    if not sample.loops:
        leaves[-1] = False
    levels, sojourns = [], []
    for state in (good, ~good):
        departures = int((leaves & state).sum())
        if departures == 0:
            raise InputError("trace", "a change between two levels only once", "changes back and forth")
        levels.append(_level(sample.values[state], sample.spans[state]))
        sojourns.append(float(sample.spans[state].sum()) / departures)
    return {"good": levels[0], "bad": levels[1], "good_time_s": sojourns[0], "bad_time_s": sojourns[1]}


def _level(values: FloatArray, spans: FloatArray) -> float:
    """The mean over time; exactly the value, if all are equal."""
    return float(np.clip(np.average(values, weights=spans), values.min(), values.max()))


def _threshold(values: FloatArray, spans: FloatArray) -> float:
    """The largest value of the lower of two classes, for the least variance within the classes.

    This is the two-class threshold of Otsu (1979): it makes the variance between the classes largest, which is
    w * (1 - w) * (a - b)**2 for the shares w and 1 - w and the means a and b.
    """
    order = np.argsort(values)
    values, spans = values[order], spans[order] / spans.sum()
    lower = np.cumsum(spans)[:-1]
    content = np.cumsum(spans * values)
    # Equal values belong to one class.
    cuts = np.flatnonzero(values[1:] > values[:-1])
    lower, below = lower[cuts], content[:-1][cuts]
    between = (content[-1] * lower - below) ** 2 / (lower * (1 - lower))
    return float(values[cuts[np.argmax(between)]])


KIND = Kind(
    "gilbert-elliott",
    gilbert_elliott,
    model,
    estimate,
    needs="a bad value below the good one, and mean times and a duration above 0",
    spacing_s=lambda parameters: (parameters["good_time_s"] + parameters["bad_time_s"]) / 2,
)

"""`ornstein-uhlenbeck`: a value that returns to its mean, cut off at 0."""

import math
from typing import Annotated

import numpy as np

from headway.traces.constructors import require, trace_of_length
from headway.traces.rounding import rounded
from headway.traces.synthesis.drawing import autoregression, step_starts
from headway.traces.synthesis.kind import Duration, Kind, Parameter, Step
from headway.traces.synthesis.model import Model
from headway.traces.synthesis.sample import Sample
from headway.traces.trace import EndRule, FloatArray, Trace


def ornstein_uhlenbeck(
    rng: np.random.Generator,
    *,
    mean: Annotated[
        float,
        Parameter("value", "mean before values below 0 are cut off, with its unit", key="reverting_mean"),
    ],
    deviation: Annotated[float, Parameter("value", "standard deviation before the cut, with its unit")],
    relaxation_s: Annotated[
        float, Parameter("time", "time in which the distance from the mean falls to 1/e")
    ],
    step_s: Step,
    duration_s: Duration,
    end: EndRule = "loop",
) -> Trace:
    """An Ornstein-Uhlenbeck process: noise drives a value away from its mean, to which it returns; cut off at 0.

    The value is max(0, x) of the stationary Ornstein-Uhlenbeck process

        dx = (mean - x) / relaxation dt + deviation * sqrt(2 / relaxation) dW,

    a Gaussian process with this mean, this standard deviation and the correlation exp(-t / relaxation) over a time t
    (Uhlenbeck & Ornstein 1930). Values are drawn at multiples of the step from the exact transition, a first-order
    autoregression with the coefficient exp(-step / relaxation), and not by Euler's method; so the step does not change
    their distribution. A relaxation of 0 makes all values independent.

    While x is below 0 the value is 0: an outage (a dead link, a device without a free share). The mean of the values is
    therefore above that of x; `model` has both. For a process that never reaches 0, use `walk`.

    Raises:
        ValueError: unless mean, deviation, relaxation_s >= 0 and 0 < step_s <= duration_s, all finite.
    """
    require(0 <= mean < math.inf, "a finite mean >= 0", mean)
    require(0 <= deviation < math.inf, "a finite deviation >= 0", deviation)
    require(0 <= relaxation_s < math.inf, "a finite relaxation_s >= 0", relaxation_s)
    times = step_starts(step_s, duration_s)
    correlation = math.exp(-step_s / relaxation_s) if relaxation_s > 0 else 0.0
    x = mean + deviation * autoregression(rng.standard_normal(len(times)), correlation)
    return trace_of_length(times, rounded(np.maximum(x, 0.0)), duration_s, end)


def model(*, mean: float, deviation: float, relaxation_s: float, **_: float) -> Model:
    """The model of max(0, x), x an Ornstein-Uhlenbeck process with deviation > 0.

    With r = mean / deviation, phi and Phi the standard normal density and distribution: E = deviation * (r * Phi(r) +
    phi(r)) and E of the square = deviation**2 * ((r**2 + 1) * Phi(r) + r * phi(r)). The correlation is that of x; the
    correlation of max(0, x) is lower, and close to it where 0 is rare.
    """
    from scipy.special import ndtr  # noqa: PLC0415

    first, second = _censored_moments(mean / deviation)

    def correlated(lag_s: FloatArray) -> FloatArray:
        return np.exp(-lag_s / relaxation_s) if relaxation_s > 0 else np.where(lag_s == 0, 1.0, 0.0)

    def cdf(x: FloatArray) -> FloatArray:
        return np.where(x < 0, 0.0, ndtr((x - mean) / deviation))

    spread, zeros = deviation * math.sqrt(second - first**2), {0.0: float(ndtr(-mean / deviation))}
    return Model(deviation * first, spread, correlated, cdf, zeros)


def _censored_moments(ratio: float) -> tuple[float, float]:
    """The first two moments of max(0, z + ratio), z standard normal."""
    from scipy.special import ndtr  # noqa: PLC0415

    above, density = float(ndtr(ratio)), math.exp(-(ratio**2) / 2) / math.sqrt(2 * math.pi)
    return ratio * above + density, (ratio**2 + 1) * above + ratio * density


def estimate(sample: Sample) -> dict[str, float]:
    """Mean and deviation of x so that max(0, x) has those of the trace; see `model`."""
    ratio = _uncensored_ratio(sample.deviation / sample.mean)
    deviation = sample.mean / _censored_moments(ratio)[0]
    correlation = sample.next_correlation
    relaxation = -sample.step_s / np.log(correlation) if correlation > 0 else 0.0
    return {"mean": ratio * deviation, "deviation": deviation, "relaxation_s": float(relaxation)}


def _uncensored_ratio(spread: float) -> float:
    """Mean over deviation of x, at least 0, from deviation over mean of max(0, x)."""
    from scipy.optimize import brentq  # noqa: PLC0415

    def excess(ratio: float) -> float:
        first, second = _censored_moments(ratio)
        return float(np.sqrt(second / first**2 - 1)) - spread

    if spread < 1 / 8:
        # x is below 0 in one of 1e15 values.
        return 1 / spread
    return float(brentq(excess, 0.0, 9.0)) if excess(0.0) > 0 else 0.0


_NEEDS = "a step and a duration above 0, the duration not below the step"

KIND = Kind("ornstein-uhlenbeck", ornstein_uhlenbeck, model, estimate, _NEEDS)

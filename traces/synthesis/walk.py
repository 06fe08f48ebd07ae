"""`walk`: a log-normal random walk around a mean."""

import math
from typing import Annotated

import numpy as np

from headway.traces.constructors import require, trace_of_length
from headway.traces.rounding import rounded
from headway.traces.synthesis.drawing import autoregression, step_starts
from headway.traces.synthesis.kind import Duration, Kind, Parameter, Step
from headway.traces.synthesis.model import Model
from headway.traces.synthesis.sample import CLOSEST_TO_ONE, Sample
from headway.traces.trace import EndRule, FloatArray, Trace

LARGEST_SIGMA = 3.0


def walk(
    rng: np.random.Generator,
    *,
    mean: Annotated[float, Parameter("value", "mean value, with its unit", key="walk_mean")],
    sigma: Annotated[
        float,
        Parameter("number", "standard deviation of the logarithm of the values", gt=0, le=LARGEST_SIGMA),
    ],
    step_s: Step,
    duration_s: Duration,
    correlation: Annotated[
        float, Parameter("number", "correlation of one logarithm with the next", ge=0, lt=1)
    ] = 0.9,
    end: EndRule = "loop",
) -> Trace:
    """A log-normal random walk around a mean, as measured wireless rates tend to wander; never 0.

    The logarithm x of the value is a stationary first-order autoregression with marginal N(mu, sigma**2),

        x[0] = mu + sigma * z[0],    x[k] = mu + c * (x[k-1] - mu) + sqrt(1 - c**2) * sigma * z[k],

    with z independent and standard normal, c the correlation of neighbours, and mu = ln(mean) - sigma**2 / 2. A
    log-normal variable has the expectation exp(mu + sigma**2 / 2), so every value has the expectation `mean`. The mean
    of one trace varies more with a larger `sigma`, and with c closer to 1. For a small sigma, sigma is about the
    relative spread.

    Raises:
        ValueError: unless mean > 0, sigma >= 0, 0 <= correlation < 1, 0 < step_s <= duration_s, all finite.
    """
    require(0 < mean < math.inf, "a finite mean > 0", mean)
    require(0 <= sigma < math.inf, "a finite sigma >= 0", sigma)
    require(0 <= correlation < 1, "a correlation in [0, 1)", correlation)
    times = step_starts(step_s, duration_s)
    deviations = autoregression(rng.standard_normal(len(times)), correlation)
    values = rounded(np.exp(math.log(mean) - sigma**2 / 2 + sigma * deviations))
    return trace_of_length(times, values, duration_s, end)


def model(*, mean: float, sigma: float, correlation: float, step_s: float) -> Model:
    """The model of a walk with sigma > 0.

    With x and y the logarithms of two values and c their correlation, E[exp(x + y)] = mean**2 * exp(sigma**2 * c).
    """

    def correlated(lag_s: FloatArray) -> FloatArray:
        return np.expm1(sigma**2 * correlation ** (lag_s / step_s)) / math.expm1(sigma**2)

    deviation = mean * math.sqrt(math.expm1(sigma**2))
    return Model(mean, deviation, correlated, lambda x: log_normal_cdf(x, mean, sigma))


def log_normal_cdf(x: FloatArray, mean: float, sigma: float) -> FloatArray:
    """Probability that a log-normal variable of this mean is at most x."""
    from scipy.special import ndtr  # noqa: PLC0415

    with np.errstate(divide="ignore"):
        return np.asarray(ndtr((np.log(np.maximum(x, 0.0) / mean) + sigma**2 / 2) / sigma))


def estimate(sample: Sample) -> dict[str, float]:
    """Sigma from the relative spread, and the correlation of logarithms from that of values; see `model`."""
    spread = (sample.deviation / sample.mean) ** 2
    sigma2 = min(float(np.log1p(spread)), LARGEST_SIGMA**2)
    correlation = np.log1p(sample.next_correlation * np.expm1(sigma2)) / sigma2
    return {
        "mean": sample.mean,
        "sigma": float(np.sqrt(sigma2)),
        "correlation": min(float(correlation), CLOSEST_TO_ONE),
    }


_NEEDS = "a mean, a step and a duration above 0, the duration not below the step"

KIND = Kind("walk", walk, model, estimate, _NEEDS)

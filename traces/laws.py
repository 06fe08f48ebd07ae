"""What holds of each kind of synthetic trace on average, in closed form.

One function per kind of `traces.generate`, with the same parameters but for duration and end; some do not matter. Tests
hold the generators to these laws, and `traces.fit` holds real traces to them.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from headway.traces.generate import HALF_CORRELATED
from headway.traces.trace import FloatArray

_PHASES = 720
"""Points at which a wave is looked at for its distribution: one per half degree."""


@dataclass(frozen=True)
class Law:
    """The distribution of the value at any time, and how it hangs together over time.

    Attributes:
        mean: expectation.
        deviation: standard deviation.
        correlation: of the values at two times, from what lies between them [s].
        cdf: probability of a value up to x, for an array of x.
        atoms: values that have a probability of their own, and that.
    """

    mean: float
    deviation: float
    correlation: Callable[[FloatArray], FloatArray]
    cdf: Callable[[FloatArray], FloatArray]
    atoms: Mapping[float, float] = field(default_factory=dict)

    def cdf_below(self, x: FloatArray) -> FloatArray:
        """Probability of a value below x."""
        return self.cdf(x) - sum(
            (np.where(x == value, share, 0.0) for value, share in self.atoms.items()), 0.0
        )


def walk(*, mean: float, sigma: float, correlation: float, step_s: float) -> Law:
    """The law of a log-normal walk with sigma > 0.

    With x and y the logarithms of two values and c their correlation, E[exp(x + y)] = mean**2 * exp(sigma**2 * c).
    """

    def correlated(lag_s: FloatArray) -> FloatArray:
        return np.expm1(sigma**2 * correlation ** (lag_s / step_s)) / math.expm1(sigma**2)

    deviation = mean * math.sqrt(math.expm1(sigma**2))
    return Law(mean, deviation, correlated, lambda x: _log_normal(x, np.array(mean), sigma))


def ornstein_uhlenbeck(*, mean: float, deviation: float, relaxation_s: float, step_s: float = 0.0) -> Law:
    """The law of max(0, x), x an Ornstein-Uhlenbeck process with deviation > 0.

    With r = mean / deviation, phi and Phi the standard normal density and distribution: E = deviation * (r * Phi(r) +
    phi(r)) and E of the square = deviation**2 * ((r**2 + 1) * Phi(r) + r * phi(r)). The correlation is that of x, of
    which that of max(0, x) falls short by the less, the rarer the value is 0.
    """
    from scipy.special import ndtr  # noqa: PLC0415

    del step_s
    first, second = censored_moments(mean / deviation)

    def correlated(lag_s: FloatArray) -> FloatArray:
        return np.exp(-lag_s / relaxation_s) if relaxation_s > 0 else np.where(lag_s == 0, 1.0, 0.0)

    def cdf(x: FloatArray) -> FloatArray:
        return np.where(x < 0, 0.0, ndtr((x - mean) / deviation))

    return Law(
        deviation * first,
        deviation * math.sqrt(second - first**2),
        correlated,
        cdf,
        {0.0: float(ndtr(-mean / deviation))},
    )


def censored_moments(ratio: float) -> tuple[float, float]:
    """The first two moments of max(0, z + ratio), z standard normal."""
    from scipy.special import ndtr  # noqa: PLC0415

    above, density = float(ndtr(ratio)), math.exp(-(ratio**2) / 2) / math.sqrt(2 * math.pi)
    return ratio * above + density, (ratio**2 + 1) * above + ratio * density


def gilbert_elliott(*, good: float, bad: float, good_time_s: float, bad_time_s: float) -> Law:
    """The law of the process with two states.

    Each state has the share of time of its mean sojourn, and the memory decays with the sum of both rates of change.
    """
    share = good_time_s / (good_time_s + bad_time_s)
    rate = 1 / good_time_s + 1 / bad_time_s

    def cdf(x: FloatArray) -> FloatArray:
        return np.where(x >= good, 1.0, np.where(x >= bad, 1 - share, 0.0))

    return Law(
        bad + share * (good - bad),
        (good - bad) * math.sqrt(share * (1 - share)),
        lambda lag_s: np.exp(-lag_s * rate),
        cdf,
        {good: share, bad: 1 - share},
    )


def diurnal(
    *,
    mean: float,
    amplitude: float,
    period_s: float,
    step_s: float,
    peak_s: float = 0.0,
    sigma: float = 0.0,
    correlation: float = 0.0,
) -> Law:
    """The law of a noisy wave over whole periods, with amplitude or sigma > 0.

    With the noise independent of the wave, the second moment over a lag t is (mean**2 + amplitude**2 / 2 * cos(2 pi t /
    period)) * exp(sigma**2 * c(t)), c the correlation of the logarithms of the noise. The peak does not matter.
    """
    del peak_s

    def second(lag_s: FloatArray) -> FloatArray:
        wave = mean**2 + amplitude**2 / 2 * np.cos(2 * np.pi * lag_s / period_s)
        shared = correlation ** (lag_s / step_s) if correlation > 0 else np.where(lag_s == 0, 1.0, 0.0)
        return wave * np.exp(sigma**2 * shared)

    variance = float(second(np.zeros(1))[0]) - mean**2
    wave = mean + amplitude * np.cos((np.arange(_PHASES) + 0.5) / _PHASES * np.pi)

    def cdf(x: FloatArray) -> FloatArray:
        if sigma == 0:
            return 1 - np.arccos(np.clip((x - mean) / amplitude, -1.0, 1.0)) / np.pi
        return np.asarray(np.mean([_log_normal(x, level, sigma) for level in wave], axis=0))

    return Law(mean, math.sqrt(variance), lambda lag_s: (second(lag_s) - mean**2) / variance, cdf)


def fading(*, mean: float, coherence_s: float, rice_factor: float = 0.0, step_s: float = 0.0) -> Law:
    """The law of the power of a Rician channel: a non-central chi-squared variable with two degrees of freedom.

    With K the Rice factor and rho the correlation of the diffuse gain, the power of mean 1 has the variance (1 + 2 K) /
    (1 + K)**2 and the covariance (2 K rho + rho**2) / (1 + K)**2.
    """
    from scipy.special import chndtr, j0  # noqa: PLC0415

    del step_s
    k = rice_factor

    def correlated(lag_s: FloatArray) -> FloatArray:
        rho = j0(HALF_CORRELATED * lag_s / coherence_s)
        return np.asarray((2 * k * rho + rho**2) / (2 * k + 1))

    def cdf(x: FloatArray) -> FloatArray:
        return np.asarray(chndtr(2 * (k + 1) * np.maximum(x, 0.0) / mean, 2, 2 * k))

    return Law(mean, mean * math.sqrt(1 + 2 * k) / (1 + k), correlated, cdf)


def _log_normal(x: FloatArray, mean: FloatArray, sigma: float) -> FloatArray:
    from scipy.special import ndtr  # noqa: PLC0415

    with np.errstate(divide="ignore"):
        return np.asarray(ndtr((np.log(np.maximum(x, 0.0) / mean) + sigma**2 / 2) / sigma))


LAWS: Mapping[str, Callable[..., Law]] = {
    "walk": walk,
    "ornstein-uhlenbeck": ornstein_uhlenbeck,
    "gilbert-elliott": gilbert_elliott,
    "diurnal": diurnal,
    "fading": fading,
}
"""The law of every kind in `traces.generate.KINDS`."""

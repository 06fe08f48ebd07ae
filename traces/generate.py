"""Synthetic traces: a constant, given steps, and five kinds of random or daily change.

Each kind is a function from a source of randomness and parameters to a `Trace`: the same state of the source gives the
same trace. All start in their stationary state, so no beginning has to be thrown away. What holds of them on average
(mean, spread, correlation, distribution) is in `traces.laws`, and `traces.fit` finds their parameters in a real trace.

Values and times that are drawn are rounded to single precision (`traces.rounding`), so that the same seed gives the
same trace on every machine.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

import numpy as np
import numpy.typing as npt

from headway.traces.rounding import rounded
from headway.traces.trace import EndRule, FloatArray, Trace

MOST_VALUES = 10_000_000
"""The most values of one synthetic trace; checked before they are drawn."""

HALF_CORRELATED = 1.1263642393772588
"""Where the square of the Bessel function J0 is first 1/2: scipy.optimize.brentq(lambda x: j0(x)**2 - 0.5, 1, 2)."""


def constant(value: float) -> Trace:
    """The trace that has one value forever."""
    return Trace.constant(value)


def steps(values: npt.ArrayLike, *, step_s: float, end: EndRule = "hold") -> Trace:
    """Given values, each for the same time.

    Args:
        values: shape (n,), n >= 1, finite and not negative.
        step_s: how long each lasts [s].
        end: what follows the last; "loop" and "zero" act after n steps.

    Raises:
        ValueError: an argument is out of range.
    """
    _check(step_s > 0 and math.isfinite(step_s), "a finite step_s > 0", step_s)
    levels = np.asarray(values, dtype=np.float64)
    return Trace(
        np.arange(levels.size) * step_s, levels, end, None if end == "hold" else levels.size * step_s
    )


def walk(
    rng: np.random.Generator,
    *,
    mean: float,
    sigma: float,
    step_s: float,
    duration_s: float,
    correlation: float = 0.9,
    end: EndRule = "loop",
) -> Trace:
    """A log-normal random walk around a mean: how measured wireless rates tend to wander.

    The logarithm x of the value is a stationary first-order autoregression with marginal N(mu, sigma**2),

        x[0] = mu + sigma * z[0],    x[k] = mu + c * (x[k-1] - mu) + sqrt(1 - c**2) * sigma * z[k],

    with z independent and standard normal, c the correlation of neighbours, and mu = ln(mean) - sigma**2 / 2. A
    log-normal variable has the expectation exp(mu + sigma**2 / 2), so every value has the expectation `mean`.
    The mean of one realisation differs: it varies the more, the larger `sigma` and the closer c is to 1.

    Args:
        rng: source of randomness; the same state gives the same trace.
        mean: expectation of each value, > 0.
        sigma: standard deviation of the logarithm, >= 0; about the relative spread where it is small.
        step_s: how long each value holds [s].
        duration_s: length of the walk [s]; the last step is cut if it is no multiple of `step_s`.
        correlation: of the logarithms of neighbouring steps, in [0, 1).
        end: what follows after `duration_s`.

    Raises:
        ValueError: an argument is out of range.
    """
    _check(0 < mean < math.inf, "a finite mean > 0", mean)
    _check(0 <= sigma < math.inf, "a finite sigma >= 0", sigma)
    _check(0 <= correlation < 1, "a correlation in [0, 1)", correlation)
    times = _grid(step_s, duration_s)
    deviations = _autoregression(rng.standard_normal(len(times)), correlation)
    values = rounded(np.exp(math.log(mean) - sigma**2 / 2 + sigma * deviations))
    return _ended(times, values, duration_s, end)


def ornstein_uhlenbeck(
    rng: np.random.Generator,
    *,
    mean: float,
    deviation: float,
    relaxation_s: float,
    step_s: float,
    duration_s: float,
    end: EndRule = "loop",
) -> Trace:
    """A value that noise drives away from its mean and that returns to it exponentially, cut off at 0.

    The value is max(0, x) of the stationary Ornstein-Uhlenbeck process

        dx = (mean - x) / relaxation dt + deviation * sqrt(2 / relaxation) dW,

    a Gaussian process with this mean, this standard deviation and the correlation exp(-t / relaxation) over a time t
    (Uhlenbeck & Ornstein 1930). It is drawn at multiples of the step from its exact transition, a first-order
    autoregression with the coefficient exp(-step / relaxation), and not by Euler's method, so the step changes what is
    drawn only by leaving out what is between.

    Cutting off at 0 makes outages (a dead link, a device without a free share) of the time in which x is below it, and
    raises the mean above that of x: `traces.laws` says to what. The same process of the logarithm, which never comes to
    0, is `walk`.

    Args:
        rng: source of randomness.
        mean: of x, >= 0.
        deviation: standard deviation of x, >= 0.
        relaxation_s: time in which the expected distance from the mean falls to 1/e [s]; 0 draws every value anew.
        step_s: how long each value holds [s].
        duration_s: length [s]; the last step is cut if it is no multiple of `step_s`.
        end: what follows after `duration_s`.

    Raises:
        ValueError: an argument is out of range.
    """
    _check(0 <= mean < math.inf, "a finite mean >= 0", mean)
    _check(0 <= deviation < math.inf, "a finite deviation >= 0", deviation)
    _check(0 <= relaxation_s < math.inf, "a finite relaxation_s >= 0", relaxation_s)
    times = _grid(step_s, duration_s)
    correlation = math.exp(-step_s / relaxation_s) if relaxation_s > 0 else 0.0
    x = mean + deviation * _autoregression(rng.standard_normal(len(times)), correlation)
    return _ended(times, rounded(np.maximum(x, 0.0)), duration_s, end)


def gilbert_elliott(
    rng: np.random.Generator,
    *,
    good: float,
    bad: float,
    good_time_s: float,
    bad_time_s: float,
    duration_s: float,
    end: EndRule = "loop",
) -> Trace:
    """Two values in turn, each for an exponentially distributed time.

    The two-state channel of Gilbert (1960) and Elliott (1963) in continuous time: the moments of change are not on a
    grid. It begins in the good state with the probability that this state has in the long run, and the time left there
    is exponential like any other: that distribution has no memory.

    Args:
        rng: source of randomness.
        good: value in the good state.
        bad: value in the bad state, 0 <= bad < good.
        good_time_s: mean time in the good state until the next change [s].
        bad_time_s: mean time in the bad state [s].
        duration_s: length [s].
        end: what follows after `duration_s`.

    Raises:
        ValueError: an argument is out of range.
    """
    _check(0 <= bad < good < math.inf, "0 <= bad < good < inf", (bad, good))
    _check(0 < good_time_s < math.inf, "a finite good_time_s > 0", good_time_s)
    _check(0 < bad_time_s < math.inf, "a finite bad_time_s > 0", bad_time_s)
    _check(0 < duration_s < math.inf, "a finite duration_s > 0", duration_s)
    rounds = duration_s / (good_time_s + bad_time_s)
    _check_size(2 * rounds)
    begins_bad = bool(rng.random() * (good_time_s + bad_time_s) >= good_time_s)
    means = np.array([bad_time_s, good_time_s] if begins_bad else [good_time_s, bad_time_s])
    batch = 8 + math.ceil(rounds + 4 * math.sqrt(rounds))
    sojourns = np.empty((0, 2))
    while sojourns.sum() < duration_s:
        sojourns = np.concatenate((sojourns, rounded(means * rng.standard_exponential((batch, 2)))))
    times = np.append(0.0, np.cumsum(sojourns.ravel()))
    times = times[times < duration_s]
    values = np.where(np.arange(len(times)) % 2 == begins_bad, good, bad)
    # Far out, a very short sojourn may be lost in the rounding of the sum.
    kept = np.append(times[1:] > times[:-1], True)
    return _ended(times[kept], values[kept], duration_s, end)


def diurnal(
    rng: np.random.Generator,
    *,
    mean: float,
    amplitude: float,
    period_s: float,
    step_s: float,
    duration_s: float,
    peak_s: float = 0.0,
    sigma: float = 0.0,
    correlation: float = 0.0,
    end: EndRule = "loop",
) -> Trace:
    """A daily (or any other) wave, on request with noise: how load follows the hours of people.

    In each step, with t its middle, the value is

        (mean + amplitude * cos(2 pi (t - peak) / period)) * noise,

    where the noise is a `walk` of mean 1: it is larger where the wave is high, and never makes the value negative.

    Args:
        rng: source of randomness of the noise.
        mean: of the wave, > 0.
        amplitude: of the wave, in [0, mean].
        period_s: of the wave [s].
        step_s: how long each value holds [s], at most half a period.
        duration_s: length [s]; a multiple of the period if it is to be looped without a jump.
        peak_s: when the wave is highest [s].
        sigma: standard deviation of the logarithm of the noise, >= 0.
        correlation: of the logarithms of the noise in neighbouring steps, in [0, 1).
        end: what follows after `duration_s`.

    Raises:
        ValueError: an argument is out of range.
    """
    _check(0 < mean < math.inf, "a finite mean > 0", mean)
    _check(0 <= amplitude <= mean, "0 <= amplitude <= mean", (amplitude, mean))
    _check(0 <= peak_s < math.inf, "a finite peak_s >= 0", peak_s)
    _check(0 < 2 * step_s <= period_s < math.inf, "0 < 2 * step_s <= period_s < inf", (step_s, period_s))
    noise = walk(
        rng,
        mean=1.0,
        sigma=sigma,
        step_s=step_s,
        duration_s=duration_s,
        correlation=correlation,
        end=end,
    )
    turns = (noise.times + step_s / 2 - peak_s) / period_s
    # Rounding may make the lowest point of a wave that reaches 0 negative.
    wave = np.maximum(mean + amplitude * np.cos(2 * np.pi * turns), 0.0)
    return _ended(noise.times, rounded(wave * noise.values), duration_s, end)


def fading(
    rng: np.random.Generator,
    *,
    mean: float,
    coherence_s: float,
    step_s: float,
    duration_s: float,
    rice_factor: float = 0.0,
    end: EndRule = "loop",
) -> Trace:
    """A rate that follows the power of a fading radio channel: waves from all around, on request with a direct one.

    The value is mean * |h|**2, where the gain of the channel is h = sqrt(K / (K + 1)) + sqrt(1 / (K + 1)) * g, K the
    Rice factor (0: Rayleigh fading), and g a stationary circular complex Gaussian process of variance 1 with the
    Doppler spectrum of Clarke (1968) and Jakes (1974), 1 / (pi * sqrt(f_d**2 - f**2)) for |f| < f_d: the correlation
    of g over a time t is J0(2 pi f_d t).

    g is made in the frequency domain (Smith 1975; Young & Beaulieu 2000): each multiple of 1/duration gets an
    independent complex Gaussian amplitude with the power that the spectrum has around it. So g is exactly Gaussian and
    stationary, without the starting phase and the ill-conditioned equations of an autoregressive filter for this
    spectrum, and it repeats without a jump. Its correlation differs from J0 the less, the more coherence times the
    duration has.

    The coherence time is that over which the correlation of the diffuse power, J0(2 pi f_d t)**2, falls to 1/2; this is
    0.179 / f_d (9 / (16 pi f_d) in Rappaport, Wireless Communications, 2nd ed., section 5.4.3). At 5 GHz and a walking
    speed of 1 m/s, f_d is 17 Hz and the coherence time 11 ms.

    Args:
        rng: source of randomness.
        mean: expectation of each value, > 0.
        coherence_s: coherence time [s].
        step_s: how long each value holds [s], at most two coherence times.
        duration_s: length [s]; the last step is cut if it is no multiple of `step_s`.
        rice_factor: power of the direct wave over that of all others, K >= 0.
        end: what follows after `duration_s`.

    Raises:
        ValueError: an argument is out of range.
    """
    _check(0 < mean < math.inf, "a finite mean > 0", mean)
    _check(0 <= rice_factor < math.inf, "a finite rice_factor >= 0", rice_factor)
    _check(
        0 < step_s <= 2 * coherence_s < math.inf, "0 < step_s <= 2 * coherence_s < inf", (step_s, coherence_s)
    )
    times = _grid(step_s, duration_s)
    doppler_hz = HALF_CORRELATED / (2 * math.pi * coherence_s)
    diffuse = _clarke(rng, len(times), doppler_hz * step_s)
    gain = (math.sqrt(rice_factor) + diffuse) / math.sqrt(rice_factor + 1)
    return _ended(times, rounded(mean * (gain.real**2 + gain.imag**2)), duration_s, end)


def _clarke(rng: np.random.Generator, n: int, doppler: float) -> npt.NDArray[np.complex128]:
    """A periodic complex Gaussian process of variance 1 with Clarke's spectrum.

    Args:
        rng: source of randomness.
        n: values in one period.
        doppler: largest frequency, in cycles per value, below 1/2.
    """
    edges = (np.arange(n + 1) - (n // 2) - 0.5) / n
    # With a handful of values, the outermost of their frequencies stand for what is beyond.
    edges[[0, -1]] = -np.inf, np.inf
    # The share of the power below a frequency f is 1/2 + asin(f / f_d) / pi.
    power = np.diff(np.arcsin(np.clip(edges / doppler, -1.0, 1.0))) / math.pi
    draws = rng.standard_normal((n, 2))
    amplitudes = np.sqrt(power / 2) * (draws[:, 0] + 1j * draws[:, 1])
    return np.fft.ifft(np.fft.ifftshift(amplitudes)) * n


def _autoregression(noise: FloatArray, correlation: float) -> FloatArray:
    """A stationary first-order autoregression with variance 1, driven by standard normal noise, shape (n,)."""
    fresh = math.sqrt(1 - correlation**2) * noise
    fresh[0] = noise[0]
    return np.array(list(accumulate(fresh.tolist(), lambda before, new: correlation * before + new)))


def _grid(step_s: float, duration_s: float) -> FloatArray:
    """The starts of the steps that fill a duration."""
    _check(0 < step_s <= duration_s < math.inf, "0 < step_s <= duration_s < inf", (step_s, duration_s))
    _check_size(duration_s / step_s)
    times: FloatArray = np.arange(math.ceil(duration_s / step_s)) * np.float64(step_s)
    # Rounding of the quotient may have added a step that starts at the very end.
    return times[times < duration_s]


def _ended(times: FloatArray, values: FloatArray, duration_s: float, end: EndRule) -> Trace:
    return Trace(times, values, end, None if end == "hold" else duration_s)


def _check_size(values: float) -> None:
    _check(values <= MOST_VALUES, f"at most {MOST_VALUES} values", values)


def _check(holds: bool, needed: str, given: object) -> None:
    if not holds:
        raise ValueError(f"needs {needed}, got {given!r}")


Measure = Literal["value", "time", "number"]


@dataclass(frozen=True)
class Kind:
    """A kind of synthetic trace, as files and commands see it.

    Attributes:
        make: its function.
        parameters: what each parameter that is its own measures: a "value" of the trace, a "time", or a plain "number".
        stepped: whether it has a `step_s`; all have a `duration_s` and an `end`.
    """

    make: Callable[..., Trace]
    parameters: Mapping[str, Measure]
    stepped: bool = True


KINDS: Mapping[str, Kind] = {
    "walk": Kind(walk, {"mean": "value", "sigma": "number", "correlation": "number"}),
    "ornstein-uhlenbeck": Kind(
        ornstein_uhlenbeck, {"mean": "value", "deviation": "value", "relaxation_s": "time"}
    ),
    "gilbert-elliott": Kind(
        gilbert_elliott,
        {"good": "value", "bad": "value", "good_time_s": "time", "bad_time_s": "time"},
        stepped=False,
    ),
    "diurnal": Kind(
        diurnal,
        {
            "mean": "value",
            "amplitude": "value",
            "period_s": "time",
            "peak_s": "time",
            "sigma": "number",
            "correlation": "number",
        },
    ),
    "fading": Kind(fading, {"mean": "value", "coherence_s": "time", "rice_factor": "number"}),
}
"""Every kind by name."""

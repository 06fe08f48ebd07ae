"""`diurnal`: a daily wave, with noise on request."""

import math
from typing import Annotated

import numpy as np

from headway.traces.constructors import require, trace_of_length
from headway.traces.errors import InputError
from headway.traces.rounding import rounded
from headway.traces.synthesis.kind import Duration, Kind, Parameter, Step
from headway.traces.synthesis.model import Model
from headway.traces.synthesis.sample import CLOSEST_TO_ONE, Sample, lagged_product, middles
from headway.traces.synthesis.walk import LARGEST_SIGMA, log_normal_cdf, walk
from headway.traces.trace import EndRule, FloatArray, Trace

_PHASES = 720
"""Number of phases at which the distribution of a noisy wave is computed: one per quarter degree of half a wave."""

_CHANCE = 0.01
"""Probability that noise passes for a wave."""


def diurnal(
    rng: np.random.Generator,
    *,
    mean: Annotated[float, Parameter("value", "mean value, with its unit", key="diurnal_mean")],
    amplitude: Annotated[float, Parameter("value", "height of the wave over the mean, with its unit")],
    period_s: Annotated[float, Parameter("time", "length of a wave")],
    peak_s: Annotated[float, Parameter("time", "when the wave is highest")] = 0.0,
    sigma: Annotated[
        float,
        Parameter("number", "standard deviation of the logarithm of the noise", ge=0, le=LARGEST_SIGMA),
    ] = 0.0,
    correlation: Annotated[
        float, Parameter("number", "correlation of one logarithm with the next", ge=0, lt=1)
    ] = 0.0,
    step_s: Step,
    duration_s: Duration,
    end: EndRule = "loop",
) -> Trace:
    """A daily (or any other) wave, with noise on request, as load follows the hours of people.

    In each step, with t its middle, the value is

        (mean + amplitude * cos(2 pi (t - peak) / period)) * noise,

    where the noise is a `walk` of mean 1: it is larger where the wave is high, and never makes the value negative. The
    trace loops without a jump if the duration is a multiple of the period.

    Raises:
        ValueError: unless mean > 0, 0 <= amplitude <= mean, peak_s >= 0, sigma >= 0, 0 <= correlation < 1, 0 < 2 *
            step_s <= period_s, step_s <= duration_s, all finite.
    """
    require(0 < mean < math.inf, "a finite mean > 0", mean)
    require(0 <= amplitude <= mean, "0 <= amplitude <= mean", (amplitude, mean))
    require(0 <= peak_s < math.inf, "a finite peak_s >= 0", peak_s)
    require(0 < 2 * step_s <= period_s < math.inf, "0 < 2 * step_s <= period_s < inf", (step_s, period_s))
    steps = {"step_s": step_s, "duration_s": duration_s}
    noise = walk(rng, mean=1.0, sigma=sigma, correlation=correlation, end=end, **steps)
    turns = (noise.times + step_s / 2 - peak_s) / period_s
    # Rounding may make the lowest point of a wave that reaches 0 negative.
    wave = np.maximum(mean + amplitude * np.cos(2 * np.pi * turns), 0.0)
    return trace_of_length(noise.times, rounded(wave * noise.values), duration_s, end)


def model(
    *,
    mean: float,
    amplitude: float,
    period_s: float,
    step_s: float,
    sigma: float = 0.0,
    correlation: float = 0.0,
    **_: float,
) -> Model:
    """The model of a noisy wave over whole periods, with amplitude or sigma > 0.

    With the noise independent of the wave, the second moment over a lag t is (mean**2 + amplitude**2 / 2 * cos(2 pi t /
    period)) * exp(sigma**2 * c(t)), c the correlation of the logarithms of the noise. The peak does not matter.
    """

    def second(lag_s: FloatArray) -> FloatArray:
        wave = mean**2 + amplitude**2 / 2 * np.cos(2 * np.pi * lag_s / period_s)
        shared = correlation ** (lag_s / step_s) if correlation > 0 else np.where(lag_s == 0, 1.0, 0.0)
        return wave * np.exp(sigma**2 * shared)

    variance = float(second(np.zeros(1))[0]) - mean**2
    wave = mean + amplitude * np.cos((np.arange(_PHASES) + 0.5) / _PHASES * np.pi)

    def cdf(x: FloatArray) -> FloatArray:
        if sigma == 0:
            return 1 - np.arccos(np.clip((x - mean) / amplitude, -1.0, 1.0)) / np.pi
        return np.asarray(np.mean([log_normal_cdf(x, level, sigma) for level in wave], axis=0))

    return Model(mean, math.sqrt(variance), lambda lag_s: (second(lag_s) - mean**2) / variance, cdf)


def estimate(sample: Sample) -> dict[str, float]:
    """A wave by least squares, at the frequency with the smallest residual; the residual over the wave is the noise.

    Raises:
        InputError: the trace is shorter than two waves, or has no wave.
    """
    x, step = sample.regular, sample.step_s
    times = middles(len(x), step)
    period = _period(x, step)
    level, cosine, sine = _harmonic(x, times, period)
    level = level if level > 0 else sample.mean
    size = float(np.hypot(cosine, sine))
    amplitude = min(size, level)
    peak = float(np.arctan2(sine, cosine)) / (2 * np.pi) * period % period
    wave = level + amplitude * np.cos(2 * np.pi * (times - peak) / period)
    rest = x - wave
    sigma2 = min(float(np.log1p(lagged_product(rest, 0) / lagged_product(wave, 0))), LARGEST_SIGMA**2)
    noise = {"sigma": 0.0, "correlation": 0.0}
    if sigma2 > 1e-12:  # less is the rounding error of a wave without noise
        shared = float(np.log1p(max(lagged_product(rest, 1) / lagged_product(wave, 1), 0.0)))
        noise = {"sigma": float(np.sqrt(sigma2)), "correlation": min(shared / sigma2, CLOSEST_TO_ONE)}
    return {"mean": level, "amplitude": amplitude, "period_s": period, "peak_s": peak, **noise}


def _period(x: FloatArray, step: float) -> float:
    """The period of the most significant wave, at least four steps long, of which the trace has at least two.

    The noise of traces without a wave is nearly always red: slow changes are larger than fast ones. So the periodogram
    is divided by that of a first-order autoregression with the same correlation of neighbours. For pure noise, the
    ratio is exponentially distributed (Torrence & Compo 1998, section 4).

    Raises:
        InputError: noise would have as high a peak in more than one of a hundred traces.
    """
    n = len(x)
    waves = np.arange(2, n // 4 + 1)
    if len(waves) == 0:
        raise InputError("trace", f"{n} steps", "more of them, to see a wave twice")
    power = np.abs(np.fft.rfft(x - x.mean())[2 : n // 4 + 1]) ** 2 / (n * np.var(x))
    correlation = lagged_product(x - x.mean(), 1) / np.var(x)
    noise = (1 - correlation**2) / (1 + correlation**2 - 2 * correlation * np.cos(2 * np.pi * waves / n))
    most = int(np.argmax(power / noise))
    if power[most] / noise[most] < np.log(len(waves) / _CHANCE):
        got, expected = "no wave that stands out from noise", "a trace with one, seen at least twice"
        raise InputError("trace", got, expected)
    return _refined(x, step, int(waves[most]))


def _refined(x: FloatArray, step: float, peak: int) -> float:
    """The period with the smallest residual, among those nearest to `peak` waves in the whole trace."""
    from scipy.optimize import minimize_scalar  # noqa: PLC0415

    n = len(x)
    times = middles(n, step)

    def residual(frequency: float) -> float:
        level, cosine, sine = _harmonic(x, times, 1 / frequency)
        phase = 2 * np.pi * frequency * times
        return float(np.square(x - level - cosine * np.cos(phase) - sine * np.sin(phase)).sum())

    bounds = (max(peak - 1, 2) / (n * step), (peak + 1) / (n * step))
    best = minimize_scalar(residual, bounds=bounds, method="bounded", options={"xatol": 1e-6 / (n * step)})
    return float(1 / best.x)


def _harmonic(x: FloatArray, times: FloatArray, period: float) -> tuple[float, float, float]:
    """Level, cosine and sine of the wave of a period that is nearest to x."""
    phase = 2 * np.pi * times / period
    columns = np.stack((np.ones_like(phase), np.cos(phase), np.sin(phase)), axis=1)
    level, cosine, sine = np.linalg.lstsq(columns.T @ columns, columns.T @ x, rcond=None)[0]
    return float(level), float(cosine), float(sine)


_NEEDS = (
    "a mean and a step above 0, an amplitude of at most the mean, a period of at least two steps, a duration of "
    "at least one"
)

KIND = Kind("diurnal", diurnal, model, estimate, _NEEDS)

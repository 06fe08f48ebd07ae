"""The synthetic trace that is most like a real one: parameters of each kind, and how well each does.

Parameters come from time-weighted moments, so that a value counts for as long as it holds. How well a kind with these
parameters does is judged by its law (`traces.laws`) and not by one of its realisations: no chance is in the figures.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from headway.traces.errors import InputError, one_of, shown
from headway.traces.generate import HALF_CORRELATED, KINDS
from headway.traces.laws import LAWS, Law, censored_moments
from headway.traces.trace import FloatArray, Trace
from headway.traces.transform import averaged

_FEWEST_STEPS = 10
_MOST_STEPS = 1_000_000
_CLOSEST_TO_ONE = 0.999999
"""The highest correlation of neighbours that is told from a constant."""

_POINTS = 4000
"""Values at which two distributions are compared; their distance is then found to within 1 / 4000."""

_PLAUSIBLE = 1e30
_ROUNDING = 1e-6
"""Relative differences between values that count for none: averages of equal values have some."""

_CHANCE = 0.01
"""Of taking noise for a wave."""

_LARGEST_RICE_FACTOR = 1000.0
_LARGEST_SIGMA = 3.0
"""What a scenario accepts."""


@dataclass(frozen=True)
class Moments:
    """What is compared of a trace and a law.

    Attributes:
        mean: over time.
        deviation: standard deviation over time.
        correlation: of the values one step apart.
    """

    mean: float
    deviation: float
    correlation: float


@dataclass(frozen=True)
class Fit:
    """A kind of synthetic trace with the parameters that a real trace suggests.

    Attributes:
        kind: a name in `traces.generate.KINDS`.
        parameters: by name, in SI units; with `step_s` where the kind has steps.
        observed: moments of the trace.
        expected: the same of the kind with these parameters.
        distance: largest difference of the two cumulative distributions over time (Kolmogorov-Smirnov), 0 to 1.
        memory: mean absolute difference of the two autocorrelations over lags of 1, 2, 4, ... steps, up to a quarter of
            the trace.
        length_s: of the trace.
    """

    kind: str
    parameters: Mapping[str, float]
    observed: Moments
    expected: Moments
    distance: float
    memory: float
    length_s: float

    @property
    def score(self) -> float:
        """What kinds are ranked by, less is better: `distance` plus `memory`, both on a scale of shares (ours)."""
        return self.distance + self.memory

    def generate(self, rng: np.random.Generator, duration_s: float) -> Trace:
        """A trace of this kind that loops after `duration_s`."""
        return KINDS[self.kind].make(rng, **self.parameters, duration_s=duration_s)


def fit(trace: Trace, kind: str, *, step_s: float | None = None) -> Fit:
    """The parameters of one kind that a trace suggests.

    Args:
        trace: what to imitate. Of one that holds, the last value counts for the median time of the others.
        kind: a name in `traces.generate.KINDS`.
        step_s: average the trace over such steps first [s]; needed where it is a log of single packets. By default it
            is taken as it is, and its memory looked at in steps as long as its short segments (the tenth percentile).

    Raises:
        InputError: there is no such kind, the trace has too little in it, or nothing of this kind.
    """
    if kind not in KINDS:
        raise InputError("kind", shown(kind), one_of(kind, KINDS))
    return _fit(_sampled(trace, step_s), kind)


def fit_all(trace: Trace, *, step_s: float | None = None) -> tuple[list[Fit], dict[str, InputError]]:
    """All kinds fitted, the best first, and why those that are missing cannot be.

    Raises:
        InputError: the trace has too little in it for any.
    """
    sample = _sampled(trace, step_s)
    fits: list[Fit] = []
    refused: dict[str, InputError] = {}
    for kind in KINDS:
        try:
            fits.append(_fit(sample, kind))
        except InputError as error:
            refused[kind] = error
    return sorted(fits, key=lambda found: found.score), refused


@dataclass(frozen=True)
class _Sample:
    """A trace as it is fitted.

    Attributes:
        values: one per segment, shape (n,).
        spans: how long each lasts [s], shape (n,).
        regular: the values in the middle of steps of equal length, shape (m,).
        step_s: that length.
        loops: whether the first segment follows the last.
    """

    values: FloatArray
    spans: FloatArray
    regular: FloatArray
    step_s: float
    loops: bool

    @cached_property
    def mean(self) -> float:
        return float(np.average(self.values, weights=self.spans))

    @cached_property
    def deviation(self) -> float:
        return float(np.sqrt(np.average((self.values - self.mean) ** 2, weights=self.spans)))

    def correlation(self, lag: int) -> float:
        """Of the values `lag` steps apart."""
        return _lagged(self.regular - self.regular.mean(), lag) / float(np.var(self.regular))

    @cached_property
    def next_correlation(self) -> float:
        """Of neighbouring steps; not below 0, and below 1."""
        return min(max(self.correlation(1), 0.0), _CLOSEST_TO_ONE)


def _check_plausible(trace: Trace, length_s: float) -> None:
    """Refuse numbers whose products, of which statistics are made, float64 does not hold."""
    positive = trace.values[trace.values > 0.0]
    for what, number in (("values", positive.max()), ("values", positive.min()), ("a length [s]", length_s)):
        if not 1 / _PLAUSIBLE < number < _PLAUSIBLE:
            expected = f"numbers from {1 / _PLAUSIBLE:g} to {_PLAUSIBLE:g}"
            raise InputError("trace", f"{what} of {number:g}", expected)


def _sampled(trace: Trace, step_s: float | None) -> _Sample:
    if step_s is not None:
        try:
            trace = averaged(trace, step_s)
        except ValueError as error:
            raise InputError(
                "step", str(error), "a step above 0 that makes at most a million values"
            ) from error
    if np.ptp(trace.values) <= _ROUNDING * trace.values.max():
        got = f"a trace that always is {trace.values[0]:.6g}"
        raise InputError("trace", got, "one that changes (a constant needs no model)")
    between = np.diff(trace.times)
    last = float(np.median(between)) if trace.duration is None else trace.duration - float(trace.times[-1])
    spans = np.append(between, last).astype(np.float64)
    length = float(spans.sum())
    _check_plausible(trace, length)
    shortest = float(np.quantile(spans, 0.1, method="lower"))
    step = max(shortest if step_s is None else step_s, length / _MOST_STEPS)
    # A length of a whole number of steps may be a little less in float64.
    count = int(length / step * (1 + 1e-12))
    if count < _FEWEST_STEPS:
        raise InputError(
            "trace", f"{count} steps of {step:g} s", f"at least {_FEWEST_STEPS}, for example shorter ones"
        )
    middles = _middles(count, step)
    regular = trace.values[np.searchsorted(trace.times, middles, "right") - 1]
    if np.ptp(regular) <= _ROUNDING * regular.max():
        raise InputError(
            "trace", f"one value at all steps of {step:g} s", "another step, at which it changes"
        )
    return _Sample(trace.values, spans, regular, step, trace.end == "loop")


def _middles(count: int, step: float) -> FloatArray:
    return (np.arange(count, dtype=np.float64) + 0.5) * step


def _fit(sample: _Sample, kind: str) -> Fit:
    parameters = ESTIMATES[kind](sample)
    if KINDS[kind].stepped:
        parameters["step_s"] = sample.step_s
    law = LAWS[kind](**parameters)
    lags = [2**power for power in range((len(sample.regular) // 4).bit_length())]
    expected = law.correlation(np.array(lags) * np.float64(sample.step_s))
    observed = np.array([sample.correlation(lag) for lag in lags])
    return Fit(
        kind,
        parameters,
        Moments(sample.mean, sample.deviation, float(observed[0])),
        Moments(law.mean, law.deviation, float(expected[0])),
        _distance(sample, law),
        float(np.abs(expected - observed).mean()),
        float(sample.spans.sum()),
    )


def _distance(sample: _Sample, law: Law) -> float:
    """The largest difference of two cumulative distributions, just before and at every value where either jumps."""
    order = np.argsort(sample.values)
    values = sample.values[order]
    shares = np.append(0.0, np.cumsum(sample.spans[order]) / sample.spans.sum())
    points = np.unique(values)
    if len(points) > _POINTS:
        # Between two of these lies no more of the trace than the distance may be off.
        at = np.searchsorted(shares, np.linspace(0, 1, _POINTS + 1))
        points = np.unique(values[np.minimum(at, len(values) - 1)])
    points = np.union1d(points, list(law.atoms))
    up_to = shares[np.searchsorted(values, points, "right")] - law.cdf(points)
    below = shares[np.searchsorted(values, points, "left")] - law.cdf_below(points)
    return float(np.abs([up_to, below]).max())


def _walk(sample: _Sample) -> dict[str, float]:
    """Sigma from the relative spread, and the correlation of logarithms from that of values; see `laws.walk`."""
    spread = (sample.deviation / sample.mean) ** 2
    sigma2 = min(float(np.log1p(spread)), _LARGEST_SIGMA**2)
    correlation = np.log1p(sample.next_correlation * np.expm1(sigma2)) / sigma2
    return {
        "mean": sample.mean,
        "sigma": float(np.sqrt(sigma2)),
        "correlation": min(float(correlation), _CLOSEST_TO_ONE),
    }


def _ornstein_uhlenbeck(sample: _Sample) -> dict[str, float]:
    """Mean and deviation of x so that max(0, x) has those of the trace; see `laws.ornstein_uhlenbeck`."""
    ratio = _uncensored_ratio(sample.deviation / sample.mean)
    deviation = sample.mean / censored_moments(ratio)[0]
    correlation = sample.next_correlation
    relaxation = -sample.step_s / np.log(correlation) if correlation > 0 else 0.0
    return {"mean": ratio * deviation, "deviation": deviation, "relaxation_s": float(relaxation)}


def _uncensored_ratio(spread: float) -> float:
    """Mean over deviation of x, at least 0, from deviation over mean of max(0, x)."""
    from scipy.optimize import brentq  # noqa: PLC0415

    def excess(ratio: float) -> float:
        first, second = censored_moments(ratio)
        return float(np.sqrt(second / first**2 - 1)) - spread

    if spread < 1 / 8:
        # x is below 0 in one of 1e15 values.
        return 1 / spread
    return float(brentq(excess, 0.0, 9.0)) if excess(0.0) > 0 else 0.0


def _gilbert_elliott(sample: _Sample) -> dict[str, float]:
    """Two classes of values, and how long each lasts: time over departures, the most likely mean of exponential times.

    Raises:
        InputError: one of the two classes is never left.
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
    """The mean over time; exactly the value, if there is but one."""
    return float(np.clip(np.average(values, weights=spans), values.min(), values.max()))


def _threshold(values: FloatArray, spans: FloatArray) -> float:
    """The value up to which the lower of two classes goes, chosen so that the variance within them is least.

    This is the two-class threshold of Otsu (1979): it makes the variance between the classes, of the shares w and 1 - w
    and the means a and b, w * (1 - w) * (a - b)**2, largest.
    """
    order = np.argsort(values)
    values, spans = values[order], spans[order] / spans.sum()
    lower = np.cumsum(spans)[:-1]
    content = np.cumsum(spans * values)
    # The classes are cut between different values only.
    cuts = np.flatnonzero(values[1:] > values[:-1])
    lower, below = lower[cuts], content[:-1][cuts]
    between = (content[-1] * lower - below) ** 2 / (lower * (1 - lower))
    return float(values[cuts[np.argmax(between)]])


def _diurnal(sample: _Sample) -> dict[str, float]:
    """A wave by least squares, at the frequency that leaves least; what is left, relative to the wave, is the noise.

    Raises:
        InputError: the trace is too short to see a wave twice, or has none.
    """
    x, step = sample.regular, sample.step_s
    times = _middles(len(x), step)
    period = _period(x, step)
    level, cosine, sine = _harmonic(x, times, period)
    level = level if level > 0 else sample.mean
    size = float(np.hypot(cosine, sine))
    amplitude = min(size, level)
    peak = float(np.arctan2(sine, cosine)) / (2 * np.pi) * period % period
    wave = level + amplitude * np.cos(2 * np.pi * (times - peak) / period)
    rest = x - wave
    sigma2 = min(float(np.log1p(_lagged(rest, 0) / _lagged(wave, 0))), _LARGEST_SIGMA**2)
    noise = {"sigma": 0.0, "correlation": 0.0}
    if sigma2 > 1e-12:
        shared = float(np.log1p(max(_lagged(rest, 1) / _lagged(wave, 1), 0.0)))
        noise = {"sigma": float(np.sqrt(sigma2)), "correlation": min(shared / sigma2, _CLOSEST_TO_ONE)}
    return {"mean": level, "amplitude": amplitude, "period_s": period, "peak_s": peak, **noise}


def _period(x: FloatArray, step: float) -> float:
    """The period of the wave that stands out most, at least four steps long and seen at least twice.

    Traces without a wave are nearly always red: slow changes are larger than fast ones. So the periodogram is measured
    against that of a first-order autoregression with the same correlation of neighbours, over which it is exponentially
    distributed where there is nothing but noise (Torrence & Compo 1998, section 4).

    Raises:
        InputError: noise would have as high a peak in more than one of a hundred traces.
    """
    n = len(x)
    waves = np.arange(2, n // 4 + 1)
    if len(waves) == 0:
        raise InputError("trace", f"{n} steps", "more of them, to see a wave twice")
    power = np.abs(np.fft.rfft(x - x.mean())[2 : n // 4 + 1]) ** 2 / (n * np.var(x))
    correlation = _lagged(x - x.mean(), 1) / np.var(x)
    noise = (1 - correlation**2) / (1 + correlation**2 - 2 * correlation * np.cos(2 * np.pi * waves / n))
    most = int(np.argmax(power / noise))
    if power[most] / noise[most] < np.log(len(waves) / _CHANCE):
        raise InputError(
            "trace", "no wave that stands out from noise", "a trace with one, seen at least twice"
        )
    return _refined(x, step, int(waves[most]))


def _refined(x: FloatArray, step: float, peak: int) -> float:
    """The period that leaves least by least squares, among those nearest to `peak` waves in the whole trace."""
    from scipy.optimize import minimize_scalar  # noqa: PLC0415

    n = len(x)
    times = _middles(n, step)

    def left(frequency: float) -> float:
        level, cosine, sine = _harmonic(x, times, 1 / frequency)
        phase = 2 * np.pi * frequency * times
        return float(np.square(x - level - cosine * np.cos(phase) - sine * np.sin(phase)).sum())

    bounds = (max(peak - 1, 2) / (n * step), (peak + 1) / (n * step))
    found = minimize_scalar(left, bounds=bounds, method="bounded", options={"xatol": 1e-6 / (n * step)})
    return float(1 / found.x)


def _harmonic(x: FloatArray, times: FloatArray, period: float) -> tuple[float, float, float]:
    """Level, cosine and sine of the wave of a period that is nearest to x."""
    phase = 2 * np.pi * times / period
    columns = np.stack((np.ones_like(phase), np.cos(phase), np.sin(phase)), axis=1)
    level, cosine, sine = np.linalg.lstsq(columns.T @ columns, columns.T @ x, rcond=None)[0]
    return float(level), float(cosine), float(sine)


def _fading(sample: _Sample) -> dict[str, float]:
    """The Rice factor from the spread of the power, the coherence time from the correlation; see `laws.fading`.

    The first is the moment method of Greenstein, Michelson & Erceg (1999): spread = 1 - (K / (K + 1))**2.
    """
    spread = (sample.deviation / sample.mean) ** 2
    direct = float(np.sqrt(max(1 - spread, 0.0)))
    k = min(direct / (1 - direct), _LARGEST_RICE_FACTOR) if direct < 1 else _LARGEST_RICE_FACTOR
    rho = float(np.sqrt(k**2 + sample.next_correlation * (2 * k + 1))) - k
    return {
        "mean": sample.mean,
        "coherence_s": HALF_CORRELATED * sample.step_s / _bessel_argument(rho),
        "rice_factor": k,
    }


def _bessel_argument(rho: float) -> float:
    """Where J0 is rho; at most just before two coherence times make a step: fading cannot be drawn beyond that."""
    from scipy.optimize import brentq  # noqa: PLC0415
    from scipy.special import j0  # noqa: PLC0415

    last = 1.99 * HALF_CORRELATED
    return float(brentq(lambda x: j0(x) - rho, 1e-6, last)) if rho > j0(last) else last


def _lagged(x: FloatArray, lag: int) -> float:
    """The mean product of values `lag` apart."""
    return float(np.dot(x[: len(x) - lag], x[lag:])) / (len(x) - lag)


ESTIMATES: Mapping[str, Callable[[_Sample], dict[str, float]]] = {
    "walk": _walk,
    "ornstein-uhlenbeck": _ornstein_uhlenbeck,
    "gilbert-elliott": _gilbert_elliott,
    "diurnal": _diurnal,
    "fading": _fading,
}
"""How the parameters of every kind are found."""

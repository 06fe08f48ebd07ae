"""`fading`: the power of a Rayleigh or Rician radio channel."""

import math
from typing import Annotated

import numpy as np
import numpy.typing as npt

from headway.traces.constructors import require, trace_of_length
from headway.traces.rounding import rounded
from headway.traces.synthesis.drawing import step_starts
from headway.traces.synthesis.kind import Duration, Kind, Parameter, Step
from headway.traces.synthesis.model import Model
from headway.traces.synthesis.sample import Sample
from headway.traces.trace import EndRule, FloatArray, Trace

_HALF_CORRELATED = 1.1263642393772588
"""Where the square of the Bessel function J0 is first 1/2: scipy.optimize.brentq(lambda x: j0(x)**2 - 0.5, 1, 2)."""

_LARGEST_RICE_FACTOR = 1000.0


def fading(
    rng: np.random.Generator,
    *,
    mean: Annotated[float, Parameter("value", "mean value, with its unit", key="fading_mean")],
    coherence_s: Annotated[
        float, Parameter("time", "time over which the correlation of the diffuse power falls to 1/2")
    ],
    rice_factor: Annotated[
        float,
        Parameter(
            "number",
            "power of the direct wave over that of all others; 0 is Rayleigh fading",
            ge=0,
            le=_LARGEST_RICE_FACTOR,
        ),
    ] = 0.0,
    step_s: Step,
    duration_s: Duration,
    end: EndRule = "loop",
) -> Trace:
    """The power of a Rayleigh or Rician fading channel: waves from all around, and a direct wave on request.

    The value is mean * |h|**2, where the gain of the channel is h = sqrt(K / (K + 1)) + sqrt(1 / (K + 1)) * g, K the
    Rice factor (0: Rayleigh fading), and g a stationary circular complex Gaussian process of variance 1 with the
    Doppler spectrum of Clarke (1968) and Jakes (1974), 1 / (pi * sqrt(f_d**2 - f**2)) for |f| < f_d: the correlation
    of g over a time t is J0(2 pi f_d t).

    g is made in the frequency domain (Smith 1975; Young & Beaulieu 2000): each multiple of 1/duration gets an
    independent complex Gaussian amplitude, whose variance is the power of the spectrum around it. So g is exactly
    Gaussian and stationary, and it repeats without a jump; an autoregressive filter for this spectrum would need a
    start-up phase and ill-conditioned equations. The correlation of g approaches J0 as the duration grows beyond many
    coherence times.

    The coherence time is that over which the correlation of the diffuse power, J0(2 pi f_d t)**2, falls to 1/2; this is
    0.179 / f_d (9 / (16 pi f_d) in Rappaport, Wireless Communications, 2nd ed., section 5.4.3). At 5 GHz and a walking
    speed of 1 m/s, f_d is 17 Hz and the coherence time 11 ms.

    Raises:
        ValueError: unless mean > 0, rice_factor >= 0, 0 < step_s <= 2 * coherence_s, step_s <= duration_s, all finite.
    """
    require(0 < mean < math.inf, "a finite mean > 0", mean)
    require(0 <= rice_factor < math.inf, "a finite rice_factor >= 0", rice_factor)
    valid = 0 < step_s <= 2 * coherence_s < math.inf
    require(valid, "0 < step_s <= 2 * coherence_s < inf", (step_s, coherence_s))
    times = step_starts(step_s, duration_s)
    doppler_hz = _HALF_CORRELATED / (2 * math.pi * coherence_s)
    diffuse = _clarke(rng, len(times), doppler_hz * step_s)
    gain = (math.sqrt(rice_factor) + diffuse) / math.sqrt(rice_factor + 1)
    return trace_of_length(times, rounded(mean * (gain.real**2 + gain.imag**2)), duration_s, end)


def _clarke(rng: np.random.Generator, n: int, doppler: float) -> npt.NDArray[np.complex128]:
    """A periodic complex Gaussian process of variance 1 with Clarke's spectrum.

    Args:
        rng: source of randomness.
        n: values in one period.
        doppler: largest frequency, in cycles per value, below 1/2.
    """
    edges = (np.arange(n + 1) - (n // 2) - 0.5) / n
    # With few values, the outermost frequencies also carry the power beyond them.
    edges[[0, -1]] = -np.inf, np.inf
    # The share of the power below a frequency f is 1/2 + asin(f / f_d) / pi.
    power = np.diff(np.arcsin(np.clip(edges / doppler, -1.0, 1.0))) / math.pi
    draws = rng.standard_normal((n, 2))
    amplitudes = np.sqrt(power / 2) * (draws[:, 0] + 1j * draws[:, 1])
    return np.fft.ifft(np.fft.ifftshift(amplitudes)) * n


def model(*, mean: float, coherence_s: float, rice_factor: float = 0.0, **_: float) -> Model:
    """The model of the power of a Rician channel: a non-central chi-squared variable with two degrees of freedom.

    With K the Rice factor and rho the correlation of the diffuse gain, the power of mean 1 has the variance (1 + 2 K) /
    (1 + K)**2 and the covariance (2 K rho + rho**2) / (1 + K)**2.
    """
    from scipy.special import chndtr, j0  # noqa: PLC0415

    k = rice_factor

    def correlated(lag_s: FloatArray) -> FloatArray:
        rho = j0(_HALF_CORRELATED * lag_s / coherence_s)
        return np.asarray((2 * k * rho + rho**2) / (2 * k + 1))

    def cdf(x: FloatArray) -> FloatArray:
        return np.asarray(chndtr(2 * (k + 1) * np.maximum(x, 0.0) / mean, 2, 2 * k))

    return Model(mean, mean * math.sqrt(1 + 2 * k) / (1 + k), correlated, cdf)


def estimate(sample: Sample) -> dict[str, float]:
    """The Rice factor from the spread of the power, the coherence time from the correlation; see `model`.

    The first is the moment method of Greenstein, Michelson & Erceg (1999): spread = 1 - (K / (K + 1))**2.
    """
    spread = (sample.deviation / sample.mean) ** 2
    direct = float(np.sqrt(max(1 - spread, 0.0)))
    k = min(direct / (1 - direct), _LARGEST_RICE_FACTOR) if direct < 1 else _LARGEST_RICE_FACTOR
    rho = float(np.sqrt(k**2 + sample.next_correlation * (2 * k + 1))) - k
    return {
        "mean": sample.mean,
        "coherence_s": _HALF_CORRELATED * sample.step_s / _bessel_argument(rho),
        "rice_factor": k,
    }


def _bessel_argument(rho: float) -> float:
    """The argument at which J0 is rho, below that of two coherence times, the largest step of the generator."""
    from scipy.optimize import brentq  # noqa: PLC0415
    from scipy.special import j0  # noqa: PLC0415

    last = 1.99 * _HALF_CORRELATED
    return float(brentq(lambda x: j0(x) - rho, 1e-6, last)) if rho > j0(last) else last


_NEEDS = (
    "a mean, a step and a duration above 0, the duration not below the step, the step not above two coherence "
    "times"
)

KIND = Kind("fading", fading, model, estimate, _NEEDS)

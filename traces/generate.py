"""Synthetic traces: a constant, given steps, and a random walk with a known mean."""

import math

import numpy as np
import numpy.typing as npt

from traces.trace import EndRule, Trace


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
    _check(0 < step_s <= duration_s < math.inf, "0 < step_s <= duration_s < inf", (step_s, duration_s))
    times = np.arange(math.ceil(duration_s / step_s)) * step_s
    # Rounding of the quotient may have added a step that starts at the very end.
    times = times[times < duration_s]
    deviations = _autoregression(rng.standard_normal(len(times)), correlation)
    values = np.exp(math.log(mean) - sigma**2 / 2 + sigma * deviations)
    return Trace(times, values, end, None if end == "hold" else duration_s)


def _autoregression(noise: npt.NDArray[np.float64], correlation: float) -> npt.NDArray[np.float64]:
    """A stationary first-order autoregression with variance 1, driven by standard normal noise, shape (n,)."""
    fresh = math.sqrt(1 - correlation**2)
    deviations = np.empty_like(noise)
    deviations[0] = noise[0]
    for k in range(1, len(noise)):
        deviations[k] = correlation * deviations[k - 1] + fresh * noise[k]
    return deviations


def _check(holds: bool, needed: str, given: object) -> None:
    if not holds:
        raise ValueError(f"needs {needed}, got {given!r}")

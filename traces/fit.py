"""Fits of synthetic traces to a recorded one: parameters for each kind, and measures of how well the kind matches.

Parameters come from time-weighted moments, so that a value counts for as long as it holds. The measures compare the
recorded trace with the analytic model of the kind and not with a drawn trace, so chance does not influence them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from headway.traces.errors import InputError, one_of, quoted
from headway.traces.synthesis import KINDS
from headway.traces.synthesis.kind import Kind
from headway.traces.synthesis.model import Model
from headway.traces.synthesis.sample import Sample, sample_of
from headway.traces.trace import Trace

_POINTS = 4000
"""Number of values at which two distributions are compared; the error of their distance is then below 1 / 4000."""


@dataclass(frozen=True)
class Moments:
    """Moments of a trace or a model.

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
    """A kind of synthetic trace with parameters estimated from a recorded trace.

    Attributes:
        kind: a name in `traces.synthesis.KINDS`.
        parameters: by name, in SI units; with `step_s` where the kind has steps.
        observed: moments of the trace.
        expected: moments of the kind with these parameters.
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
        """The sum of `distance` and `memory`, by which kinds are ranked; less is better."""
        return self.distance + self.memory

    def generate(self, rng: np.random.Generator, duration_s: float) -> Trace:
        """A trace of this kind that loops after `duration_s`."""
        return KINDS[self.kind].generate(rng, **self.parameters, duration_s=duration_s)


def fit(trace: Trace, kind: str, *, step_s: float | None = None) -> Fit:
    """Estimate the parameters of one kind from a trace.

    Args:
        trace: the recorded trace. Of one that holds, the last value counts for the median time of the others.
        kind: a name in `traces.synthesis.KINDS`.
        step_s: average the trace over such steps first [s]; needed for a log of single packets. By default the trace is
            used as it is, and its correlation measured in steps as long as its short segments (the tenth percentile).

    Raises:
        InputError: the kind is unknown, the trace is too short or constant, or it has no pattern of this kind.
    """
    if kind not in KINDS:
        raise InputError("kind", quoted(kind), one_of(kind, KINDS))
    return _fit(sample_of(trace, step_s), KINDS[kind])


def fit_all(trace: Trace, *, step_s: float | None = None) -> tuple[list[Fit], dict[str, InputError]]:
    """Fit all kinds: the fits, best first, and the errors of the kinds that do not suit the trace.

    Raises:
        InputError: the trace is too short or constant for any kind.
    """
    sample = sample_of(trace, step_s)
    fits: list[Fit] = []
    errors: dict[str, InputError] = {}
    for name, kind in KINDS.items():
        try:
            fits.append(_fit(sample, kind))
        except InputError as error:
            errors[name] = error
    return sorted(fits, key=lambda one: one.score), errors


def _fit(sample: Sample, kind: Kind) -> Fit:
    parameters = kind.estimate(sample)
    if "step_s" in kind.parameters:
        parameters["step_s"] = sample.step_s
    model = kind.model(**parameters)
    lags = [2**power for power in range((len(sample.regular) // 4).bit_length())]
    expected = model.correlation(np.array(lags) * np.float64(sample.step_s))
    observed = np.array([sample.correlation(lag) for lag in lags])
    return Fit(
        kind.name,
        parameters,
        Moments(sample.mean, sample.deviation, float(observed[0])),
        Moments(model.mean, model.deviation, float(expected[0])),
        _distance(sample, model),
        float(np.abs(expected - observed).mean()),
        float(sample.spans.sum()),
    )


def _distance(sample: Sample, model: Model) -> float:
    """The largest difference of two cumulative distributions, just before and at every value where either jumps."""
    order = np.argsort(sample.values)
    values = sample.values[order]
    shares = np.append(0.0, np.cumsum(sample.spans[order]) / sample.spans.sum())
    points = np.unique(values)
    if len(points) > _POINTS:
        # Between two of these points lies a share of the trace of at most 1 / _POINTS.
        at = np.searchsorted(shares, np.linspace(0, 1, _POINTS + 1))
        points = np.unique(values[np.minimum(at, len(values) - 1)])
    points = np.union1d(points, list(model.atoms))
    up_to = shares[np.searchsorted(values, points, "right")] - model.cdf(points)
    below = shares[np.searchsorted(values, points, "left")] - model.cdf_below(points)
    return float(np.abs([up_to, below]).max())

"""Laws of fitting: what was drawn with known parameters gives them back, and figures of quality mean what they say."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.traces import InputError, Trace, fit, fit_all, on_off, scaled, steps
from headway.traces.synthesis import KINDS

ROUND_TRIPS: list[tuple[str, dict[str, float], float]] = [
    ("walk", {"mean": 2e6, "sigma": 0.4, "correlation": 0.9, "step_s": 0.5}, 0.05),
    ("walk", {"mean": 2e6, "sigma": 0.05, "correlation": 0.0, "step_s": 0.5}, 0.05),
    ("ornstein-uhlenbeck", {"mean": 2e6, "deviation": 5e5, "relaxation_s": 3.0, "step_s": 0.5}, 0.05),
    ("ornstein-uhlenbeck", {"mean": 2e6, "deviation": 2e6, "relaxation_s": 3.0, "step_s": 0.5}, 0.1),
    ("gilbert-elliott", {"good": 2e6, "bad": 1e5, "good_time_s": 8.0, "bad_time_s": 1.0}, 0.05),
    ("gilbert-elliott", {"good": 1.0, "bad": 0.0, "good_time_s": 0.5, "bad_time_s": 2.0}, 0.05),
    ("diurnal", {"mean": 0.4, "amplitude": 0.2, "period_s": 500.0, "peak_s": 40.0, "step_s": 5.0}, 1e-3),
    (
        "diurnal",
        {
            "mean": 0.4,
            "amplitude": 0.3,
            "period_s": 500.0,
            "peak_s": 140.0,
            "sigma": 0.3,
            "correlation": 0.6,
            "step_s": 5.0,
        },
        0.05,
    ),
    ("fading", {"mean": 2e6, "coherence_s": 0.3, "rice_factor": 4.0, "step_s": 0.1}, 0.05),
    ("fading", {"mean": 2e6, "coherence_s": 0.3, "rice_factor": 0.0, "step_s": 0.1}, 0.05),
]
"""Kind, parameters, and how near they must come back, relative (a correlation, a sigma of 0 and K of 0: absolute)."""


def long_trace(kind: str, parameters: dict[str, float], seed: int = 1) -> Trace:
    # Fading forgets slowly: its correlation falls with 1 / t only.
    count = 400_000 if kind == "fading" else 40_000
    duration_s = count * parameters.get("step_s", 0.5)
    return KINDS[kind].generate(np.random.default_rng(seed), **parameters, duration_s=duration_s)


@pytest.mark.parametrize(("kind", "parameters", "within"), ROUND_TRIPS)
def test_a_long_trace_gives_its_parameters_back_and_the_fit_is_good(
    kind: str, parameters: dict[str, float], within: float
) -> None:
    found = fit(long_trace(kind, parameters), kind)
    for name, value in found.parameters.items():
        truth = parameters.get(name, 0.0)
        # The moment estimate of K is a square root away from the spread where there is no direct wave.
        absolute = 0.25 if name == "rice_factor" and truth == 0 else within if truth < 1 else 0.0
        assert value == pytest.approx(truth, rel=within, abs=absolute if name != "mean" else 0.0), name
    assert found.distance < 0.03
    assert found.memory < 0.05
    assert found.expected.mean == pytest.approx(found.observed.mean, rel=0.02)
    assert found.expected.deviation == pytest.approx(found.observed.deviation, rel=0.05)
    assert found.expected.correlation == pytest.approx(found.observed.correlation, abs=0.03)


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [(kind, parameters) for kind, parameters, _ in ROUND_TRIPS if parameters.get("correlation") != 0.0],
)
def test_every_kind_is_told_from_the_others(kind: str, parameters: dict[str, float]) -> None:
    """Except for a walk that wanders little and forgets at once: any kind without memory is like it."""
    best, *others = fit_all(long_trace(kind, parameters))[0]
    assert best.kind == kind
    assert all(best.score < other.score for other in others)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factor", [1e-6, 3.7, 1e12])
def test_the_unit_does_not_matter(kind: str, factor: float) -> None:
    parameters = next(parameters for name, parameters, _ in ROUND_TRIPS if name == kind)
    trace = KINDS[kind].generate(np.random.default_rng(2), **parameters, duration_s=2500.0)
    one, other = fit(trace, kind), fit(scaled(trace, factor), kind)
    for name, value in one.parameters.items():
        expected = value * (factor if KINDS[kind].parameters[name].measure == "value" else 1.0)
        assert other.parameters[name] == pytest.approx(expected, rel=1e-4), name
    assert other.distance == pytest.approx(one.distance, abs=1e-4)


def test_values_count_for_as_long_as_they_hold() -> None:
    times = np.array([0, 1, 10, 11, 20, 21, 30, 31, 40, 41], dtype=float)
    found = fit(Trace(times, [3, 1] * 5, "loop", 50.0), "gilbert-elliott", step_s=None)
    assert found.parameters == {"good": 3.0, "bad": 1.0, "good_time_s": 1.0, "bad_time_s": 9.0}
    assert found.observed.mean == pytest.approx(1.2)
    assert found.distance == pytest.approx(0.0, abs=1e-12)


def test_the_last_value_of_a_trace_that_holds_counts_for_the_median_time() -> None:
    trace = Trace(np.arange(20.0) * 2, [1, 3] * 10)
    assert fit(trace, "walk").observed.mean == 2.0
    assert fit(trace, "walk").parameters["step_s"] == 2.0


def test_a_step_averages_first() -> None:
    packets = Trace(np.arange(10_000.0) / 1000, [1, 0, 0, 0, 1, 0, 0, 0, 0, 0] * 1000)
    slow = Trace(np.arange(100.0), np.tile([1.0, 3.0], 50), "loop", 100.0)
    with pytest.raises(InputError, match="always is"):
        fit(Trace(packets.times, packets.values, "loop", 10.0), "walk", step_s=0.01)
    assert fit(slow, "walk", step_s=0.5).parameters["step_s"] == 0.5
    with pytest.raises(InputError, match="always is 2"):
        fit(slow, "walk", step_s=2.0)


def test_the_distance_is_that_of_kolmogorov_and_smirnov() -> None:
    """Against the fitted model, at every value and just before it."""
    rng = np.random.default_rng(2)
    trace = steps(rng.gamma(2.0, size=500), step_s=1.0, end="loop")
    for kind in ("walk", "fading", "ornstein-uhlenbeck"):
        found = fit(trace, kind)
        model = KINDS[kind].model(**found.parameters)
        x = np.sort(trace.values)
        n = np.arange(500)
        direct = max((model.cdf(x) - n / 500).max(), ((n + 1) / 500 - model.cdf(x)).max())
        at_zero = model.atoms.get(0.0, 0.0)
        assert found.distance == pytest.approx(max(direct, at_zero))


def test_many_values_are_compared_at_some() -> None:
    trace = steps(np.random.default_rng(3).gamma(2.0, size=20_000), step_s=1.0, end="loop")
    found = fit(trace, "walk")
    model = KINDS["walk"].model(**found.parameters)
    direct = np.abs(model.cdf(np.sort(trace.values)) - (np.arange(20_000) + 1) / 20_000).max()
    assert found.distance == pytest.approx(direct, abs=1 / 2000)


def test_two_values_are_two_states_exactly() -> None:
    outages = [(10.0 * k, 10.0 * k + 2.0) for k in range(1, 50)]
    fits, refused = fit_all(on_off(outages, end="loop", duration_s=500.0))
    assert fits[0].kind == "gilbert-elliott"
    assert fits[0].parameters["bad"] == 0.0
    assert fits[0].distance == pytest.approx(0.0, abs=1e-12)
    assert not refused


def test_a_trace_with_outages_is_no_obstacle_to_any_kind() -> None:
    values = np.random.default_rng(4).gamma(2.0, size=1000)
    values[::7] = 0.0
    fits, refused = fit_all(steps(values, step_s=1.0, end="loop"))
    assert {found.kind for found in fits} == set(KINDS)
    assert not refused


@pytest.mark.parametrize(
    ("trace", "told"),
    [
        (Trace.constant(3.0), "always is 3"),
        (Trace(np.arange(20.0), np.zeros(20)), "always is 0"),
        (Trace([0.0, 5.0], [1.0, 2.0]), "2 steps of 5 s"),
        (Trace([0.0, 1e-3], [1.0, 2.0], "loop", 1e6), "one value at all steps"),
        (steps([0.1 + 0.2, 0.3] * 10, step_s=1.0), "always is 0.3"),
    ],
)
def test_a_trace_with_too_little_in_it_is_told(trace: Trace, told: str) -> None:
    with pytest.raises(InputError, match=told):
        fit_all(trace)


def test_a_single_change_is_not_a_process_with_two_states() -> None:
    values = [1.0] * 10 + [2.0] * 10
    with pytest.raises(InputError, match="only once"):
        fit(steps(values, step_s=1.0), "gilbert-elliott")
    fits, refused = fit_all(steps(values, step_s=1.0))
    assert refused.keys() == {"gilbert-elliott", "diurnal"}
    assert len(fits) == len(KINDS) - 2
    # A loop comes back.
    assert fit(steps(values, step_s=1.0, end="loop"), "gilbert-elliott").parameters["good_time_s"] == 10.0


@pytest.mark.parametrize("correlation", [0.0, 0.8, 0.99])
def test_noise_is_not_taken_for_a_wave(correlation: float) -> None:
    """Not more often than in one of a hundred traces; of a hundred, six would be rare."""
    parameters = {"mean": 1.0, "sigma": 0.2, "correlation": correlation, "step_s": 1.0}
    taken = 0
    for seed in range(100):
        trace = KINDS["walk"].generate(np.random.default_rng(seed), **parameters, duration_s=1000.0)
        try:
            fit(trace, "diurnal")
            taken += 1
        except InputError as error:
            assert error.got == "no wave that stands out from noise"  # noqa: PT017
    assert taken < 6


def test_a_wave_is_seen_in_noise_as_large_as_it() -> None:
    found = fit(
        KINDS["diurnal"].generate(
            np.random.default_rng(1),
            mean=1.0,
            amplitude=0.3,
            period_s=100.0,
            sigma=0.3,
            correlation=0.5,
            step_s=1.0,
            duration_s=1000.0,
        ),
        "diurnal",
    )
    assert found.parameters["period_s"] == pytest.approx(100.0, rel=0.03)
    assert found.parameters["amplitude"] == pytest.approx(0.3, abs=0.1)


def test_an_unknown_kind_and_a_step_that_is_none_are_told() -> None:
    trace = steps([1, 2] * 10, step_s=1.0)
    with pytest.raises(InputError, match="did you mean 'fading'"):
        fit(trace, "fadign")
    for step_s in (0.0, -1.0, math.nan, math.inf, 1e-9):
        with pytest.raises(InputError, match=r"^step: "):
            fit(trace, "walk", step_s=step_s)


levels = st.sampled_from([0.0, 0.0, 1.0, 1e18]) | st.floats(0, 1e18)


@given(
    st.lists(levels, min_size=1, max_size=40), st.sampled_from(["hold", "loop", "zero"]), st.floats(1e-3, 1e6)
)
def test_any_trace_is_fitted_with_parameters_that_can_be_drawn_or_told(
    values: list[float], end: Any, step_s: float
) -> None:
    trace = steps(values, step_s=step_s, end=end)
    try:
        fits, _ = fit_all(trace)
    except InputError:
        return
    for found in fits:
        assert found.generate(np.random.default_rng(0), 20 * step_s).values.max() > 0
        assert 0 <= found.distance <= 1
        assert found.memory >= 0

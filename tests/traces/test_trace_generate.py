"""Synthetic traces: their statistics, their repeatability, and the files made with them."""

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.traces import (
    Trace,
    constant,
    diurnal,
    fading,
    gilbert_elliott,
    ornstein_uhlenbeck,
    shipped,
    shipped_names,
    steps,
    walk,
)
from headway.traces.rounding import BITS, rounded
from headway.traces.synthesis import KINDS
from headway.traces.synthesis.drawing import MOST_VALUES
from headway.traces.trace import FloatArray

EXAMPLES: dict[str, dict[str, float]] = {
    "walk": {"mean": 5.0, "sigma": 0.5, "correlation": 0.8, "step_s": 0.1},
    "ornstein-uhlenbeck": {"mean": 5.0, "deviation": 3.0, "relaxation_s": 0.4, "step_s": 0.1},
    "gilbert-elliott": {"good": 5.0, "bad": 1.0, "good_time_s": 0.4, "bad_time_s": 0.1},
    "diurnal": {
        "mean": 5.0,
        "amplitude": 3.0,
        "period_s": 6.4,
        "peak_s": 2.0,
        "sigma": 0.3,
        "correlation": 0.7,
        "step_s": 0.1,
    },
    "fading": {"mean": 5.0, "rice_factor": 2.0, "coherence_s": 0.3, "step_s": 0.1},
}
"""One set of parameters for every kind."""

kinds = st.sampled_from(sorted(EXAMPLES))


def make(kind: str, seed: int, duration_s: float, **changes: Any) -> Trace:
    parameters = EXAMPLES[kind] | changes
    return KINDS[kind].generate(np.random.default_rng(seed), **parameters, duration_s=duration_s)


def test_a_constant_is_the_constant_trace() -> None:
    assert constant(3.0) == Trace.constant(3.0)


def test_steps_last_equally_long_and_end_after_the_last() -> None:
    assert steps([1, 2, 3], step_s=0.5) == Trace([0.0, 0.5, 1.0], [1.0, 2.0, 3.0])
    assert steps([1, 2, 3], step_s=0.5, end="loop") == Trace([0.0, 0.5, 1.0], [1.0, 2.0, 3.0], "loop", 1.5)
    assert steps([1], step_s=2.0, end="zero").integral(0.0, 10.0) == 2.0


# Every kind


def test_every_kind_has_an_example_with_all_its_parameters() -> None:
    assert EXAMPLES.keys() == KINDS.keys()
    for kind, example in EXAMPLES.items():
        assert {*example, "duration_s"} == set(KINDS[kind].parameters)


def test_sections_and_options_of_kinds_do_not_clash() -> None:
    """No other kind has the first key of a kind, and parameters of one name measure the same."""
    for kind in KINDS.values():
        keys = {one.key for other in KINDS.values() if other != kind for one in other.parameters.values()}
        assert kind.key not in {*keys, "file", "shipped", "steps"}
    measures = {(name, one.measure) for kind in KINDS.values() for name, one in kind.parameters.items()}
    assert len(measures) == len({name for name, _ in measures})


@given(kinds, st.integers(0, 2**32), st.sampled_from(["hold", "loop", "zero"]))
def test_the_same_generator_state_gives_the_same_trace(kind: str, seed: int, end: Any) -> None:
    first = make(kind, seed, 30.0, end=end)
    assert first == make(kind, seed, 30.0, end=end)
    assert first != make(kind, seed + 1, 30.0, end=end)
    assert (first.end, first.duration) == (end, None if end == "hold" else 30.0)


def long_grid(trace: Trace, step_s: float) -> FloatArray:
    count = round((trace.duration or 0.0) / step_s)
    return trace.value((np.arange(count, dtype=np.float64) + 0.5) * step_s)


@pytest.mark.parametrize("kind", EXAMPLES)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_long_trace_has_the_moments_of_its_model(kind: str, seed: int) -> None:
    """Mean, variance, correlation and distribution are those in closed form, within five standard errors.

    The 100 parts of the trace, each of hundreds of correlation times, are independent observations of each figure.
    """
    step, parts, length = 0.1, 100, 64 * 100
    model = KINDS[kind].model(**EXAMPLES[kind])
    values = long_grid(make(kind, seed, step * parts * length), step).reshape(parts, length)
    centred = values - model.mean

    def agrees(per_part: FloatArray, truth: float) -> None:
        error = per_part.std(ddof=1) / math.sqrt(parts)
        assert per_part.mean() == pytest.approx(truth, abs=5 * error + 1e-9)

    agrees(values.mean(axis=1), model.mean)
    agrees((centred**2).mean(axis=1), model.deviation**2)
    for lag in (1, 4, 32) if kind != "ornstein-uhlenbeck" else ():
        truth = float(model.correlation(np.array([lag * step]))[0])
        agrees((centred[:, :-lag] * centred[:, lag:]).mean(axis=1), truth * model.deviation**2)
    for x in [*np.quantile(values, [0.05, 0.3, 0.7, 0.95]), *model.atoms]:
        agrees((values <= x).mean(axis=1), float(model.cdf(np.array([x]))[0]))
        agrees((values < x).mean(axis=1), float(model.cdf_below(np.array([x]))[0]))


@pytest.mark.parametrize("kind", [kind for kind in EXAMPLES if kind != "diurnal"])
def test_every_kind_starts_in_its_stationary_state(kind: str) -> None:
    """First, second and last value over many short traces have the mean and variance of the model."""
    model = KINDS[kind].model(**EXAMPLES[kind])
    n = 3000
    at = np.array([0.0, 0.15, 0.95])
    rng = np.random.default_rng(5)
    values = np.array(
        [KINDS[kind].generate(rng, **EXAMPLES[kind], duration_s=1.0).value(at) for _ in range(n)]
    )
    error = model.deviation / math.sqrt(n)
    assert np.allclose(values.mean(axis=0), model.mean, atol=5 * error, rtol=0)
    fourth = ((values - model.mean) ** 2).std(axis=0) / math.sqrt(n)
    assert (np.abs(((values - model.mean) ** 2).mean(axis=0) - model.deviation**2) < 5 * fourth).all()


@given(kinds, st.integers(0, 2**32), st.floats(0.3, 30.0))
def test_values_are_never_negative_and_fill_the_duration(kind: str, seed: int, duration_s: float) -> None:
    trace = make(kind, seed, duration_s)
    assert trace.values.min() >= 0
    assert trace.times[-1] < duration_s == trace.duration
    if "step_s" in KINDS[kind].parameters:
        assert len(trace.times) == pytest.approx(duration_s / 0.1, abs=1.01)


@pytest.mark.parametrize("kind", EXAMPLES)
def test_too_many_values_are_refused_before_they_are_drawn(kind: str) -> None:
    with pytest.raises(ValueError, match=f"at most {MOST_VALUES} values"):
        make(kind, 0, 1e15)


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (kind, {name: value})
        for kind, example in EXAMPLES.items()
        for name in example
        for value in (-1.0, math.nan, math.inf)
    ]
    + [
        ("walk", {"mean": 0.0}),
        ("walk", {"correlation": 1.0}),
        ("walk", {"step_s": 0.0}),
        ("walk", {"duration_s": 0.05}),
        ("walk", {"duration_s": math.inf}),
        ("ornstein-uhlenbeck", {"duration_s": 0.05}),
        ("gilbert-elliott", {"bad": 5.0}),
        ("gilbert-elliott", {"good_time_s": 0.0}),
        ("gilbert-elliott", {"duration_s": 0.0}),
        ("diurnal", {"amplitude": 5.1}),
        ("diurnal", {"mean": 0.0, "amplitude": 0.0}),
        ("diurnal", {"period_s": 0.19}),
        ("fading", {"mean": 0.0}),
        ("fading", {"coherence_s": 0.049}),
    ],
)
def test_what_has_no_meaning_is_refused(kind: str, wrong: dict[str, float]) -> None:
    arguments: dict[str, Any] = EXAMPLES[kind] | {"duration_s": 10.0} | wrong
    with pytest.raises(ValueError, match="needs"):
        KINDS[kind].generate(np.random.default_rng(0), **arguments)


# Each of them


def test_a_walk_has_the_mean_spread_and_correlation_that_its_formula_says() -> None:
    mean, sigma, correlation, n = 250.0, 0.6, 0.8, 200_000
    trace = walk(
        np.random.default_rng(7), mean=mean, sigma=sigma, step_s=1.0, duration_s=n, correlation=correlation
    )
    # Lag sums of a correlated series shrink the effective sample by (1 + c) / (1 - c); five of its standard errors.
    effective = n * (1 - correlation) / (1 + correlation)
    spread = mean * math.sqrt(math.expm1(sigma**2))
    assert trace.values.mean() == pytest.approx(mean, abs=5 * spread / math.sqrt(effective))
    logs = np.log(trace.values)
    assert logs.mean() == pytest.approx(math.log(mean) - sigma**2 / 2, abs=5 * sigma / math.sqrt(effective))
    assert logs.std() == pytest.approx(sigma, rel=0.02)
    assert np.corrcoef(logs[:-1], logs[1:])[0, 1] == pytest.approx(correlation, abs=0.01)


@given(st.floats(0.01, 10.0), st.floats(1.0, 100.0))
def test_a_walk_fills_its_duration_whether_or_not_steps_divide_it(step_s: float, factor: float) -> None:
    duration_s = step_s * factor
    trace = walk(np.random.default_rng(0), mean=1.0, sigma=0.1, step_s=step_s, duration_s=duration_s)
    assert trace.duration == duration_s
    assert duration_s - step_s * (1 + 1e-9) <= trace.times[-1] < duration_s
    assert walk(np.random.default_rng(0), mean=2.0, sigma=0.0, step_s=0.1, duration_s=0.3).is_constant


def test_an_ornstein_uhlenbeck_process_below_zero_is_an_outage() -> None:
    model = KINDS["ornstein-uhlenbeck"].model(mean=1.0, deviation=1.0, relaxation_s=1.0)
    trace = ornstein_uhlenbeck(
        np.random.default_rng(3), mean=1.0, deviation=1.0, relaxation_s=0.0, step_s=1.0, duration_s=1e5
    )
    # Phi(-1), and the normal distribution's mean excess over -1.
    assert model.atoms[0.0] == pytest.approx(0.158655254)
    assert model.mean == pytest.approx(0.841344746 + 0.241970725)
    assert (trace.values == 0).mean() == pytest.approx(0.1587, abs=5 * math.sqrt(0.1587 * 0.8413 / 1e5))


@pytest.mark.parametrize("lag", [1, 3, 10])
def test_an_ornstein_uhlenbeck_process_forgets_exponentially(lag: int) -> None:
    """Far from 0, where nothing is cut off, also for a step that Euler's method could not take."""
    for step_s in (0.1, 3.0):
        trace = ornstein_uhlenbeck(
            np.random.default_rng(lag),
            mean=100.0,
            deviation=1.0,
            relaxation_s=1.0,
            step_s=step_s,
            duration_s=step_s * 2e5,
        )
        x = trace.values - 100.0
        agreed = np.mean(x[:-lag] * x[lag:])
        # Bartlett's standard error for a first-order autoregression is at most sqrt((1 + c**2) / (1 - c**2) * 2 / n).
        c = math.exp(-step_s)
        error = math.sqrt(2 * (1 + c * c) / (1 - c * c) / 2e5)
        assert agreed == pytest.approx(math.exp(-lag * step_s), abs=5 * error)


def test_sojourns_of_both_states_are_exponential_with_their_means() -> None:
    trace = gilbert_elliott(
        np.random.default_rng(8), good=1.0, bad=0.0, good_time_s=3.0, bad_time_s=0.5, duration_s=35_000.0
    )
    spans = np.diff(trace.times)
    for state, mean in ((1.0, 3.0), (0.0, 0.5)):
        chosen = spans[trace.values[:-1] == state]
        error = 5 / math.sqrt(len(chosen))
        assert len(chosen) == pytest.approx(10_000, rel=0.05)
        assert chosen.mean() == pytest.approx(mean, rel=error)
        assert chosen.std() == pytest.approx(mean, rel=2 * error)
        assert (chosen > mean).mean() == pytest.approx(math.exp(-1), abs=error / 2)
    assert set(np.diff(trace.values)) == {1.0, -1.0}


@given(st.integers(2, 50), st.floats(0, 200))
def test_a_wave_without_noise_is_the_cosine_in_the_middle_of_every_step(count: int, peak_s: float) -> None:
    trace = diurnal(
        np.random.default_rng(0),
        mean=3.0,
        amplitude=2.0,
        period_s=float(count),
        peak_s=peak_s,
        step_s=1.0,
        duration_s=3.0 * count,
    )
    middle = np.arange(3 * count) + 0.5
    assert np.allclose(trace.values, 3 + 2 * np.cos(2 * np.pi * (middle - peak_s) / count))
    assert trace.values.mean() == pytest.approx(3.0)


def test_fading_without_a_direct_wave_is_exponential_and_forgets_as_clarke_says() -> None:
    """The correlation of Rayleigh power is J0(2 pi f_d t)**2: 1/2 after a coherence time, 0 at the zero of J0."""
    step_s = 0.01
    model = KINDS["fading"].model(mean=2.0, coherence_s=0.1)
    assert model.correlation(np.array([0.0, 0.1])) == pytest.approx([1.0, 0.5])
    assert model.correlation(np.array([0.1 * 2.404825557695773 / 1.1263642393772588])) == pytest.approx(
        0, abs=1e-12
    )
    assert model.cdf(np.array([0.0, 2.0, 6.0])) == pytest.approx([0.0, -math.expm1(-1), -math.expm1(-3)])
    trace = fading(np.random.default_rng(4), mean=2.0, coherence_s=0.1, step_s=step_s, duration_s=4000.0)
    x = trace.values / 2 - 1
    assert np.mean(x**2) == pytest.approx(1.0, abs=0.05)
    assert np.mean(x[:-10] * x[10:]) == pytest.approx(0.5, abs=0.05)


def test_fading_repeats_without_a_jump() -> None:
    """The step over the seam is like any other; of a walk it is as large as between strangers."""
    seams, others = [], []
    for seed in range(300):
        values = fading(
            np.random.default_rng(seed), mean=1.0, coherence_s=1.0, step_s=0.1, duration_s=20.0
        ).values
        seams.append(values[0] - values[-1])
        others.append(values[1] - values[0])
    assert np.std(seams) == pytest.approx(np.std(others), rel=0.3)
    assert np.std(others) < 0.2


@pytest.mark.parametrize("duration_s", [0.1, 0.2, 0.3, 0.4, 1.1])
def test_fading_of_a_few_values_still_has_its_mean(duration_s: float) -> None:
    """All of the spectrum is in the values, however few frequencies they have."""
    rng = np.random.default_rng(6)
    values = [
        fading(rng, mean=1.0, coherence_s=0.05, step_s=0.1, duration_s=duration_s).values[-1]
        for _ in range(5000)
    ]
    assert np.mean(values) == pytest.approx(1.0, abs=5 / math.sqrt(5000))


@pytest.mark.parametrize("step_s", [0.0, -1.0, math.nan, math.inf])
def test_steps_refuse_a_length_that_is_none(step_s: float) -> None:
    with pytest.raises(ValueError, match="step_s"):
        steps([1.0], step_s=step_s)


def test_the_shipped_files_are_what_their_program_makes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "headway.traces.data.make", str(tmp_path)], check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == shipped_names()
    for name in shipped_names():
        assert (tmp_path / name).read_bytes() == shipped(name).read_bytes()


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300))
def test_a_rounded_value_is_near_and_has_few_bits_and_neighbours_share_it(value: float) -> None:
    (found,) = rounded(np.array([value]))
    assert abs(found - value) <= 2.0**-BITS * abs(value) or abs(value) < 1e-300
    assert rounded(np.array([found]))[0] == found
    if 1e-30 < abs(value) < 1e30:
        assert found == np.float32(value)
        beyond = rounded(np.nextafter(found, [-np.inf, np.inf]))
        assert (beyond == found).all()


@pytest.mark.parametrize("kind", KINDS)
def test_random_values_have_few_bits(kind: str) -> None:
    values = make(kind, 1, 30.0).values
    assert np.array_equal(values, rounded(values))

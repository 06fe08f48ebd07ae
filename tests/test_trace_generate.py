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

from traces import Trace, constant, shipped, shipped_names, steps, walk


def test_a_constant_is_the_constant_trace() -> None:
    assert constant(3.0) == Trace.constant(3.0)


def test_steps_last_equally_long_and_end_after_the_last() -> None:
    assert steps([1, 2, 3], step_s=0.5) == Trace([0.0, 0.5, 1.0], [1.0, 2.0, 3.0])
    assert steps([1, 2, 3], step_s=0.5, end="loop") == Trace([0.0, 0.5, 1.0], [1.0, 2.0, 3.0], "loop", 1.5)
    assert steps([1], step_s=2.0, end="zero").integral(0.0, 10.0) == 2.0


@given(st.integers(0, 2**32), st.sampled_from(["hold", "loop", "zero"]))
def test_the_same_generator_state_gives_the_same_walk(seed: int, end: Any) -> None:
    def make(seed: int) -> Trace:
        rng = np.random.default_rng(seed)
        return walk(rng, mean=5.0, sigma=0.5, step_s=0.1, duration_s=3.0, end=end)

    assert make(seed) == make(seed)
    assert make(seed) != make(seed + 1)


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


def test_a_walk_is_stationary_from_its_first_value_on() -> None:
    rng = np.random.default_rng(11)
    firsts, lasts = np.transpose(
        [
            walk(rng, mean=1.0, sigma=0.5, step_s=1.0, duration_s=4.0, correlation=0.9).values[[0, -1]]
            for _ in range(4000)
        ]
    )
    for sample in (firsts, lasts):
        assert sample.mean() == pytest.approx(1.0, abs=5 * math.sqrt(math.expm1(0.25) / 4000))
        assert np.log(sample).std() == pytest.approx(0.5, rel=0.06)


@given(st.floats(0.01, 10.0), st.floats(1.0, 100.0))
def test_a_walk_fills_its_duration_whether_or_not_steps_divide_it(step_s: float, factor: float) -> None:
    duration_s = step_s * factor
    trace = walk(np.random.default_rng(0), mean=1.0, sigma=0.1, step_s=step_s, duration_s=duration_s)
    assert trace.duration == duration_s
    assert duration_s - step_s * (1 + 1e-9) <= trace.times[-1] < duration_s
    assert walk(np.random.default_rng(0), mean=2.0, sigma=0.0, step_s=0.1, duration_s=0.3).is_constant


@pytest.mark.parametrize(
    "wrong",
    [
        {"mean": 0.0},
        {"mean": math.inf},
        {"mean": math.nan},
        {"sigma": -0.1},
        {"sigma": math.nan},
        {"correlation": 1.0},
        {"correlation": -0.1},
        {"step_s": 0.0},
        {"step_s": math.nan},
        {"duration_s": 0.5},
        {"duration_s": math.inf},
    ],
)
def test_a_walk_refuses_what_has_no_meaning(wrong: dict[str, float]) -> None:
    good: dict[str, Any] = {"mean": 1.0, "sigma": 0.1, "step_s": 1.0, "duration_s": 10.0}
    with pytest.raises(ValueError, match="needs"):
        walk(np.random.default_rng(0), **{**good, **wrong})


@pytest.mark.parametrize("step_s", [0.0, -1.0, math.nan, math.inf])
def test_steps_refuse_a_length_that_is_none(step_s: float) -> None:
    with pytest.raises(ValueError, match="step_s"):
        steps([1.0], step_s=step_s)


def test_the_shipped_files_are_what_their_program_makes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "traces.data.make", str(tmp_path)], check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == shipped_names()
    for name in shipped_names():
        assert (tmp_path / name).read_bytes() == shipped(name).read_bytes()

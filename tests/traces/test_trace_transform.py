"""The laws of the transforms: what the result is at any time, and over any interval, follows from the originals."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headway.traces import Trace, averaged, clipped, complement, multiplied, on_off, scaled, shifted, spliced
from headway.traces.trace import EndRule, FloatArray
from headway.traces.transform import MOST_VALUES

RULES: tuple[EndRule, ...] = ("hold", "loop", "zero")
EIGHTH = 0.125
"""All times here are multiples of it, so that sums and differences of times are exact and laws hold to the bit."""

ticks = st.integers(1, 64)
levels = st.sampled_from([0.0, 0.0, 1.0, 3.0]) | st.floats(1e-3, 1e6)
shares = st.sampled_from([0.0, 1.0]) | st.floats(1e-3, 1.0)


@st.composite
def any_trace(
    draw: st.DrawFn, rules: tuple[EndRule, ...] = RULES, values: st.SearchStrategy[float] = levels
) -> Trace:
    spans = draw(st.lists(ticks, min_size=1, max_size=7))
    chosen = draw(st.lists(values, min_size=len(spans), max_size=len(spans)))
    times = np.concatenate(([0.0], np.cumsum(spans))) * EIGHTH
    end = draw(st.sampled_from(rules))
    return Trace(times[:-1], chosen, end, None if end == "hold" else times[-1])


def probes(*traces: Trace, until: float = 200.0) -> FloatArray:
    """Times at, just before and just after many multiples of an eighth, the breakpoints among them."""
    grid = np.arange(0.0, until, EIGHTH)
    inside = [t for trace in traces for t in trace.times if t < until]
    return np.unique(np.concatenate((grid, grid + EIGHTH / 2, inside)))


def same_function(one: Trace, other: Trace, until: float = 200.0) -> bool:
    at = probes(one, other, until=until)
    return np.array_equal(one.value(at), other.value(at))


# Values


@given(any_trace(), st.sampled_from([0.0, 0.5, 2.0]) | st.floats(1e-3, 1e3))
def test_scaling_multiplies_values_and_integrals(trace: Trace, factor: float) -> None:
    result = scaled(trace, factor)
    at = probes(trace)
    assert np.array_equal(result.value(at), trace.value(at) * factor)
    assert result.integral(1.5, 60.0) == pytest.approx(trace.integral(1.5, 60.0) * factor, rel=1e-12)


@given(any_trace())
def test_scaling_by_one_is_the_identity(trace: Trace) -> None:
    assert scaled(trace, 1.0) == trace


@given(any_trace(), levels, levels)
@example(Trace([0], [2], "zero", 3), 1.0, 5.0)
def test_clipping_clips_at_every_time(trace: Trace, one: float, other: float) -> None:
    least, most = sorted((one, other))
    at = probes(trace)
    assert np.array_equal(clipped(trace, least, most).value(at), np.clip(trace.value(at), least, most))


@given(any_trace())
def test_clipping_to_everything_is_the_identity(trace: Trace) -> None:
    assert clipped(trace) == trace


@given(any_trace(values=shares))
@example(Trace([0], [0.25], "zero", 3))
def test_the_complement_fills_up_to_one_at_every_time(trace: Trace) -> None:
    at = probes(trace)
    assert np.array_equal(complement(trace).value(at), 1.0 - trace.value(at))
    length = 77.0
    assert complement(trace).integral(0.0, length) == pytest.approx(length - trace.integral(0.0, length))


# Shifts


@given(any_trace(), st.integers(0, 2000))
def test_a_later_start_sees_the_trace_from_there(trace: Trace, count: int) -> None:
    by = count * EIGHTH
    at = probes(trace)
    result = shifted(trace, by)
    assert np.array_equal(result.value(at), trace.value(at + by))
    assert result.integral(2.0, 50.0) == pytest.approx(trace.integral(2.0 + by, 50.0 + by), rel=1e-12)


@given(any_trace(("hold", "zero")), st.integers(1, 2000))
def test_an_earlier_start_waits_at_the_first_value(trace: Trace, count: int) -> None:
    by = count * EIGHTH
    at = probes(trace)
    assert np.array_equal(shifted(trace, -by).value(at), trace.value(np.maximum(at - by, 0.0)))


@given(any_trace(("loop",)), st.integers(-2000, 2000))
def test_a_loop_is_rotated_either_way(trace: Trace, count: int) -> None:
    by = count * EIGHTH
    period = trace.duration or 0.0
    at = probes(trace)
    assert np.array_equal(shifted(trace, by).value(at), trace.value((at + by) % period))
    assert shifted(trace, by).duration == period or trace.is_constant


@given(any_trace(), st.integers(0, 300), st.integers(0, 300))
def test_shifts_add_up(trace: Trace, one: int, other: int) -> None:
    twice = shifted(shifted(trace, one * EIGHTH), other * EIGHTH)
    assert same_function(twice, shifted(trace, (one + other) * EIGHTH))


@given(any_trace(), st.integers(0, 300))
def test_an_earlier_start_is_undone_by_a_later_one(trace: Trace, count: int) -> None:
    assert same_function(shifted(shifted(trace, -count * EIGHTH), count * EIGHTH), trace)


@given(any_trace(), st.floats(-1e9, 1e9))
@example(Trace([0, 1e-9], [1, 2], "zero", 1), -1e9)
@example(Trace([0, 0.5], [1, 2], "loop", 1), -1e-300)
def test_any_shift_gives_a_trace(trace: Trace, seconds: float) -> None:
    """Where rounding puts two breakpoints on one time, the later one counts."""
    result = shifted(trace, seconds)
    assert set(result.values) <= {*trace.values, 0.0}


# Parts


@given(st.lists(st.tuples(any_trace(), ticks), min_size=1, max_size=4), st.sampled_from(RULES))
def test_parts_follow_each_other_each_from_its_beginning(parts: list[tuple[Trace, int]], end: Any) -> None:
    result = spliced([(trace, count * EIGHTH) for trace, count in parts], end=end)
    start = 0.0
    for trace, count in parts:
        at = np.arange(0, count, 0.5) * EIGHTH
        assert np.array_equal(result.value(start + at), trace.value(at))
        start += count * EIGHTH
    last = result.value(math.nextafter(start, 0.0))
    after = {"hold": last, "zero": 0.0, "loop": parts[0][0].value(0.0)}
    assert result.value(start) == after[end]


@given(any_trace(), st.integers(1, 100))
def test_averaging_gives_the_mean_of_every_step(trace: Trace, count: int) -> None:
    step = count * EIGHTH
    result = averaged(trace, step)
    for start in result.times:
        stop = min(start + step, result.duration or math.inf)
        assert result.value(start) == trace.mean(float(start), stop)
    assert (result.end, result.duration) == (trace.end, trace.duration)
    for whole in np.append(result.times, trace.duration or 1000 * step):
        assert result.integral(0.0, whole) == pytest.approx(trace.integral(0.0, whole), rel=1e-12)


outages = st.lists(
    st.tuples(st.integers(0, 100), ticks).map(lambda p: (p[0] * EIGHTH, sum(p) * EIGHTH)), max_size=6
)


@given(outages, st.sampled_from(RULES))
def test_on_off_is_0_in_every_outage_and_1_elsewhere(spans: list[tuple[float, float]], end: Any) -> None:
    duration = None if end == "hold" else 30.0
    trace = on_off(spans, end=end, duration_s=duration)
    for t in np.arange(0, 30, EIGHTH / 2):
        assert trace.value(t) == (0.0 if any(start <= t < stop for start, stop in spans) else 1.0)
    assert trace.value(31.0) == {"hold": 1.0, "loop": trace.value(1.0), "zero": 0.0}[end]
    down = sorted(spans)
    assert trace.integral(0.0, 30.0) == 30.0 - sum(
        max(0.0, stop - max([start, *(e for _, e in down[:i])])) for i, (start, stop) in enumerate(down)
    )


def test_an_outage_may_last_for_ever() -> None:
    assert on_off([(2.0, math.inf), (1.0, 3.0)]) == Trace([0, 1], [1, 0])
    assert on_off([]) == Trace.constant(1.0)


# Products


def product_law(a: Trace, b: Trace, result: Trace, until: float) -> None:
    at = probes(a, b, until=until)
    assert np.array_equal(result.value(at), a.value(at) * b.value(at))
    pieces = np.append(at, until)
    whole = float(np.sum(a.value(at) * b.value(at) * np.diff(pieces)))
    assert result.integral(0.0, until) == pytest.approx(whole, rel=1e-12)


@given(any_trace(), any_trace())
@example(Trace([0, 1], [1, 0]), Trace([0, 1], [1, 2], "loop", 3))
@example(Trace([0], [1], "zero", 0.375), Trace([0, 1], [1, 2], "loop", 3))
def test_a_product_is_that_of_the_values_for_every_pair_of_end_rules(a: Trace, b: Trace) -> None:
    product_law(a, b, multiplied(a, b, horizon_s=200.0), 200.0)


@given(any_trace(("loop",)), any_trace(("loop",)))
def test_a_product_of_loops_with_a_common_period_is_exact_for_ever(a: Trace, b: Trace) -> None:
    result = multiplied(a, b)
    at = np.arange(0, 100, EIGHTH) + 6e6
    assert np.array_equal(result.value(at), a.value(at) * b.value(at))


@given(any_trace(), any_trace())
def test_a_product_commutes(a: Trace, b: Trace) -> None:
    assert same_function(multiplied(a, b, horizon_s=50.0), multiplied(b, a, horizon_s=50.0), until=1000.0)


@given(any_trace(), st.floats(0, 10))
def test_a_product_with_a_constant_is_scaling(trace: Trace, factor: float) -> None:
    assert same_function(multiplied(trace, Trace.constant(factor)), scaled(trace, factor))


def test_periods_are_common_as_they_are_written() -> None:
    """0.3 s are three times 0.1 s, although the float64 numbers are not."""
    a, b = Trace([0, 0.05], [1, 2], "loop", 0.1), Trace([0, 0.1], [1, 2], "loop", 0.3)
    assert multiplied(a, b).duration == pytest.approx(0.3, rel=1e-15)
    assert multiplied(a, b).integral(0.0, 0.3) == pytest.approx((1.5 + 3 + 3) * 0.1)


def test_a_product_that_does_not_repeat_is_exact_for_whole_rounds_and_then_repeats() -> None:
    rate, slowdown = Trace([0, 2], [10, 20], "loop", 4), Trace([0, 5, 7], [1, 0.5, 1])
    with pytest.raises(ValueError, match="horizon_s"):
        multiplied(rate, slowdown)
    result = multiplied(rate, slowdown, horizon_s=9.0)
    assert (result.end, result.duration) == ("loop", 12.0)
    assert result.value(np.array([5.0, 6.5, 7.0, 17.0])).tolist() == [5.0, 10.0, 20.0, 5.0]
    with pytest.raises(ValueError, match="horizon_s"):
        multiplied(rate, Trace([0, 1], [1, 2], "loop", math.pi))
    assert multiplied(rate, Trace([0, 1], [1, 2], "loop", math.pi), horizon_s=9.0).duration == 12.0


def test_a_trace_that_ends_at_0_needs_no_horizon() -> None:
    loop = Trace([0, 2], [10, 20], "loop", 4)
    for finite in (Trace([0, 5], [1, 0]), Trace([0], [1], "zero", 5)):
        product_law(loop, finite, multiplied(loop, finite), 100.0)


# Refusals


@pytest.mark.parametrize("wrong", [-1.0, math.inf, math.nan])
def test_what_has_no_meaning_is_refused(wrong: float) -> None:
    trace = Trace([0, 1], [0.5, 1], "loop", 2)
    calls: list[Callable[[], Trace]] = [
        lambda: scaled(trace, wrong),
        lambda: averaged(trace, wrong),
        lambda: clipped(trace, wrong),
        lambda: spliced([(trace, wrong)]),
        lambda: on_off([(wrong, 2.0)]),
        lambda: multiplied(trace, Trace([0, 1], [1, 2]), horizon_s=wrong),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="needs"):
            call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: clipped(Trace.constant(1), 2.0, 1.0),
        lambda: complement(Trace([0, 1], [1, 1.5])),
        lambda: shifted(Trace.constant(1), math.nan),
        lambda: spliced([]),
        lambda: on_off([(2.0, 2.0)]),
        lambda: on_off([(2.0, 4.0)], end="loop", duration_s=3.0),
        lambda: scaled(Trace.constant(1e300), 1e300),
        lambda: multiplied(Trace([0, 1], [1e300, 1]), Trace([0, 2], [1e300, 1])),
    ],
)
def test_what_cannot_be_is_refused(call: Any) -> None:
    with pytest.raises(ValueError, match=r"needs|finite|overflows"):
        call()


@given(st.integers(MOST_VALUES // 2 + 1, 10**15))
def test_a_result_that_would_be_too_large_is_refused_before_it_is_made(rounds: int) -> None:
    loop = Trace([0, 1], [1, 2], "loop", 2)
    far = 2.0 * rounds
    calls: list[Callable[[], Trace]] = [
        lambda: spliced([(loop, far)]),
        lambda: multiplied(loop, Trace([0, 1], [1, 2], "zero", far)),
        lambda: multiplied(loop, Trace([0, 1], [1, 2]), horizon_s=far),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="at most 1000000 values"):
            call()

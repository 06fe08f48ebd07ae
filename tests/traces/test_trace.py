"""The laws of `Trace`, against sums in exact rational arithmetic."""

import math
import pickle
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from headway import traces
from headway.traces.trace import EndRule, Trace

RULES: tuple[EndRule, ...] = ("hold", "loop", "zero")

gaps = st.sampled_from([0.1, 0.5, 1.0, 2.0, 7.0]) | st.floats(1e-3, 1e3)
levels = st.sampled_from([0.0, 0.0, 1.0, 3.0]) | st.floats(1e-3, 1e6)


@st.composite
def any_trace(draw: st.DrawFn, rules: tuple[EndRule, ...] = RULES) -> Trace:
    spans = draw(st.lists(gaps, min_size=1, max_size=8))
    values = draw(st.lists(levels, min_size=len(spans), max_size=len(spans)))
    times = np.concatenate(([0.0], np.cumsum(spans)))
    end = draw(st.sampled_from(rules))
    return Trace(times[:-1], values, end, None if end == "hold" else times[-1])


@st.composite
def trace_and_times(draw: st.DrawFn, count: int = 2) -> tuple[Trace, list[float]]:
    """A trace and sorted times, many of them on breakpoints and pass boundaries, some far out."""
    trace = draw(any_trace())
    period = trace.duration or 10.0
    on_breakpoint = st.builds(
        lambda k, t: k * period + t, st.integers(0, 4), st.sampled_from(trace.times.tolist())
    )
    anywhere = st.floats(1e-9, 5 * period) | st.floats(1e-9, 1e6)
    times = draw(st.lists(on_breakpoint | anywhere, min_size=count, max_size=count))
    return trace, sorted(times)


def exact_content(trace: Trace, t: float | Fraction) -> Fraction:
    """The integral from 0 to t, by summing every segment in rational arithmetic."""
    starts = [Fraction(x) for x in trace.times.tolist()]
    values = [Fraction(x) for x in trace.values.tolist()]
    at, total = Fraction(t), Fraction(0)
    if trace.duration is not None:
        close = Fraction(trace.duration)
        ends = [*starts[1:], close]
        if trace.end == "loop":
            passes, at = divmod(at, close)
            total = passes * exact_content(Trace(trace.times, trace.values, "zero", trace.duration), close)
    else:
        ends = [*starts[1:], max(at, starts[-1])]
    for value, start, end in zip(values, starts, ends, strict=True):
        total += value * max(Fraction(0), min(at, end) - start)
    return total


def level_before(trace: Trace, t: float) -> float:
    """The value in the last 1e-9 of the time before t."""
    return trace.value(t - min(t, 1e-9 * (1 + t)))


@given(trace_and_times())
def test_the_integral_is_the_sum_over_segments_for_every_end_rule(case: tuple[Trace, list[float]]) -> None:
    trace, (t0, t1) = case
    truth = float(exact_content(trace, t1) - exact_content(trace, t0))
    assert trace.integral(t0, t1) == pytest.approx(truth, rel=1e-12, abs=1e-300)


@given(trace_and_times(3))
def test_the_integral_is_additive_and_grows(case: tuple[Trace, list[float]]) -> None:
    trace, (t0, t1, t2) = case
    parts = trace.integral(t0, t1) + trace.integral(t1, t2)
    assert trace.integral(t0, t2) == pytest.approx(parts, rel=1e-12)
    assert trace.integral(t0, t2) >= trace.integral(t0, t1) * (1 - 1e-12)


@given(trace_and_times())
@example((Trace([0, 1, 2], [1, 0, 1], "loop", 3.0), [0.0, 7.0]))
@example((Trace([0, 0.1, 0.2], [1, 0, 3], "loop", 0.3), [0.1, 0.3]))
@example((Trace([0, 0.1], [1, 0], "loop", 0.7), [0.1, 3 * 0.7 + 0.1]))
def test_reach_is_the_inverse_of_the_integral(case: tuple[Trace, list[float]]) -> None:
    trace, (t0, t1) = case
    amount = trace.integral(t0, t1)
    assume(level_before(trace, t1) > 0)
    # Where the rate is tiny beside the amount, the rounding of the amount itself is a long time.
    for level in (level_before(trace, t1), trace.value(t1), trace.value(t1 + 1e-9 * (1 + t1))):
        assume(level == 0 or level * max(t1, 1e-3) > 1e-5 * amount)
    assert trace.reach(t0, amount) == pytest.approx(t1, rel=1e-9, abs=1e-9)


@given(trace_and_times(1), st.floats(1e-9, 1e12))
def test_reach_is_the_earliest_time_with_the_amount(case: tuple[Trace, list[float]], amount: float) -> None:
    trace, (t0,) = case
    t1 = trace.reach(t0, amount)
    if t1 == math.inf:
        assert trace.end != "loop" or not trace.values.any()
        assert float(exact_content(trace, 1e15) - exact_content(trace, t0)) < amount * (1 + 1e-12)
        return
    resolution = float(trace.values.max()) * math.ulp(t1)
    carried = float(exact_content(trace, t1) - exact_content(trace, t0))
    # The slack of `reach` is the sum of both; eight more steps of the clock are for its arithmetic.
    assert carried == pytest.approx(amount, rel=0.0, abs=1e-12 * amount + 40 * resolution)
    # Only if the slack of `reach` is more than the clock can show, t1 is visibly off the end of an outage.
    if 1e-12 * amount > 4 * resolution and math.ulp(t1) < 1e-6:
        assert any(trace.value(t1 - ulps * math.ulp(t1)) > 0 for ulps in (1, 2, 8))


@given(trace_and_times(1), st.floats(0, 1e9), st.floats(0, 1e9))
def test_reach_grows_with_the_amount(case: tuple[Trace, list[float]], one: float, other: float) -> None:
    trace, (t0,) = case
    less, more = sorted([one, other])
    early, late = trace.reach(t0, less), trace.reach(t0, more)
    assert t0 <= early
    assert early <= late * (1 + 1e-12)


@given(trace_and_times(2))
def test_reach_grows_with_the_start(case: tuple[Trace, list[float]]) -> None:
    trace, (t0, t1) = case
    assert trace.reach(t0, 5.0) <= trace.reach(t1, 5.0) * (1 + 1e-12)


@given(trace_and_times(6), st.floats(0, 1e9))
def test_arrays_give_the_same_bits_as_scalars(case: tuple[Trace, list[float]], amount: float) -> None:
    trace, times = case
    t = np.array(times)
    amounts = np.array([0.0, 1e-9, 1.0, amount])
    assert trace.value(t).tolist() == [trace.value(x) for x in times]
    assert trace.integral(t, times[-1]).tolist() == [trace.integral(x, times[-1]) for x in times]
    assert trace.mean(times[0], t).tolist() == [trace.mean(times[0], x) for x in times]
    grid = trace.reach(t[:, None], amounts)
    assert grid.shape == (6, 4)
    assert grid.dtype == np.float64
    assert grid.tolist() == [[trace.reach(x, a) for a in amounts.tolist()] for x in times]


@given(trace_and_times(1))
def test_the_value_is_constant_up_to_the_next_change_and_new_at_it(case: tuple[Trace, list[float]]) -> None:
    """An engine that sleeps from change to change must find the new value, not one rounding before it."""
    trace, (t,) = case
    change = trace.next_change(t)
    assert change > t
    if change == math.inf:
        assert trace.is_constant or trace.value(t) == trace.value(1e15)
        return
    halfway = t + (change - t) / 2
    assert halfway in (t, change) or trace.value(halfway) == trace.value(t)
    if trace.end != "loop":
        assert trace.value(change) != trace.value(t)
        assert change in {*trace.times.tolist(), trace.duration}


def test_walking_from_change_to_change_visits_every_segment_of_every_pass() -> None:
    """0.1 has no exact float, so multiples of the period fall on both sides of the true boundary."""
    trace = Trace([0.0, 0.1, 0.3], [1.0, 2.0, 3.0], "loop", 0.7)
    t, seen = 0.0, [trace.value(0.0)]
    for _ in range(3000):
        t = trace.next_change(t)
        seen.append(trace.value(t))
    assert seen == [1.0, 2.0, 3.0] * 1000 + [1.0]
    assert t == pytest.approx(700.0)


@given(trace_and_times(2))
def test_the_mean_lies_between_the_extremes_and_is_the_value_at_a_point(
    case: tuple[Trace, list[float]],
) -> None:
    trace, (t0, t1) = case
    slack = 1e-12 * trace.values.max()
    low = 0.0 if trace.end == "zero" else float(trace.values.min())
    assert low - slack <= trace.mean(t0, t1) <= trace.values.max() + slack
    assert trace.mean(t0, t0) == trace.value(t0)


@pytest.mark.parametrize("passes", [0, 1, 3, 10, 10**6])
def test_a_whole_number_of_passes_ends_with_a_pass_not_after_the_next_pause(passes: int) -> None:
    pausing = Trace([0.0, 1.0], [5.0, 0.0], "loop", 4.0)
    assert pausing.integral(0.0, 4.0 * passes) == 5.0 * passes
    assert pausing.reach(0.0, 5.0 * passes) == max(0.0, 4.0 * (passes - 1) + 1.0)
    delayed = Trace([0.0, 3.0], [0.0, 5.0], "loop", 4.0)
    both = Trace([0.0, 1.0, 2.0], [0.0, 5.0, 0.0], "loop", 4.0)
    assert both.reach(0.0, 5.0 * passes * (1 + 1e-14)) == max(0.0, 4.0 * (passes - 1) + 2.0)
    assert delayed.reach(0.0, 5.0 * passes) == 4.0 * passes
    assert delayed.reach(4.0, 5.0 * passes) == 4.0 * (passes + 1 if passes else 1)


def test_what_is_complete_when_an_outage_begins_does_not_wait_for_its_end() -> None:
    trace = Trace([0.0, 1.0, 101.0], [3.0, 0.0, 3.0])
    amount = trace.integral(0.1, 0.4) + trace.integral(0.4, 0.7) + trace.integral(0.7, 1.0)
    assert trace.reach(0.1, amount) == pytest.approx(1.0)
    assert trace.reach(0.1, math.nextafter(trace.integral(0.1, 1.0), math.inf)) == pytest.approx(1.0)
    assert trace.reach(0.1, 2.7001) > 101


@given(
    st.lists(st.integers(1, 400), min_size=1, max_size=60),
    st.integers(0, 5),
    st.integers(2, 10**6),
)
def test_packets_leave_in_their_slots_however_late_and_however_decimal_the_clock(
    gaps_ms: list[int], passes: int, first_ms: int
) -> None:
    """Slots of 1 ms carry 1500 bytes each; no float64 clock shows them exactly, yet none may slip to the next."""
    ends = np.cumsum([first_ms, *(gap + 1 for gap in gaps_ms)])
    edges = np.column_stack((ends - 1, ends)).ravel() / 1000
    trace = Trace([0.0, *edges[:-1]], [0.0, *[1.5e6, 0.0] * (len(ends) - 1), 1.5e6], "loop", edges[-1])
    period, t = float(edges[-1]), float(edges[-1]) * passes
    for end in ends / 1000 + period * passes:
        t = trace.reach(t, 1500.0)
        assert t == pytest.approx(end, abs=1e-8)
    for count, end in enumerate(ends / 1000, 1):
        assert trace.reach(0.0, 1500.0 * count) == pytest.approx(end, abs=1e-8)


def test_nothing_is_reached_at_once_and_the_impossible_never() -> None:
    outage = Trace([0.0, 1.0, 2.0], [1.0, 0.0, 1.0], "zero", 3.0)
    assert outage.reach(1.5, 0.0) == 1.5
    assert outage.reach(0.0, 2.0) == 3.0
    assert outage.reach(0.0, 2.0001) == math.inf
    assert outage.reach(5.0, 1.0) == math.inf
    assert outage.next_change(3.0) == math.inf
    dead = Trace([0.0, 1.0], [0.0, 0.0], "loop", 2.0)
    assert dead.reach(0.5, 1e-300) == math.inf
    assert dead.reach(0.5, 0.0) == 0.5
    assert Trace.constant(1.0).reach(0.0, math.inf) == math.inf
    assert Trace([0.0, 1.0], [1.0, 2.0]).reach(0.0, math.inf) == math.inf
    assert Trace([0.0, 1.0], [1e-300, 2e-300], "loop", 2.0).reach(0.0, 1e300) == math.inf


@pytest.mark.parametrize("end", RULES)
def test_far_out_in_time_a_tiny_amount_takes_its_tiny_time(end: EndRule) -> None:
    times = np.arange(2_000_000) * 1.0
    values = 1e6 + 1e5 * np.sin(times)
    trace = Trace(times, values, end, None if end == "hold" else 2_000_000.0)
    t0 = 1e6 + 0.25
    assert trace.integral(t0, t0 + 2.0**-20) == trace.value(t0) * 2.0**-20
    assert trace.reach(t0, trace.value(t0) * 2.0**-20) == t0 + 2.0**-20
    across = trace.value(1e6) * 0.75 + trace.value(1e6 + 1) + trace.value(1e6 + 2) * 0.5
    assert trace.integral(t0, 1e6 + 2.5) == pytest.approx(across, rel=1e-15)
    assert trace.reach(t0, across) == pytest.approx(1e6 + 2.5, abs=2e-10)


def test_a_short_span_keeps_its_digits_after_a_huge_one() -> None:
    """Prefix sums of 1e18 cannot show contents of 0.3, so their rounding errors are kept beside them."""
    trace = Trace([0.0, 1.0, 2.0, 3.0, 4.0], [1e18, 0.1, 0.2, 0.3, 0.0])
    assert trace.integral(1.0, 4.0) == pytest.approx(0.6, rel=1e-15)
    assert trace.reach(1.5, 0.4) == pytest.approx(3.5, rel=1e-15)
    assert trace.reach(1.5, 0.05 + 0.2 + 0.3) == pytest.approx(4.0, rel=1e-15)


def test_exact_multiples_of_the_period_belong_to_the_pass_they_start() -> None:
    trace = Trace([0.0, 0.25], [1.0, 2.0], "loop", 0.5)
    for k in (0, 1, 2, 1000, 2**40):
        assert trace.value(0.5 * k) == 1.0
        assert trace.value(0.5 * k + 0.25) == 2.0
        assert trace.integral(0.5 * k, 0.5 * k + 0.25) == 0.25
        assert trace.reach(0.5 * k, 0.75) == 0.5 * (k + 1)
        assert trace.next_change(0.5 * k) == 0.5 * k + 0.25


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], []), "n >= 1"),
        (([0.0, 1.0], [1.0]), "one shape"),
        (([[0.0]], [[1.0]]), "one shape"),
        (([1.0], [1.0]), "start at 0"),
        (([-1.0], [1.0]), "start at 0"),
        (([math.nan], [1.0]), "start at 0"),
        (([0.0, math.inf], [1.0, 1.0]), "finite"),
        (([0.0, 1.0, 1.0], [1.0, 1.0, 1.0]), "strictly, got 1.0 then 1.0 at index 1"),
        (([0.0, 2.0, 1.0], [1.0, 1.0, 1.0]), "strictly"),
        (([0.0, 1.0], [1.0, -1.0]), "got -1.0 at index 1"),
        (([0.0], [math.nan]), "got nan"),
        (([0.0], [math.inf]), "got inf"),
        (([0.0, 1e10, 2e10], [1e308, 1e308, 0.0]), "overflows"),
        (([0.0], [1e308], "loop", 1e10), "overflows"),
        (([0.0], [1.0], "stop"), "must be"),
        (([0.0], [1.0], "hold", 1.0), "no duration"),
        (([0.0], [1.0], "loop"), "needs a finite duration"),
        (([0.0, 1.0], [1.0, 1.0], "loop", 1.0), "after the last time 1.0"),
        (([0.0, 1.0], [1.0, 1.0], "zero", 0.5), "after the last time"),
        (([0.0], [1.0], "zero", math.inf), "needs a finite duration"),
        (([0.0], [1.0], "loop", math.nan), "needs a finite duration"),
    ],
)
def test_a_trace_that_breaks_a_rule_cannot_be_made(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Trace(*arguments)


@pytest.mark.parametrize("trace", [Trace.constant(1.0), Trace([0.0, 1.0], [1.0, 2.0], "loop", 2.0)])
@pytest.mark.parametrize("bad", [-1e-9, math.nan, math.inf, -math.inf])
def test_a_time_before_0_or_that_is_no_time_is_refused(trace: Trace, bad: float) -> None:
    for ask in (
        trace.value,
        trace.next_change,
        lambda t: trace.integral(t, 5.0),
        lambda t: trace.integral(0.0, t),
        lambda t: trace.mean(t, t),
        lambda t: trace.reach(t, 1.0),
        lambda t: trace.value(np.array([0.0, t])),
        lambda t: trace.reach(np.array([0.0, t]), 1.0),
    ):
        with pytest.raises(ValueError, match="finite"):
            ask(bad)
    for amount in (-1.0, math.nan):
        with pytest.raises(ValueError, match="amount"):
            trace.reach(0.0, amount)
    with pytest.raises(ValueError, match="t0 <= t1"):
        trace.integral(1.0, 0.5)


def test_a_trace_cannot_be_changed_from_outside() -> None:
    times, values = np.array([0.0, 1.0]), np.array([1.0, 2.0])
    trace = Trace(times, values)
    values[0] = 99.0
    assert trace.value(0.0) == 1.0
    with pytest.raises(ValueError, match="read-only"):
        trace.values[0] = 99.0
    with pytest.raises(ValueError, match="read-only"):
        trace.times[1] = 0.5
    with pytest.raises(AttributeError):
        trace.end = "loop"  # type: ignore[misc]


@given(any_trace())
def test_equality_hash_and_pickle_go_by_content(trace: Trace) -> None:
    twin = Trace(trace.times, trace.values, trace.end, trace.duration)
    assert twin == trace
    assert hash(twin) == hash(trace)
    assert pickle.loads(pickle.dumps(trace)) == trace
    assert Trace(trace.times, trace.values + 1, trace.end, trace.duration) != trace
    assert trace != "a trace"


def test_traces_with_different_ends_differ() -> None:
    assert len({Trace([0.0], [1.0]), Trace([0.0], [1.0], "loop", 2.0), Trace([0.0], [1.0], "zero", 2.0)}) == 3
    assert Trace([0.0], [-0.0]) == Trace([-0.0], [0.0])


def test_constancy_is_seen_through_breakpoints_that_change_nothing() -> None:
    assert Trace.constant(4.0).is_constant
    assert Trace([0.0, 1.0, 2.0], [4.0, 4.0, 4.0], "loop", 3.0).is_constant
    assert Trace([0.0, 1.0], [0.0, 0.0], "zero", 3.0).is_constant
    assert not Trace([0.0], [4.0], "zero", 3.0).is_constant
    assert not Trace([0.0, 1.0], [4.0, 5.0]).is_constant
    assert Trace([0.0, 1.0, 2.0], [1.0, 1.0, 2.0]).next_change(0.0) == 2.0


def test_the_repr_is_one_short_line() -> None:
    assert repr(Trace.constant(2.5)) == "<Trace constant 2.5>"
    assert (
        repr(Trace(np.arange(1000.0), np.arange(1000.0), "loop", 1e3))
        == "<Trace of 1000 values, loop at 1000 s>"
    )


def test_the_public_names_are_sorted_and_there() -> None:
    assert traces.__all__ == sorted(traces.__all__)
    assert all(hasattr(traces, name) for name in traces.__all__)


@given(
    st.lists(st.tuples(st.floats(0.01, 2.0), st.just(0.0) | st.floats(1e-3, 9.0)), min_size=1, max_size=5),
    st.floats(0, 9),
    st.floats(0.01, 20),
)
def test_the_mean_before_a_moment_is_that_of_a_trace_that_began_earlier(
    steps: list[tuple[float, float]], t: float, window_s: float
) -> None:
    """Against the same trace put off by whole periods (loop), or led in by its first value (hold)."""
    lengths, values = zip(*steps, strict=True)
    times = np.concatenate(([0.0], np.cumsum(lengths)[:-1]))
    period = float(sum(lengths))
    looping = Trace(times, values, end="loop", duration=period)
    rounds = math.ceil(window_s / period) * period
    assert looping.mean_before(t, window_s) == pytest.approx(
        looping.mean(t + rounds - window_s, t + rounds), abs=1e-9
    )
    holding = Trace(times, values)
    late = Trace(np.concatenate(([0.0], times + window_s)), np.concatenate(([values[0]], values)))
    assert holding.mean_before(t, window_s) == pytest.approx(late.mean(t, t + window_s), abs=1e-9)
    assert holding.mean_before(t, 0.0) == holding.value(t)
    # A window that is too short to end before t.
    assert holding.mean_before(t + 1.0, 1e-20) == holding.value(t + 1.0)


def test_whole_rounds_that_rounding_makes_too_short_still_give_a_mean() -> None:
    """10 * 0.09 is a hair below 0.9."""
    looping = Trace([0.0, 0.02], [1.0, 3.0], end="loop", duration=0.09)
    assert 10 * 0.09 < 0.9
    assert looping.mean_before(0.0, 0.9) == pytest.approx(looping.mean(0.0, 0.09))


def test_what_is_too_small_to_divide_by_counts_as_nothing() -> None:
    """No rate or share is that small; its inverse would be infinite."""
    trace = Trace([0.0, 1.0], [0.0, 5e-324], end="loop", duration=1.1)
    assert trace.values.tolist() == [0.0, 0.0]
    assert trace.reach(0.0, 1.0) == math.inf
    assert Trace.constant(1e-199).value(0.0) == 1e-199

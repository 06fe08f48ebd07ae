"""Laws of instruments: they change nothing, and what they are told is what the tables say."""

import math
from collections import defaultdict
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import Shuffled, eventful

from headway.simcore import Instrument, Result, Scenario, StepGraph, simulate
from headway.simcore.instrument import (
    Asked,
    Attempt,
    Compute,
    Formed,
    Message,
    Move,
    Span,
    Spans,
    Standing,
    Together,
)

FEW = settings(max_examples=15, deadline=None)


def probed(scenario: Scenario, seed: int) -> tuple[Result, list[Span]]:
    spans: list[Span] = []
    return simulate(scenario, Shuffled(seed), instrument=Spans(spans.append)), spans


def ends(span: Span) -> tuple[float, float]:
    """When a span begins and ends."""
    match span:
        case Formed():
            return span.time_s, span.time_s
        case Attempt():
            return span.begun_s, span.begun_s
        case Compute():
            return span.submitted_s, span.end_s
        case Message():
            return span.sent_s, span.arrived_s
        case Asked():
            return span.asked_s, span.answered_s
        case Move() | Standing():
            return span.start_s, span.end_s


@given(eventful(faults=True), st.integers(0, 100))
@FEW
def test_spans_come_when_they_have_ended(scenario: Scenario, seed: int) -> None:
    _, spans = probed(scenario, seed)
    last = [ends(span)[1] for span in spans]
    assert last == sorted(last)
    assert all(begin <= end for begin, end in map(ends, spans))


@given(eventful(), st.integers(0, 100))
@FEW
def test_spans_add_up_to_the_tables(scenario: Scenario, seed: int) -> None:
    """Attempts are tokens, questions are decisions, moves are migrations, messages are what links carried."""
    result, spans = probed(scenario, seed)
    attempts = [(s.request, s.token) for s in spans if isinstance(s, Attempt)]
    assert attempts == list(zip(result.tokens.request, result.tokens.token, strict=True))
    asked = [(s.token, s.asked_s, s.outcome, s.moved) for s in spans if isinstance(s, Asked)]
    columns = ["token", "time_s", "outcome", "moved_blocks"]
    assert asked == list(result.decisions[columns].itertuples(index=False, name=None))
    moves = [
        (scenario.block_table.names[s.block], s.outcome, s.start_s) for s in spans if isinstance(s, Move)
    ]
    columns = ["block", "outcome", "start_s"]
    assert moves == list(result.migrations[columns].itertuples(index=False, name=None))
    carried: defaultdict[str, float] = defaultdict(float)
    for span in spans:
        if isinstance(span, Message):
            route = scenario.cluster.routes[span.sender][span.receiver]
            assert route is not None
            for link in route.links:
                carried[scenario.cluster.links[link].name] += span.wire_bytes
    said = result.links.groupby("link").size_bytes.sum()
    assert carried.keys() == set(said.index)
    assert all(carried[name] == pytest.approx(said[name]) for name in carried)


@given(eventful(), st.integers(0, 100))
@FEW
def test_a_device_is_busy_while_spans_say_so(scenario: Scenario, seed: int) -> None:
    """On a `fifo` device computations come one after another, and the sum of them is its busy time."""
    result, spans = probed(scenario, seed)
    busy = result.devices.groupby("device").busy_s.sum()
    for i, device in enumerate(scenario.cluster.devices):
        mine = [s for s in spans if isinstance(s, Compute) and s.device == i]
        if device.discipline == "fifo":
            assert sum(s.end_s - s.start_s for s in mine) == pytest.approx(busy.get(device.name, 0.0))
            assert all(b.start_s >= a.end_s - 1e-12 for a, b in pairwise(mine))
        for s in mine:
            share = device.availability.integral(*s.computing(scenario.memory.prefetch))
            # Of a very short computation the times are too coarse.
            assert share >= s.nominal_s * (1 - 1e-9) - 4 * math.ulp(s.end_s)


@given(eventful(), st.integers(0, 100))
@FEW
def test_every_block_computes_once_per_token_where_it_is(scenario: Scenario, seed: int) -> None:
    _, spans = probed(scenario, seed)
    made: list[tuple[Attempt, list[Compute]]] = []
    for span in spans:
        if isinstance(span, Attempt):
            made.append((span, []))
        elif isinstance(span, Compute):
            made[-1][1].append(span)
    blocks = scenario.block_table
    for attempt, computes in made:
        counted: defaultdict[tuple[int, int, int], float] = defaultdict(float)
        for one in computes:
            counted[one.kind, one.layer, one.device] += one.blocks
        expected: defaultdict[tuple[int, int, int], int] = defaultdict(int)
        for row in zip(blocks.kind.tolist(), blocks.layer.tolist(), attempt.placement.tolist(), strict=True):
            expected[row] += 1
        assert counted == expected


@given(eventful(), st.integers(0, 100))
@FEW
def test_a_move_ends_when_its_block_may_be_used(scenario: Scenario, seed: int) -> None:
    """A `live` migration is over when decoding switches to it, not when the copies are there."""
    _, spans = probed(scenario, seed)
    for i, span in enumerate(spans):
        if isinstance(span, Move) and span.outcome == "moved":
            attempt = next(s for s in spans[i:] if isinstance(s, Attempt))
            before = [s for s in spans[:i] if isinstance(s, Attempt)]
            assert attempt.begun_s >= span.end_s
            assert attempt.placement[span.block] == span.new
            assert not before or before[-1].placement[span.block] == span.old


@given(eventful(faults=True), st.integers(0, 100))
@FEW
def test_between_the_wait_and_the_attempt_that_made_it_a_token_stands_still(
    scenario: Scenario, seed: int
) -> None:
    """Standing spans of each cause and charged decisions add up to the columns of the token."""
    result, spans = probed(scenario, seed)
    sums = {"migration": 0.0, "fault": 0.0, "decision": 0.0}
    for span in spans:
        if isinstance(span, Standing):
            sums[span.cause] += span.end_s - span.start_s
        elif isinstance(span, Asked):
            sums["decision"] += span.answered_s - span.asked_s
    if result.runs.status[0] == "complete":
        for cause, total in sums.items():
            assert total == pytest.approx(result.tokens[f"{cause}_s"].sum())


@given(eventful(faults=True), st.integers(0, 100))
@FEW
def test_instruments_together_are_told_all_in_order(scenario: Scenario, seed: int) -> None:
    told: list[tuple[int, Span]] = []
    three = [Spans(lambda span, number=number: told.append((number, span))) for number in range(3)]  # type: ignore[misc]
    simulate(scenario, Shuffled(seed), instrument=Together(*three))
    _, alone = probed(scenario, seed)
    assert [number for number, _ in told] == [0, 1, 2] * len(alone)
    for number in range(3):
        assert [str(span) for one, span in told if one == number] == [str(span) for span in alone]


HOOKS = {
    "batch_formed": Formed,
    "step_begins": Attempt,
    "task_done": Compute,
    "message_arrived": Message,
    "block_arrived": Message,
    "policy_asked": Asked,
    "block_moved": Move,
    "stood_still": Standing,
}
"""Every hook, and what `Spans` makes of it."""


def test_there_is_a_test_for_every_hook() -> None:
    assert HOOKS.keys() == {name for name in vars(Instrument) if not name.startswith("_")}


@pytest.mark.parametrize("hook", HOOKS)
@given(scenario=eventful(faults=True), seed=st.integers(0, 100))
@FEW
def test_an_instrument_is_told_what_it_overrides_and_nothing_else(
    hook: str, scenario: Scenario, seed: int
) -> None:
    """Its one hook is called as often as there are such spans; the others do nothing, also beside other instruments."""
    calls: list[tuple[object, ...]] = []
    one = type("One", (Instrument,), {hook: lambda self, *what: calls.append(what)})
    spans: list[Span] = []
    simulate(scenario, Shuffled(seed), instrument=Together(Instrument(), one(), Spans(spans.append)))
    expected = [span for span in spans if isinstance(span, HOOKS[hook])]
    if HOOKS[hook] is Message:
        moving = hook == "block_arrived"
        expected = [
            span for span in expected if isinstance(span, Message) and (span.block is not None) == moving
        ]
    assert len(calls) == len(expected)
    for what, span in zip(calls, expected, strict=True):
        if hook == "task_done":
            batch, graph, node, *times = what
            assert isinstance(batch, tuple)
            assert batch[0][:2] == (span.request, span.token)
            assert isinstance(graph, StepGraph)
            assert isinstance(node, int)
            assert isinstance(span, Compute)
            assert (graph.device[node], graph.kind[node], graph.layer[node]) == (
                span.device,
                span.kind,
                span.layer,
            )
            assert times == [span.submitted_s, span.start_s, span.disk_s, span.end_s, span.nominal_s]
        elif hook == "message_arrived":
            _, graph, node, size_bytes, *_, arrived_s = what
            assert isinstance(graph, StepGraph)
            assert isinstance(node, int)
            assert isinstance(span, Message)
            assert (graph.device[node], graph.receiver[node]) == (span.sender, span.receiver)
            assert graph.payload[node] == span.payload
            assert (size_bytes, arrived_s) == (span.size_bytes, span.arrived_s)
        else:
            assert what == (span,)

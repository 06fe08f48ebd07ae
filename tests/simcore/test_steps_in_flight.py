"""Laws of steps as events: each takes the makespan of its graph, and several meet on devices and links only."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import bare

from headway.simcore import (
    Cluster,
    Device,
    FloatArray,
    GraphBuilder,
    Instrument,
    Kind,
    Link,
    Payload,
    StepGraph,
)
from headway.simcore.engine.compute import processor
from headway.simcore.engine.events import Executor, Load, StepInFlight, until_done
from headway.simcore.engine.network.network import network
from headway.simcore.errors import RunEndedError
from headway.simcore.steps.makespan import makespan, shared_makespan
from headway.simcore.world.batch import Batch
from headway.traces import Trace

MANY = settings(max_examples=80, deadline=None)
BYTES_PER_S = 10.0

Sharing = Literal["dedicated", "fair"]
Discipline = Literal["fifo", "ps"]


@dataclass
class Ends(Instrument):
    """Remembers when which node of which graph has ended."""

    received: list[tuple[StepGraph, int, float]] = field(default_factory=list)

    def task_done(
        self,
        batch: Batch,
        graph: StepGraph,
        node: int,
        submitted_s: float,
        start_s: float,
        disk_s: float,
        end_s: float,
        nominal_s: float,
    ) -> None:
        self.received.append((graph, node, end_s))

    def message_arrived(
        self,
        batch: Batch,
        graph: StepGraph,
        node: int,
        size_bytes: float,
        sent_s: float,
        flow_s: float,
        wire_bytes: float,
        arrived_s: float,
    ) -> None:
        self.received.append((graph, node, arrived_s))


def executor(
    count: int,
    sharing: Sharing = "dedicated",
    discipline: Discipline = "fifo",
    instrument: Instrument | None = None,
) -> Executor:
    """An executor of the cluster of `mesh`."""
    env, cluster = simpy.Environment(), mesh(count, discipline)
    processors = [processor(env, device) for device in cluster.devices]
    return Executor(env, network(env, cluster, sharing), processors, instrument or Instrument())


def mesh(count: int, discipline: Discipline = "fifo") -> Cluster:
    """Devices that are always free, with a link of 10 bytes/s between every two."""
    devices = tuple(bare(f"d{i}", discipline=discipline) for i in range(count))
    links = tuple(
        Link(name=f"l{i}{j}", ends=(f"d{i}", f"d{j}"), bandwidth=Trace.constant(BYTES_PER_S))
        for j in range(count)
        for i in range(j)
    )
    return Cluster(devices, links, "d0")


def load(graph: StepGraph, seconds: Sequence[float] | FloatArray) -> Load:
    """Tasks and messages that take so long where nobody else is."""
    times = np.asarray(seconds)
    is_task = np.isin(np.arange(len(graph)), graph.tasks)
    return Load(
        np.where(is_task, times, 0.0).tolist(),
        [0.0] * len(graph),
        np.where(is_task, 0.0, BYTES_PER_S * times).tolist(),
    )


def took(
    graph: StepGraph, seconds: Sequence[float] | FloatArray, sharing: Sharing = "dedicated"
) -> tuple[float, StepInFlight]:
    """How long a step takes alone, and the step."""
    run = executor(4, sharing)
    step = run.step(graph, load(graph, seconds))
    step.begin()
    run.env.run(step.done)
    return run.env.now, step


# One step, of any shape


@st.composite
def graphs(draw: st.DrawFn, most: int = 14) -> StepGraph:
    """Tasks, messages and joins on four devices, in any order, each after any of those before it."""
    step = GraphBuilder()
    device = st.integers(0, 3)
    for node in range(draw(st.integers(1, most))):
        after = sorted(draw(st.sets(st.integers(0, node - 1), max_size=3))) if node else []
        match draw(st.sampled_from(["task", "task", "message", "message", "join"])):
            case "task":
                step.task(draw(device), Kind.HEAD, layer=0, stage=node, after=after)
            case "message":
                ends = draw(device), draw(device)
                step.message(*ends, Payload.HIDDEN, kind=Kind.HEAD, layer=0, stage=node, after=after)
            case _:
                step.join(draw(device), layer=0, stage=node, after=after)
    return step.graph()


def timed(graph: StepGraph, seconds: np.ndarray) -> np.ndarray:
    """What takes no time in the engine takes none here."""
    takes = np.union1d(graph.tasks, graph.messages)
    return np.where(np.isin(np.arange(len(graph)), takes), seconds, 0.0)


@given(graphs(), st.integers(0, 2**32 - 1))
@MANY
def test_a_step_of_any_shape_takes_its_makespan(graph: StepGraph, seed: int) -> None:
    seconds = timed(graph, np.random.default_rng(seed).uniform(0.0, 3.0, len(graph)))
    end_s, step = took(graph, seconds)
    assert end_s == pytest.approx(makespan(graph, seconds), rel=1e-9)
    parts = step.parts()
    assert parts.compute_s + parts.disk_s + parts.transfer_s + parts.wait_s == pytest.approx(end_s, rel=1e-9)


@given(graphs(), st.data())
@MANY
def test_a_step_takes_its_makespan_also_where_many_things_end_at_once(
    graph: StepGraph, data: st.DataObject
) -> None:
    """Which of two tasks of a device goes first when both become ready at one moment is the same for both readers."""
    times = st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]), min_size=len(graph), max_size=len(graph))
    seconds = timed(graph, np.array(data.draw(times)))
    assert took(graph, seconds)[0] == pytest.approx(makespan(graph, seconds), rel=1e-9)


@given(graphs(), st.data())
@MANY
def test_so_does_a_step_whose_messages_share(graph: StepGraph, data: st.DataObject) -> None:
    """All messages from one device to another share a link, and may start at once."""
    times = st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]), min_size=len(graph), max_size=len(graph))
    rounded = timed(graph, np.array(data.draw(times)))
    drawn = timed(graph, np.random.default_rng(data.draw(st.integers(0, 100))).uniform(0.0, 3.0, len(graph)))
    is_task = np.isin(np.arange(len(graph)), graph.tasks)
    for seconds in (rounded, drawn):
        fixed_s, size_bytes = np.where(is_task, seconds, 0.0), np.where(is_task, 0.0, BYTES_PER_S * seconds)
        predicted_s = shared_makespan(graph, fixed_s, size_bytes, mesh(4).crossings(0.0, 0.0), 4)
        assert took(graph, seconds, "fair")[0] == pytest.approx(predicted_s, rel=1e-9)


@given(graphs(), st.integers(0, 2**32 - 1))
@MANY
def test_every_task_and_message_is_told_once_and_after_what_it_waits_for(graph: StepGraph, seed: int) -> None:
    ends = Ends()
    run = executor(4, instrument=ends)
    seconds = timed(graph, np.random.default_rng(seed).uniform(0.0, 3.0, len(graph)))
    run.env.run(run.env.process(until_done(run.step(graph, load(graph, seconds)))))
    end_s = {node: end for _, node, end in ends.received}
    assert sorted(node for _, node, _ in ends.received) == np.union1d(graph.tasks, graph.messages).tolist()
    for before, successors in enumerate(graph.nodes.successors):
        for node in successors:
            if before in end_s and node in end_s:
                assert end_s[node] >= end_s[before] + seconds[node] - 1e-9


def test_a_step_with_a_message_that_never_arrives_ends_with_an_error() -> None:
    env = simpy.Environment()
    devices = tuple(map(bare, "ab"))
    dead = Link(name="dead", ends=("a", "b"), bandwidth=Trace.constant(0.0))
    net = network(env, Cluster(devices, (dead,), "a"), "dedicated")
    run = Executor(env, net, [processor(env, device) for device in devices], Instrument())
    graph = line(1.0, 1.0, 1.0)[0]
    with pytest.raises(RunEndedError, match=r"never arrive over .*dead"):
        env.run(env.process(until_done(run.step(graph, load(graph, [1.0, 1.0, 1.0])))))
    assert env.now == 1.0


# Several steps


def line(first_s: float, send_s: float, second_s: float) -> tuple[StepGraph, Load]:
    """A task on d0, a message to d1, a task there."""
    step = GraphBuilder()
    task = step.task(0, Kind.HEAD, layer=0, stage=0)
    message = step.message(0, 1, Payload.HIDDEN, kind=Kind.HEAD, layer=0, stage=1, after=[task])
    step.task(1, Kind.FFN, layer=0, stage=2, after=[message])
    graph = step.graph()
    return graph, load(graph, [first_s, send_s, second_s])


ONE, OTHER = (2.0, 2.0, 1.0), (1.0, 1.5, 3.0)


def two(
    sharing: Sharing, discipline: Discipline = "fifo", cancel: tuple[int, float] | None = None
) -> list[float | None]:
    """When two steps that begin at once have ended; None for one that is cancelled at some moment."""
    ends = Ends()
    run = executor(2, sharing, discipline, ends)
    steps = [run.step(*line(*times)) for times in (ONE, OTHER)]
    ended: list[float | None] = [None, None]

    def note(number: int) -> Callable[[simpy.Event], None]:
        def noted(_: simpy.Event) -> None:
            ended[number] = run.env.now

        return noted

    for number, step in enumerate(steps):
        step.begin()
        step.done.callbacks.append(note(number))
    if cancel is not None:
        number, at_s = cancel
        run.env.run(at_s)
        before = len(ends.received)
        steps[number].cancel()
        run.env.run()
        assert not any(graph is steps[number].graph for graph, _, _ in ends.received[before:])
        assert not steps[number].done.triggered
    else:
        run.env.run()
    return ended


@pytest.mark.parametrize(
    ("sharing", "discipline", "ends_s"),
    [
        # d0 computes 0-2 and 2-3; each message as if it were alone, 2-4 and 3-4.5; d1 computes 4-5 and 5-8.
        ("dedicated", "fifo", [5.0, 8.0]),
        # From 3 on both messages have 5 bytes/s: the first has 10 of 20 bytes left and ends at 5, the second has then
        # got 10 of 15 and ends at 5.5; d1 computes 5-6 and 6-9.
        ("fair", "fifo", [6.0, 9.0]),
        # d0 gives each half: the second is done at 2, the first at 3. Messages 3-5 and 2-3.5. d1 has the second alone
        # from 3.5 to 5, then both: the first needs 1 s and is done at 7; the second has 0.5 s left then, done at 7.5.
        ("dedicated", "ps", [7.0, 7.5]),
        # The second message is alone from 2 to 3 with 5 bytes left, then both share until 4: it has come, and the first
        # has 15 left, until 5.5. d1 has the second alone for 1.5 s, then both until 7.5, then it needs 0.5 s more.
        ("fair", "ps", [7.5, 8.0]),
    ],
)
def test_two_steps_meet_on_devices_and_links(
    sharing: Sharing, discipline: Discipline, ends_s: list[float]
) -> None:
    assert two(sharing, discipline) == pytest.approx(ends_s, rel=1e-12)


@pytest.mark.parametrize(
    ("sharing", "cancel", "ends_s"),
    [
        # While the first computes: d0 turns to the second at once, which goes 1-2, 2-3.5, 3.5-6.5.
        ("dedicated", (0, 1.0), [None, 6.5]),
        ("fair", (0, 1.0), [None, 6.5]),
        # While the second waits for d0, or is computed there: the first goes as if alone.
        ("dedicated", (1, 0.5), [5.0, None]),
        ("fair", (1, 2.5), [5.0, None]),
        # While both send: nobody shares from 3.5 on. The second has 12.5 of 15 bytes left, until 4.75.
        ("fair", (0, 3.5), [None, 7.75]),
        # Likewise from 4 on; the first has 5 of 20 bytes left, until 4.5.
        ("fair", (1, 4.0), [5.5, None]),
        ("dedicated", (0, 3.5), [None, 7.5]),
        # While d1 computes the first, before the other's message is there; and while the other waits for it.
        ("dedicated", (0, 4.25), [None, 7.5]),
        ("dedicated", (0, 4.75), [None, 7.75]),
        # After its end nothing is left to cancel.
        ("dedicated", (1, 4.75), [5.0, None]),
    ],
)
def test_what_is_cancelled_gives_way_at_that_moment(
    sharing: Sharing, cancel: tuple[int, float], ends_s: list[float | None]
) -> None:
    ended = two(sharing, cancel=cancel)
    assert [end for end in ended if end is not None] == pytest.approx(
        [end for end in ends_s if end is not None]
    )
    assert [end is None for end in ended] == [end is None for end in ends_s]


def test_to_cancel_a_step_that_is_done_changes_nothing() -> None:
    run = executor(2)
    first, second = (run.step(*line(*times)) for times in (ONE, OTHER))
    first.begin()
    second.begin()
    run.env.run(first.done)
    first.cancel()
    run.env.run(second.done)
    assert run.env.now == 8.0


@given(
    graphs(),
    graphs(),
    st.sampled_from(["dedicated", "fair"]),
    st.sampled_from(["fifo", "ps"]),
    st.integers(0, 999),
)
@MANY
def test_a_step_beside_one_that_is_cancelled_at_once_takes_as_long_as_alone(
    gone: StepGraph, graph: StepGraph, sharing: Sharing, discipline: Discipline, seed: int
) -> None:
    random = np.random.default_rng(seed)
    beside_s, seconds = (timed(each, random.uniform(0.1, 3.0, len(each))) for each in (gone, graph))

    def end_s(*, beside: bool) -> float:
        run = executor(4, sharing, discipline)
        other = run.step(gone, load(gone, beside_s))
        if beside:
            other.begin()
        step = run.step(graph, load(graph, seconds))
        step.begin()
        if beside:
            other.cancel()
        run.env.run(step.done)
        return run.env.now

    assert end_s(beside=True) == pytest.approx(end_s(beside=False), rel=1e-9)


@given(
    st.lists(graphs(most=8), min_size=2, max_size=4),
    st.sampled_from(["dedicated", "fair"]),
    st.integers(0, 999),
)
@MANY
def test_many_steps_in_flight_all_end_and_devices_do_all_their_work(
    several: list[StepGraph], sharing: Sharing, seed: int
) -> None:
    """Something is always done until all is, and what devices were busy is what all their tasks take together."""
    random = np.random.default_rng(seed)
    run = executor(4, sharing)
    times = [timed(graph, random.uniform(0.1, 3.0, len(graph))) for graph in several]
    steps = [run.step(graph, load(graph, seconds)) for graph, seconds in zip(several, times, strict=True)]
    for step in steps:
        step.begin()
    run.env.run(run.env.all_of([step.done for step in steps]))
    assert run.env.now <= sum(float(seconds.sum()) for seconds in times) + 1e-9
    work_s = np.zeros(4)
    for graph, seconds in zip(several, times, strict=True):
        np.add.at(work_s, graph.device[graph.tasks], seconds[graph.tasks])
    np.testing.assert_allclose([one.busy_s for one in run.processors], work_s, rtol=1e-9, atol=1e-12)
    assert run.env.now >= work_s.max() - 1e-9


@given(st.floats(0.1, 3.0), st.floats(0.1, 3.0), st.floats(0.0, 3.0))
@MANY
def test_two_requests_in_a_pipeline_of_two_stages_wait_for_the_longer_stage(
    first_s: float, second_s: float, sending_s: float
) -> None:
    """Each makes a token in the time of a step alone, or in twice the longer stage if that takes longer."""
    run = executor(2)
    step = GraphBuilder()
    task = step.task(0, Kind.HEAD, layer=0, stage=0)
    there = step.message(0, 1, Payload.HIDDEN, kind=Kind.HEAD, layer=0, stage=0, after=[task])
    step.task(1, Kind.HEAD, layer=1, stage=1, after=[there])
    graph = step.graph()
    ends: list[float] = []

    def request(steps: int) -> Generator[simpy.Event, object, None]:
        for _ in range(steps):
            one = run.step(graph, load(graph, [first_s, sending_s, second_s]))
            one.begin()
            yield one.done
        ends.append(run.env.now)

    def both(steps: int) -> float:
        """The time at which the first of two requests has made so many tokens."""
        ends.clear()
        begun_s = run.env.now
        run.env.run(run.env.all_of([run.env.process(request(steps)) for _ in range(2)]))
        return min(ends) - begun_s

    alone_s = first_s + sending_s + second_s
    assert both(12) - both(7) == pytest.approx(5 * max(alone_s, 2 * first_s, 2 * second_s), rel=1e-9)


# Devices that stop for good


def ending(discipline: Discipline, end_s: float) -> Executor:
    """One device that has no time left from some moment on."""
    env = simpy.Environment()
    device = Device(
        name="a",
        memory_bytes=1.0,
        flops=1.0,
        discipline=discipline,
        availability=Trace([0.0], [1.0], end="zero", duration=end_s),
    )
    return Executor(
        env, network(env, Cluster((device,), (), "a"), "dedicated"), [processor(env, device)], Instrument()
    )


def computing(run: Executor, seconds: float) -> StepInFlight:
    """A step of one task that has begun."""
    step = GraphBuilder()
    step.task(0, Kind.HEAD, layer=0, stage=0)
    one = run.step(step.graph(), load(step.graph(), [seconds]))
    one.done.defused = True
    one.begin()
    return one


@pytest.mark.parametrize("discipline", ["fifo", "ps"])
def test_every_step_that_a_device_can_never_finish_is_told(discipline: Discipline) -> None:
    run = ending(discipline, 5.0)
    steps = [computing(run, seconds) for seconds in (8.0, 7.0, 9.0)]
    run.env.run()
    assert [step.done.triggered and not step.done.ok for step in steps] == [True] * 3
    assert all("no computing time left" in str(step.done.value) for step in steps)


def test_tasks_that_share_a_device_have_what_one_leaves_that_can_never_end() -> None:
    """Of 5 s two tasks of 3 s would need 6; the first is told so at once, and then there is enough for the other."""
    run = ending("ps", 5.0)
    first, second = computing(run, 3.0), computing(run, 3.0)
    run.env.run()
    assert first.done.triggered
    assert not first.done.ok
    assert second.done.ok
    assert run.env.now == 3.0


@pytest.mark.parametrize("discipline", ["fifo", "ps"])
def test_a_device_is_not_busy_with_what_was_stuck_and_dropped(discipline: Discipline) -> None:
    run = ending(discipline, 5.0)
    stuck = computing(run, 8.0)
    run.env.run(2.0)
    stuck.cancel()
    dropped_s = run.processors[0].busy_s
    run.env.run(3.0)
    assert run.processors[0].busy_s == dropped_s
    computing(run, 1.0)
    run.env.run(5.0)
    assert run.processors[0].busy_s == dropped_s + 1.0

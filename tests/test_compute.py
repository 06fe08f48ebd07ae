"""The laws of work on devices, in order (`fifo`) and shared (`ps`), against a reference that goes event by event."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import reals, varying

from simcore import Device
from simcore.engine.compute import Delays, Processor, processor
from simcore.errors import RunEndedError
from traces import Trace

Discipline = Literal["fifo", "ps"]
BOTH = st.sampled_from(["fifo", "ps"])


@dataclass(frozen=True)
class Task:
    """When it comes, and what it needs of the chip and of the disk [s]."""

    at_s: float
    nominal_s: float
    disk_s: float = 0.0


@dataclass(frozen=True)
class Done:
    end_s: float
    delays: Delays


def start(
    discipline: Discipline, availability: Trace, tasks: list[Task]
) -> tuple[simpy.Environment, Processor, dict[int, Done]]:
    """A device to which tasks will come, and what has become of them by number; nothing has happened yet."""
    env = simpy.Environment()
    device = Device(name="d", memory_bytes=1.0, flops=1.0, availability=availability, discipline=discipline)
    runs_on = processor(env, device)
    ends: dict[int, Done] = {}

    def run(number: int, task: Task) -> simpy.events.ProcessGenerator:
        yield env.timeout(task.at_s)
        delays = yield runs_on.submit(task.nominal_s, task.disk_s)
        ends[number] = Done(env.now, delays)

    for number, task in enumerate(tasks):
        env.process(run(number, task))
    return env, runs_on, ends


def ends_of(discipline: Discipline, availability: Trace, tasks: list[Task]) -> list[float]:
    env, _, done = start(discipline, availability, tasks)
    env.run()
    return [done[number].end_s for number in range(len(tasks))]


def shared_ends(availability: Trace, tasks: list[Task]) -> list[float]:
    """Ends under processor sharing of disk and chip, the slow way: from one change of anything to the next."""
    now = 0.0
    coming = sorted(range(len(tasks)), key=lambda i: tasks[i].at_s)
    reading: dict[int, float] = {}
    computing: dict[int, float] = {}
    ends = [math.nan] * len(tasks)
    while coming or reading or computing:
        level = availability.value(now)
        steps = [availability.next_change(now) - now]
        steps += [tasks[coming[0]].at_s - now] if coming else []
        steps += [left * len(reading) for left in reading.values()]
        steps += [left * len(computing) / level for left in computing.values() if level > 0.0]
        step = min(steps)
        now += step
        for stage, rate in ((reading, 1.0), (computing, level)):
            for i in stage:
                stage[i] -= rate * step / len(stage)
        for i in [i for i, left in reading.items() if left <= 1e-13]:
            del reading[i]
            computing[i] = tasks[i].nominal_s
        for i in [i for i, left in computing.items() if left <= 1e-13]:
            del computing[i]
            ends[i] = now
        while coming and tasks[coming[0]].at_s <= now + 1e-15:
            i = coming.pop(0)
            (reading if tasks[i].disk_s > 0.0 else computing)[i] = tasks[i].disk_s or tasks[i].nominal_s
    return ends


def tasks(*, disk: bool = False) -> st.SearchStrategy[list[Task]]:
    """Tasks that often meet; every now and then several come at one moment."""
    gaps = st.one_of(st.just(0.0), reals(0.0, 0.5))
    disks = st.one_of(st.just(0.0), reals(0.001, 0.05)) if disk else st.just(0.0)

    def spread(parts: list[tuple[float, float, float]]) -> list[Task]:
        comes = np.cumsum([gap for gap, _, _ in parts]).tolist()
        return [Task(at, *part[1:]) for at, part in zip(comes, parts, strict=True)]

    return st.lists(st.tuples(gaps, reals(0.001, 0.3), disks), min_size=1, max_size=10).map(spread)


@given(varying(0.05, 1.0), tasks(disk=True))
@settings(max_examples=150, deadline=None)
def test_fifo_serves_in_order_and_exactly(availability: Trace, work: list[Task]) -> None:
    """Each task starts when it has come and the one before it is done, and gets just its nominal seconds."""
    env, device, done = start("fifo", availability, work)
    env.run()
    free = 0.0
    for number, task in enumerate(work):
        one = done[number]
        begun = task.at_s + one.delays.wait_s
        assert begun == pytest.approx(max(task.at_s, free), abs=1e-9)
        assert one.delays.disk_s == task.disk_s
        assert availability.integral(begun + task.disk_s, one.end_s) == pytest.approx(
            task.nominal_s, abs=1e-9
        )
        free = one.end_s
    assert device.busy_s <= free * (1 + 1e-9)


@given(varying(0.0, 1.0).filter(lambda trace: trace.values.max() > 0.05), tasks(disk=True))
@settings(max_examples=200, deadline=None)
def test_sharing_agrees_with_the_slow_reference(availability: Trace, work: list[Task]) -> None:
    np.testing.assert_allclose(
        ends_of("ps", availability, work), shared_ends(availability, work), rtol=1e-9, atol=1e-12
    )


@given(varying(0.05, 1.0), tasks(disk=True))
@settings(max_examples=60, deadline=None)
def test_nothing_waits_under_sharing_and_the_disk_is_shared_too(
    availability: Trace, work: list[Task]
) -> None:
    """Alone, a task reads for its own disk time; beside k others, for at most k + 1 times that."""
    env, _, done = start("ps", availability, work)
    env.run()
    for number, task in enumerate(work):
        delays = done[number].delays
        assert delays.wait_s == 0.0
        assert task.disk_s <= delays.disk_s * (1 + 1e-9)
        assert delays.disk_s <= task.disk_s * len(work) * (1 + 1e-9)
        assert task.at_s + delays.disk_s <= done[number].end_s


@given(varying(0.05, 1.0), tasks())
@settings(max_examples=100, deadline=None)
def test_work_is_conserved(availability: Trace, work: list[Task]) -> None:
    """The device empties at the same times under both disciplines, and is busy for just as long."""
    fifo_env, fifo, _ = start("fifo", availability, work)
    ps_env, ps, _ = start("ps", availability, work)
    for moment in np.linspace(0.05, 8.0, 20).tolist():
        fifo_env.run(moment)
        ps_env.run(moment)
        assert ps.busy_s == pytest.approx(fifo.busy_s, abs=1e-9)
    assert max(ends_of("ps", availability, work)) == pytest.approx(
        max(ends_of("fifo", availability, work)), rel=1e-9
    )


@given(BOTH, varying(0.05, 1.0), tasks(), reals(0.01, 5.0))
@settings(max_examples=100, deadline=None)
def test_no_device_works_more_than_it_is_available(
    discipline: Discipline, availability: Trace, work: list[Task], moment: float
) -> None:
    """What has ended by any moment is at most the integral of the availability, since the first task came too."""
    env, device, done = start(discipline, availability, work)
    env.run(moment)
    ended = sum(work[number].nominal_s for number in done)
    since = min(work[0].at_s, moment)
    assert ended <= availability.integral(since, moment) * (1 + 1e-9)
    assert device.busy_s <= (moment - since) * (1 + 1e-9)


@given(varying(0.05, 1.0), st.lists(st.tuples(reals(0.001, 0.3), reals(0.0, 0.2)), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_tasks_that_never_meet_do_not_see_the_discipline(
    availability: Trace, parts: list[tuple[float, float]]
) -> None:
    work: list[Task] = []
    free = 0.0
    for nominal_s, pause_s in parts:
        work.append(Task(free + pause_s, nominal_s))
        free = availability.reach(free + pause_s, nominal_s) + 1e-9
    np.testing.assert_allclose(
        ends_of("ps", availability, work), ends_of("fifo", availability, work), rtol=1e-12
    )


@given(varying(0.05, 1.0), st.integers(1, 9), reals(0.001, 0.3), st.sampled_from([0.0, 0.02]))
@settings(max_examples=60, deadline=None)
def test_equal_tasks_end_together_when_the_queue_would_be_empty(
    availability: Trace, count: int, nominal_s: float, disk_s: float
) -> None:
    env, _, done = start("ps", availability, [Task(0.1, nominal_s, disk_s)] * count)
    env.run()
    assert len({one.end_s for one in done.values()}) == 1
    end = availability.reach(0.1 + count * disk_s, count * nominal_s)
    assert done[0].end_s == pytest.approx(end, rel=1e-9)


def test_sharing_by_hand() -> None:
    """3 s of work, joined after 1 s by 1 s of work, on a device that is half available from 2 s on."""
    availability = Trace([0.0, 2.0], [1.0, 0.5])
    # Until 2 s the first has got 1 + 1/2 and the second 1/2. The second needs 1/2 more, at a quarter: until 4 s.
    # The first then lacks 1, at a half: until 6 s.
    assert ends_of("ps", availability, [Task(0.0, 3.0), Task(1.0, 1.0)]) == [6.0, 4.0]
    assert ends_of("fifo", availability, [Task(0.0, 3.0), Task(1.0, 1.0)]) == [4.0, 6.0]


def test_what_is_through_when_an_outage_begins_is_through_even_if_something_joins_just_then() -> None:
    """A third of 0.3 is less than 0.1 in floating point; that must not cost the length of the outage."""
    outage = Trace([0.0, 0.3, 1.3], [1.0, 0.0, 1.0])
    work = [Task(0.0, 0.1)] * 3 + [Task(0.3, 0.2)]
    assert ends_of("ps", outage, work) == [0.3, 0.3, 0.3, 1.5]


@given(BOTH, varying(0.05, 1.0), tasks(disk=True), reals(0.01, 3.0), tasks())
@settings(max_examples=100, deadline=None)
def test_an_abort_drops_what_is_unfinished_and_frees_the_device(
    discipline: Discipline, availability: Trace, before: list[Task], moment: float, after: list[Task]
) -> None:
    """Ends before it stay as they were; none comes later; the device goes on as a new one; busy time is what was."""
    came = [task for task in before if task.at_s < moment]
    env, device, done = start(discipline, availability, came)
    env.run(moment)
    ended, busy_s = dict(done), device.busy_s
    device.abort()
    assert device.busy_s == pytest.approx(busy_s, rel=1e-12)
    env.run(moment + 100.0)
    assert done == ended
    assert device.busy_s == pytest.approx(busy_s, rel=1e-12)

    now = env.now
    late: dict[int, float] = {}

    def run(number: int, task: Task) -> simpy.events.ProcessGenerator:
        yield env.timeout(now + task.at_s - env.now)
        yield device.submit(task.nominal_s)
        late[number] = env.now

    for number, task in enumerate(after):
        env.process(run(number, task))
    env.run()
    anew = ends_of(discipline, availability, [Task(now + task.at_s, task.nominal_s) for task in after])
    np.testing.assert_allclose([late[number] for number in range(len(after))], anew, rtol=1e-12)


@pytest.mark.parametrize("discipline", ["fifo", "ps"])
def test_who_waited_for_an_aborted_task_can_be_interrupted(discipline: Discipline) -> None:
    env = simpy.Environment()
    device = processor(env, Device(name="d", memory_bytes=1.0, flops=1.0, discipline=discipline))
    told: list[float] = []

    def wait() -> simpy.events.ProcessGenerator:
        try:
            yield device.submit(5.0)
        except simpy.Interrupt:
            told.append(env.now)

    waiting = env.process(wait())
    env.run(2.0)
    device.abort()
    waiting.interrupt()
    env.run()
    assert told == [2.0]
    assert device.busy_s == 2.0


@pytest.mark.parametrize("discipline", ["fifo", "ps"])
def test_an_abort_drops_tasks_at_the_disk_too(discipline: Discipline) -> None:
    env, device, done = start(discipline, Trace.constant(1.0), [Task(0.0, 1.0), Task(0.1, 1.0, disk_s=1.0)])
    env.run(0.5)
    device.abort()
    env.run(10.0)
    assert done == {}
    assert device.busy_s == 0.5


@pytest.mark.parametrize("discipline", ["fifo", "ps"])
def test_each_task_that_comes_to_a_dead_device_is_told(discipline: Discipline) -> None:
    env = simpy.Environment()
    gone = Trace([0.0], [1.0], end="zero", duration=2.0)
    device = processor(
        env, Device(name="d", memory_bytes=1.0, flops=1.0, availability=gone, discipline=discipline)
    )
    told: list[float] = []

    def wait() -> simpy.events.ProcessGenerator:
        yield env.timeout(3.0)
        with pytest.raises(RunEndedError, match="stalled"):
            yield device.submit(1.0)
        told.append(env.now)

    for _ in range(3):
        env.process(wait())
    env.run()
    assert told == [3.0] * 3


@pytest.mark.parametrize("discipline", ["fifo", "ps"])
def test_a_device_that_stays_away_fails_the_task(discipline: Discipline) -> None:
    """Also the task that would have had its time alone, but has to share it."""
    gone = Trace([0.0], [1.0], end="zero", duration=2.0)
    with pytest.raises(RunEndedError, match="'d' has no computing time left"):
        ends_of(discipline, gone, [Task(0.0, 1.5), Task(0.5, 1.5)])
    assert ends_of(discipline, gone, [Task(0.0, 1.0), Task(0.0, 1.0)])[1] == 2.0

"""The laws of work on devices, in order (`fifo`) and shared (`ps`), against references that are slow and plain."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Literal

import numpy as np
import pytest
import simpy
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from simulated import at, computed, unexpected
from worlds import reals, varying

from headway.simcore import Device
from headway.simcore.engine import compute
from headway.simcore.engine.compute import processor
from headway.simcore.engine.fifo import FifoProcessor
from headway.simcore.engine.task import Processor
from headway.simcore.engine.task import Task as Handed
from headway.simcore.errors import RunEndedError
from headway.traces import Trace, multiplied

Discipline = Literal["fifo", "ps"]
BOTH = st.sampled_from(["fifo", "ps"])
disciplines = pytest.mark.parametrize("discipline", ["fifo", "ps"])

STEADY = Trace.constant(1.0)
GONE = Trace([0.0], [1.0], end="zero", duration=2.0)
"""Two seconds, and nothing ever after."""


@dataclass(frozen=True)
class Task:
    """When it comes, and what it needs of the chip and of the disk [s]."""

    at_s: float
    nominal_s: float
    disk_s: float = 0.0


@dataclass(frozen=True)
class Done:
    """What is known of a task that is done."""

    end_s: float
    wait_s: float
    disk_s: float


@dataclass
class Served:
    """A device to which tasks come, and what has become of them by number."""

    env: simpy.Environment
    device: Processor
    handed: dict[int, Handed] = field(default_factory=dict)
    done: dict[int, Done] = field(default_factory=dict)
    failed: dict[int, RunEndedError] = field(default_factory=dict)

    def hand_over(self, number: int, task: Task) -> None:
        done, failed = partial(self._end, number), partial(self._fail, number)
        self.handed[number] = self.device.submit(task.nominal_s, task.disk_s, done, failed)

    def cancel(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self.device.cancel(self.handed[number])

    def _end(self, number: int, task: Handed) -> None:
        assert number not in self.done
        assert task.end_s == self.env.now
        self.done[number] = Done(task.end_s, task.start_s - task.submitted_s, task.disk_s)

    def _fail(self, number: int, error: RunEndedError) -> None:
        assert number not in self.failed
        self.failed[number] = error


def start(
    discipline: Discipline, availability: Trace, tasks: Iterable[Task], prefetch: bool = False
) -> Served:
    """A device to which tasks will come; nothing has happened yet."""
    env = simpy.Environment()
    device = Device(name="d", memory_bytes=1.0, flops=1.0, availability=availability, discipline=discipline)
    served = Served(env, processor(env, device, prefetch))
    for number, task in enumerate(tasks):
        at(env, task.at_s, partial(served.hand_over, number, task))
    return served


def ends_of(
    discipline: Discipline, availability: Trace, tasks: list[Task], prefetch: bool = False
) -> list[float]:
    served = start(discipline, availability, tasks, prefetch)
    served.env.run()
    assert not served.failed
    return [served.done[number].end_s for number in range(len(tasks))]


def ordered_ends(
    availability: Trace, tasks: list[Task], cancelled: Mapping[int, float], prefetch: bool
) -> tuple[list[float], float]:
    """Ends in order, nan for those that are cancelled at such moments, and the seconds in which one is served."""
    free = busy_s = 0.0
    ends = [math.nan] * len(tasks)
    for number, task in enumerate(tasks):
        begin, cut = max(task.at_s, free), cancelled.get(number, math.inf)
        end = availability.reach(begin if prefetch else begin + task.disk_s, task.nominal_s)
        end = max(end, begin + task.disk_s)
        # Which of a cancellation and an end at one moment comes first is left open.
        assume(abs(end - cut) > 1e-9)
        if begin < cut:
            free = min(end, cut)
            busy_s += free - begin
        if end < cut:
            ends[number] = end
    return ends, busy_s


def shared_ends(
    availability: Trace,
    tasks: list[Task],
    cancelled: Mapping[int, float] | None = None,
    prefetch: bool = False,
) -> tuple[list[float], float]:
    """The same under processor sharing of disk and chip: from one change of anything to the next."""
    now = busy_s = 0.0
    coming = sorted(range(len(tasks)), key=lambda i: tasks[i].at_s)
    leaving = dict(cancelled or {})
    reading: dict[int, float] = {}
    computing: dict[int, float] = {}
    ends = [math.nan] * len(tasks)
    while coming or reading or computing:
        level = availability.value(now)
        steps = [availability.next_change(now) - now]
        steps += [tasks[coming[0]].at_s - now] if coming else []
        steps += [leaving[i] - now for i in (*reading, *computing) if i in leaving]
        steps += [left * len(reading) for left in reading.values()]
        steps += [left * len(computing) / level for left in computing.values() if level > 0.0]
        step = min(steps)
        now += step
        busy_s += step if reading or computing else 0.0
        for stage, rate in ((reading, 1.0), (computing, level)):
            for i in stage:
                stage[i] -= rate * step / len(stage)
        read = [i for i, left in reading.items() if left <= 1e-13]
        reading = {i: left for i, left in reading.items() if i not in read}
        computing |= {} if prefetch else {i: tasks[i].nominal_s for i in read}
        computed = [i for i, left in computing.items() if left <= 1e-13]
        computing = {i: left for i, left in computing.items() if i not in computed}
        for i in {*read, *computed} - reading.keys() - computing.keys():
            ends[i] = now
            assume(abs(leaving.pop(i, math.inf) - now) > 1e-9)
        while coming and tasks[coming[0]].at_s <= now + 1e-15:
            i = coming.pop(0)
            if tasks[i].disk_s > 0.0:
                reading[i] = tasks[i].disk_s
            if prefetch or tasks[i].disk_s <= 0.0:
                computing[i] = tasks[i].nominal_s
        for stage in (reading, computing):
            for i in [i for i in stage if leaving.get(i, math.inf) <= now + 1e-15]:
                del stage[i]
    return ends, busy_s


def tasks(*, disk: bool = False) -> st.SearchStrategy[list[Task]]:
    """Tasks that often meet; every now and then several come at one moment."""
    gaps = st.one_of(st.just(0.0), reals(0.0, 0.5))
    disks = st.one_of(st.just(0.0), reals(0.001, 0.05)) if disk else st.just(0.0)

    def spread(parts: list[tuple[float, float, float]]) -> list[Task]:
        comes = np.cumsum([gap for gap, _, _ in parts]).tolist()
        return [Task(at, *part[1:]) for at, part in zip(comes, parts, strict=True)]

    return st.lists(st.tuples(gaps, reals(0.001, 0.3), disks), min_size=1, max_size=10).map(spread)


@given(varying(0.05, 1.0), tasks(disk=True))
@settings(max_examples=80, deadline=None)
def test_fifo_serves_in_order_and_exactly(availability: Trace, work: list[Task]) -> None:
    """Each task starts when it has come and the one before it is done, and gets just its nominal seconds."""
    served = start("fifo", availability, work)
    served.env.run()
    free = 0.0
    for number, task in enumerate(work):
        one = served.done[number]
        begun = task.at_s + one.wait_s
        assert begun == pytest.approx(max(task.at_s, free), abs=1e-9)
        assert one.disk_s == task.disk_s
        assert availability.integral(begun + task.disk_s, one.end_s) == pytest.approx(
            task.nominal_s, abs=1e-9
        )
        free = one.end_s
    assert served.device.busy_s <= free * (1 + 1e-9)


@given(varying(0.0, 1.0).filter(lambda trace: trace.values.max() > 0.05), tasks(disk=True))
@settings(max_examples=100, deadline=None)
@pytest.mark.parametrize("prefetch", [False, True])
def test_sharing_agrees_with_the_slow_reference(
    prefetch: bool, availability: Trace, work: list[Task]
) -> None:
    expected, _ = shared_ends(availability, work, prefetch=prefetch)
    np.testing.assert_allclose(ends_of("ps", availability, work, prefetch), expected, rtol=1e-9, atol=1e-12)


@given(varying(0.05, 1.0), tasks(disk=True))
@settings(max_examples=60, deadline=None)
def test_a_task_that_reads_while_it_computes_takes_the_longer_of_both(
    availability: Trace, work: list[Task]
) -> None:
    served = start("fifo", availability, work, prefetch=True)
    served.env.run()
    free = 0.0
    for number, task in enumerate(work):
        one, begun = served.done[number], max(task.at_s, free)
        computed = availability.reach(begun, task.nominal_s)
        assert one.end_s == pytest.approx(max(computed, begun + task.disk_s), abs=1e-9)
        assert one.disk_s == pytest.approx(one.end_s - computed, abs=1e-9)
        free = one.end_s


def test_a_discipline_may_be_unable_to_read_while_it_computes() -> None:
    one_by_one = compute.Discipline("one-by-one", FifoProcessor)
    device = Device(name="d", memory_bytes=1.0, flops=1.0, discipline=one_by_one)
    with pytest.raises(ValueError, match="'one-by-one' has no processor that reads while it computes"):
        processor(simpy.Environment(), device, prefetch=True)


@given(varying(0.05, 1.0), tasks(disk=True))
@settings(max_examples=40, deadline=None)
def test_nothing_waits_under_sharing_and_the_disk_is_shared_too(
    availability: Trace, work: list[Task]
) -> None:
    """Alone, a task reads for its own disk time; beside k others, for at most k + 1 times that."""
    served = start("ps", availability, work)
    served.env.run()
    for number, task in enumerate(work):
        one = served.done[number]
        assert one.wait_s == 0.0
        assert task.disk_s <= one.disk_s * (1 + 1e-9)
        assert one.disk_s <= task.disk_s * len(work) * (1 + 1e-9)
        assert task.at_s + one.disk_s <= one.end_s


@given(varying(0.05, 1.0), tasks())
@settings(max_examples=60, deadline=None)
def test_work_is_conserved(availability: Trace, work: list[Task]) -> None:
    """The device empties at the same times under both disciplines, and is busy for just as long."""
    fifo, ps = start("fifo", availability, work), start("ps", availability, work)
    for moment in np.linspace(0.05, 8.0, 20).tolist():
        fifo.env.run(moment)
        ps.env.run(moment)
        assert ps.device.busy_s == pytest.approx(fifo.device.busy_s, abs=1e-9)
    assert max(ends_of("ps", availability, work)) == pytest.approx(
        max(ends_of("fifo", availability, work)), rel=1e-9
    )


@given(BOTH, varying(0.05, 1.0), tasks(), reals(0.01, 5.0))
@settings(max_examples=60, deadline=None)
def test_no_device_works_more_than_it_is_available(
    discipline: Discipline, availability: Trace, work: list[Task], moment: float
) -> None:
    """What has ended by any moment is at most the integral of the availability, since the first task came too."""
    served = start(discipline, availability, work)
    served.env.run(moment)
    ended = sum(work[number].nominal_s for number in served.done)
    since = min(work[0].at_s, moment)
    assert ended <= availability.integral(since, moment) * (1 + 1e-9)
    assert served.device.busy_s <= (moment - since) * (1 + 1e-9)


@given(varying(0.05, 1.0), st.lists(st.tuples(reals(0.001, 0.3), reals(0.0, 0.2)), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
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
@settings(max_examples=40, deadline=None)
def test_equal_tasks_end_together_when_the_queue_would_be_empty(
    availability: Trace, count: int, nominal_s: float, disk_s: float
) -> None:
    ends = ends_of("ps", availability, [Task(0.1, nominal_s, disk_s)] * count)
    assert len(set(ends)) == 1
    assert ends[0] == pytest.approx(availability.reach(0.1 + count * disk_s, count * nominal_s), rel=1e-9)


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


@given(BOTH, st.booleans(), varying(0.05, 1.0), tasks(disk=True), reals(0.01, 3.0), tasks(), st.randoms())
@settings(max_examples=60, deadline=None)
def test_to_cancel_all_that_is_unfinished_frees_the_device(
    discipline: Discipline,
    prefetch: bool,
    availability: Trace,
    before: list[Task],
    moment: float,
    after: list[Task],
    random: Random,
) -> None:
    """In any order. Ends before stay as they were; none comes later; busy time is what was; it goes on as a new one."""
    served = start(discipline, availability, [task for task in before if task.at_s < moment], prefetch)
    env, device = served.env, served.device
    env.run(moment)
    ended, busy_s = dict(served.done), device.busy_s
    order = list(served.handed)
    random.shuffle(order)
    served.cancel(order)
    assert device.busy_s == pytest.approx(busy_s, rel=1e-12)
    env.run(moment + 100.0)
    assert served.done == ended
    assert device.busy_s == pytest.approx(busy_s, rel=1e-12)

    late = [replace(task, at_s=env.now + task.at_s) for task in after]
    for number, task in enumerate(late, start=len(before)):
        at(env, task.at_s, partial(served.hand_over, number, task))
    env.run()
    ends = [served.done[number].end_s for number in range(len(before), len(before) + len(after))]
    np.testing.assert_allclose(ends, ends_of(discipline, availability, late, prefetch), rtol=1e-12)


@given(BOTH, st.booleans(), varying(0.05, 1.0), tasks(disk=True), st.data())
@settings(max_examples=200, deadline=None)
def test_tasks_cancelled_at_any_moments_leave_their_time_to_the_others(
    discipline: Discipline, prefetch: bool, availability: Trace, work: list[Task], data: st.DataObject
) -> None:
    """Those that run, wait, read or are done; ends and busy time are those of the slow references."""
    delays = data.draw(st.dictionaries(st.integers(0, len(work) - 1), reals(0.0, 1.5), min_size=1))
    cancelled = {number: work[number].at_s + delay for number, delay in delays.items()}
    served = start(discipline, availability, work, prefetch)
    for number, moment in cancelled.items():
        at(served.env, moment, partial(lambda number: served.cancel([number, number]), number))
    served.env.run()
    reference = ordered_ends if discipline == "fifo" else shared_ends
    ends, busy_s = reference(availability, work, cancelled, prefetch)
    found = [served.done[number].end_s if number in served.done else math.nan for number in range(len(work))]
    np.testing.assert_allclose(found, ends, rtol=1e-9, atol=1e-12)
    assert served.device.busy_s == pytest.approx(busy_s, rel=1e-9, abs=1e-12)


@given(varying(0.05, 1.0), tasks(disk=True), st.data())
@settings(max_examples=80, deadline=None)
def test_a_cancelled_task_is_to_those_behind_it_one_that_ended_then(
    availability: Trace, work: list[Task], data: st.DataObject
) -> None:
    """In a queue a task that is cut short is as good as a shorter one, and one that never began as good as none."""
    number = data.draw(st.integers(0, len(work) - 1))
    one = work[number]
    moment = one.at_s + data.draw(reals(0.0, 2.0))
    served, whole = start("fifo", availability, work), start("fifo", availability, work)
    whole.env.run()
    begin, end = one.at_s + whole.done[number].wait_s, whole.done[number].end_s
    assume(abs(end - moment) > 1e-9)
    at(served.env, moment, lambda: served.cancel([number]))
    served.env.run()

    if moment < end:
        disk_s = min(one.disk_s, max(0.0, moment - begin))
        worked_s = availability.integral(begin + disk_s, max(moment, begin + disk_s))
        cut = [*work[:number], Task(one.at_s, worked_s, disk_s), *work[number + 1 :]]
    else:
        cut = work
    shorter = start("fifo", availability, cut)
    shorter.env.run()
    others = [i for i in range(len(work)) if i != number]
    np.testing.assert_allclose(
        [served.done[i].end_s for i in others], [shorter.done[i].end_s for i in others], rtol=1e-9
    )
    assert (number in served.done) == (moment > end)
    assert served.device.busy_s == pytest.approx(shorter.device.busy_s, rel=1e-9)


@pytest.mark.parametrize(
    ("discipline", "number", "moment", "ends", "busy_s"),
    [
        ("fifo", None, 0.0, {0: 3.0, 1: 7.0, 2: 8.0}, 8.0),
        ("fifo", 0, 0.5, {1: 4.5, 2: 5.5}, 5.5),  # it reads
        ("fifo", 0, 2.0, {1: 6.0, 2: 7.0}, 7.0),  # it computes
        ("fifo", 1, 2.0, {0: 3.0, 2: 4.0}, 4.0),  # it waits, in the middle
        ("fifo", 2, 2.0, {0: 3.0, 1: 7.0}, 7.0),  # it waits, at the end
        ("fifo", 0, 5.0, {0: 3.0, 1: 7.0, 2: 8.0}, 8.0),  # it is done
        # Two read together until 2 s and then compute together; the third has the chip before.
        ("ps", None, 0.0, {2: 1.0, 0: 6.0, 1: 7.0}, 7.0),
        ("ps", 1, 1.0, {2: 1.0, 0: 3.5}, 3.5),  # it reads
        ("ps", 1, 3.0, {2: 1.0, 0: 4.5}, 4.5),  # it computes
        ("ps", 0, 5.0, {2: 1.0, 1: 6.5}, 6.5),
        ("ps", 2, 5.0, {2: 1.0, 0: 6.0, 1: 7.0}, 7.0),  # it is done
    ],
)
def test_cancelling_by_hand(
    discipline: Discipline, number: int | None, moment: float, ends: dict[int, float], busy_s: float
) -> None:
    """Tasks of 2, 3 and 1 s, the first two with 1 s at the disk; one is cancelled, twice."""
    served = start(discipline, STEADY, [Task(0.0, 2.0, 1.0), Task(0.0, 3.0, 1.0), Task(0.0, 1.0)])
    if number is not None:
        at(served.env, moment, lambda: served.cancel([number, number]))
    served.env.run()
    assert {number: one.end_s for number, one in served.done.items()} == ends
    assert served.device.busy_s == pytest.approx(busy_s, rel=1e-12, abs=1e-15)
    assert not served.failed


@disciplines
def test_a_task_can_be_cancelled_by_one_that_is_done_at_the_same_moment(discipline: Discipline) -> None:
    """Whichever is told first; the other one is not."""
    env = simpy.Environment()
    device = processor(env, Device(name="d", memory_bytes=1.0, flops=1.0, discipline=discipline))
    both: list[Handed] = []
    told: list[Handed] = []

    def done(task: Handed) -> None:
        told.append(task)
        device.cancel(both[task is both[0]])

    # In order, the second takes no time.
    both += [
        device.submit(nominal_s, 0.0, done, unexpected) for nominal_s in (1.0, 1.0 * (discipline == "ps"))
    ]
    env.run()
    assert told == both[:1]
    assert device.busy_s == env.now == (2.0 if discipline == "ps" else 1.0)


@given(reals(0.0, 0.3), reals(0.1, 3.0), reals(0.05, 0.95))
@example(0.095, 2.779, 0.095)
@settings(max_examples=150, deadline=None)
def test_tasks_that_end_at_one_moment_are_told_in_order_and_can_be_cancelled_by_the_first(
    first_s: float, nominal_s: float, share: float
) -> None:
    """A task of no time ends with the one before it, though its timer, set later, may fall due a grain earlier."""
    env = simpy.Environment()
    device = processor(env, Device(name="d", memory_bytes=1.0, flops=1.0))
    handed: list[Handed] = []
    told: list[Handed] = []

    def done(task: Handed) -> None:
        told.append(task)
        device.cancel(handed[1])

    def hand_over(nominal_s: float) -> None:
        handed.append(device.submit(nominal_s, 0.0, done, unexpected))

    at(env, first_s, partial(hand_over, nominal_s))
    at(env, first_s + share * nominal_s, partial(hand_over, 0.0))
    env.run()
    assert told == handed[:1]
    assert device.busy_s == pytest.approx(nominal_s, rel=1e-12)


@disciplines
def test_who_waited_for_a_cancelled_task_can_be_interrupted(discipline: Discipline) -> None:
    env = simpy.Environment()
    device = processor(env, Device(name="d", memory_bytes=1.0, flops=1.0, discipline=discipline))
    told: list[float] = []

    def wait() -> simpy.events.ProcessGenerator:
        try:
            yield from computed(env, device, 5.0)
        except simpy.Interrupt:
            told.append(env.now)

    waiting = env.process(wait())
    env.run(2.0)
    waiting.interrupt()
    env.run()
    assert told == [2.0]
    assert device.busy_s == 2.0


@disciplines
def test_tasks_at_the_disk_can_be_cancelled_too(discipline: Discipline) -> None:
    served = start(discipline, STEADY, [Task(0.0, 1.0), Task(0.1, 1.0, disk_s=1.0)])
    served.env.run(0.5)
    served.cancel([0, 1])
    served.env.run(10.0)
    assert served.done == {}
    assert served.device.busy_s == 0.5


@disciplines
def test_each_task_that_comes_to_a_dead_device_is_told(discipline: Discipline) -> None:
    """At once, while it is handed over; the device has nothing to do."""
    served = start(discipline, GONE, [])
    served.env.run(3.0)
    for number in range(3):
        served.hand_over(number, Task(3.0, 1.0))
        assert served.failed[number].status == "stalled"
    served.env.run(4.0)
    served.cancel(range(3))
    assert (served.done, served.device.busy_s) == ({}, 0.0)


@disciplines
def test_a_device_that_stays_away_fails_the_task(discipline: Discipline) -> None:
    """Also the task that would have had its time alone, but has to share it; the other one then has it alone."""
    served = start(discipline, GONE, [Task(0.0, 1.5), Task(0.5, 1.5)])
    served.env.run()
    stuck, through = (1, 0) if discipline == "fifo" else (0, 1)
    assert set(served.failed) == {stuck}
    assert "'d' has no computing time left after" in served.failed[stuck].detail
    assert {number: one.end_s for number, one in served.done.items()} == {through: 1.5 + 0.5 * through}
    assert served.device.busy_s == 1.5 + 0.5 * through
    assert ends_of(discipline, GONE, [Task(0.0, 1.0), Task(0.0, 1.0)])[1] == 2.0


@given(BOTH, varying(0.05, 1.0), tasks(disk=True), reals(0.0, 3.0))
@settings(max_examples=80, deadline=None)
def test_every_task_is_told_once_that_it_is_done_or_that_it_never_can(
    discipline: Discipline, availability: Trace, work: list[Task], last_s: float
) -> None:
    """And those that are done have been there for no longer than the device, which is busy no longer either."""
    ending = Trace([0.0, last_s], [1.0, 0.0]) if last_s else Trace.constant(0.0)
    served = start(discipline, multiplied(availability, ending), work)
    served.env.run()
    assert not served.done.keys() & served.failed.keys()
    assert served.done.keys() | served.failed.keys() == set(range(len(work)))
    assert max((one.end_s for one in served.done.values()), default=0.0) <= last_s * (1 + 1e-12)
    assert all(error.status == "stalled" for error in served.failed.values())
    assert served.device.busy_s <= served.env.now * (1 + 1e-12)
    busy_s = served.device.busy_s
    served.env.run(served.env.now + 100.0)
    assert served.device.busy_s == pytest.approx(busy_s, rel=1e-12, abs=1e-15)


@disciplines
def test_who_is_told_of_a_failure_can_cancel_the_others(discipline: Discipline) -> None:
    env = simpy.Environment()
    gone = Device(name="d", memory_bytes=1.0, flops=1.0, availability=GONE, discipline=discipline)
    device = processor(env, gone)
    handed: list[Handed] = []
    told: list[str] = []

    def done(_: Handed) -> None:
        told.append("done")

    def failed(error: RunEndedError) -> None:
        told.append(error.status)
        for task in handed:
            device.cancel(task)

    # In order, the third fails when it is handed over; shared, the first does when the third has read from the disk.
    handed += [device.submit(0.8, 0.0, done, failed) for _ in range(2)]
    handed.append(device.submit(0.8, 0.5, done, failed))
    env.run()
    assert told == ["stalled"]
    assert device.busy_s == (0.5 if discipline == "ps" else 0.0)

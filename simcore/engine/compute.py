"""Work on devices in simulated time.

A task of s nominal seconds is done when the device has been available for s seconds to it alone. Under `fifo` tasks run
one after another; under `ps` (processor sharing) all that are there run at once, each on an equal share.

What a task reads from disk comes before it computes, or with `prefetch` meanwhile; it is done when both are.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Protocol, TypeAlias, cast

import simpy

from headway.simcore.errors import RunEndedError
from headway.simcore.registry import Registry
from headway.simcore.world.device import Device
from headway.traces import Trace

_STEADY = Trace.constant(1.0)


class Task:
    """A task on a device.

    Attributes:
        nominal_s: its length on the fully available device.
        reading_s: how long what it reads takes from the disk alone, whatever the availability.
        disk_s: how long it does nothing but read: before it computes, or with `prefetch` after that.
        submitted_s: when it was handed over.
        start_s: when the device turned to it; until then it waited.
        end_s: when it was done.
        done: called with the task when it is done.
        failed: called when it can never be done because the device stays unavailable, maybe before `submit` returns.
    """

    __slots__ = (
        *("disk_s", "done", "end_s", "failed", "nominal_s", "reading_s", "start_s", "submitted_s", "timer"),
    )

    def __init__(
        self, nominal_s: float, reading_s: float, submitted_s: float, done: "Done", failed: "Failed"
    ) -> None:
        self.nominal_s = nominal_s
        self.reading_s = self.disk_s = reading_s
        self.submitted_s = self.start_s = self.end_s = submitted_s
        self.done = done
        self.failed = failed
        self.timer: simpy.Timeout | None = None


Done: TypeAlias = Callable[[Task], None]
Failed: TypeAlias = Callable[[RunEndedError], None]


class Processor(Protocol):
    """Computes the tasks of one device; the engine knows no more of it than this."""

    @property
    def busy_s(self) -> float:
        """Seconds until now in which the device had something to do, reading from disk included."""
        ...

    def submit(self, nominal_s: float, reading_s: float, done: Done, failed: Failed) -> Task:
        """Hand over one task; see `Task` for the arguments."""
        ...

    def cancel(self, task: Task) -> None:
        """Drop a task that is not done; the time that it would have taken is free for others from now on."""
        ...


@dataclass(frozen=True)
class Discipline:
    """In which order a device serves its tasks.

    Attributes:
        name: by which scenarios ask for it.
        processor: makes the processor of a device, without tasks.
        prefetching: makes one whose tasks read and compute at the same time; None if it cannot.
    """

    name: str
    processor: Callable[[simpy.Environment, Device], Processor]
    prefetching: Callable[[simpy.Environment, Device], Processor] | None = None


class FifoProcessor:
    """Computes one task after another, in the order in which they were submitted. See `Processor`.

    A task started at t0 ends at the t for which the integral of the availability from t0 to t is its nominal length.
    Since nothing overtakes in a queue, that is known when it is submitted: it starts when the one before it ends. No
    time is ever stepped over.
    """

    def __init__(self, env: simpy.Environment, device: Device, *, prefetch: bool = False) -> None:
        self._env = env
        self._device = device
        self._prefetch = prefetch
        self._queue: deque[Task] = deque()
        self._promised_s = 0.0
        self._free_at_s = 0.0

    @property
    def busy_s(self) -> float:
        """See `Processor.busy_s`."""
        return self._promised_s - max(0.0, self._free_at_s - self._env.now)

    def submit(self, nominal_s: float, reading_s: float, done: Done, failed: Failed) -> Task:
        """See `Processor.submit`."""
        task = Task(nominal_s, reading_s, self._env.now, done, failed)
        self._schedule(task)
        return task

    def cancel(self, task: Task) -> None:
        """See `Processor.cancel`."""
        if task not in self._queue:
            return
        now, behind = self._env.now, []
        while (last := self._queue.pop()) is not task:
            behind.append(last)
        for one in (task, *behind):
            assert one.timer is not None
            _silence(one.timer)
            self._promised_s -= one.end_s - one.start_s
        self._promised_s += max(0.0, now - task.start_s)
        self._free_at_s = self._queue[-1].end_s if self._queue else now
        for one in reversed(behind):
            self._schedule(one)

    def _schedule(self, task: Task) -> None:
        """Let a task start when the one before it ends."""
        now = self._env.now
        task.start_s = max(now, self._free_at_s)
        reach = self._device.availability.reach
        if self._prefetch:
            computed_s = reach(task.start_s, task.nominal_s)
            task.end_s = max(computed_s, task.start_s + task.reading_s)
            task.disk_s = task.end_s - computed_s
        else:
            task.end_s = reach(task.start_s + task.reading_s, task.nominal_s)
        if math.isinf(task.end_s):
            task.failed(_stalled(self._device, task.start_s))
            return
        self._promised_s += task.end_s - task.start_s
        self._free_at_s = task.end_s
        task.timer = self._env.timeout(task.end_s - now, task)
        task.timer.callbacks.append(self._finish)
        self._queue.append(task)

    def _finish(self, timer: simpy.Event) -> None:
        task = self._queue.popleft()
        if task.timer is not timer:
            # Both end at one moment, and rounding has swapped their timers.
            cast("Task", timer.value).timer = task.timer
        task.timer = None  # which holds the task: a circle that only the garbage collector would break
        task.end_s = self._env.now
        task.done(task)


class SharedProcessor:
    """Computes all tasks at once: of n, each advances at 1/n of what is available. See `Processor`.

    The disk is shared in the same manner: a task first reads its swapped bytes, beside all others that read, and then
    joins those that compute; with `prefetch` it joins both at once. Nothing waits for its turn.
    """

    def __init__(self, env: simpy.Environment, device: Device, *, prefetch: bool = False) -> None:
        self._env = env
        self._device = device
        self._prefetch = prefetch
        self._reading: set[Task] = set()
        self._computing: set[Task] = set()
        self._disk = _Share(env, _STEADY, self._have_read, self._stall)
        self._chip = _Share(env, device.availability, self._have_computed, self._stall)
        self._tasks = 0
        self._began_s = 0.0
        self._busy_before_s = 0.0

    @property
    def busy_s(self) -> float:
        """See `Processor.busy_s`."""
        return self._busy_before_s + (self._env.now - self._began_s if self._tasks else 0.0)

    def submit(self, nominal_s: float, reading_s: float, done: Done, failed: Failed) -> Task:
        """See `Processor.submit`."""
        task = Task(nominal_s, reading_s, self._env.now, done, failed)
        task.disk_s = 0.0
        if self._tasks == 0:
            self._began_s = self._env.now
        self._tasks += 1
        if reading_s > 0.0:
            self._reading.add(task)
            self._disk.join(task, reading_s)
        if self._prefetch or reading_s <= 0.0:
            self._compute(task)
        return task

    def cancel(self, task: Task) -> None:
        """See `Processor.cancel`."""
        if self._drop(task):
            self._leave()

    def _drop(self, task: Task) -> bool:
        """Whether it read or computed, which it does no more."""
        there = [self._disk.drop(task), self._chip.drop(task)]
        self._reading.discard(task)
        self._computing.discard(task)
        return any(there)

    def _compute(self, task: Task) -> None:
        self._computing.add(task)
        self._chip.join(task, task.nominal_s)

    def _have_read(self, task: Task) -> None:
        self._reading.remove(task)
        if not self._prefetch:
            # What it has waited for the disk, which others may have used as well.
            task.disk_s = self._env.now - task.submitted_s
            self._compute(task)
        elif task not in self._computing:
            task.disk_s = self._env.now - task.end_s
            self._finish(task)

    def _have_computed(self, task: Task) -> None:
        self._computing.remove(task)
        task.end_s = self._env.now
        if task not in self._reading:
            self._finish(task)

    def _finish(self, task: Task) -> None:
        self._leave()
        task.end_s = self._env.now
        task.done(task)

    def _leave(self) -> None:
        if self._tasks == 1:
            self._busy_before_s = self.busy_s
        self._tasks -= 1

    def _stall(self, task: Task) -> None:
        self._drop(task)
        self._leave()
        task.failed(_stalled(self._device, self._env.now))


class _Share:
    """Something that is shared equally among the tasks that are there, exactly.

    What one task gets grows at the trace over the number of tasks. The sum of that since nobody was there is a clock of
    its own, on which the end of a task is known when it joins: its amount later. So joining and leaving cost O(log n)
    for n tasks, and only the next end is ever looked up in the trace.

    Args:
        env: the SimPy environment.
        supply: what there is to share over time.
        leave: called with each task that has got its amount.
        stall: called with a task that will never get it.
    """

    def __init__(
        self,
        env: simpy.Environment,
        supply: Trace,
        leave: Callable[[Task], None],
        stall: Callable[[Task], None],
    ) -> None:
        self._env = env
        self._supply = supply
        self._leave = leave
        self._stall = stall
        self._goals: list[tuple[float, int, Task]] = []
        self._through: deque[Task] = deque()
        self._joined = count()
        self._timer: simpy.Timeout | None = None
        self._due_s = math.inf
        self._got = 0.0
        self._counted_to_s = 0.0

    def drop(self, task: Task) -> bool:
        """Send a task away; whether it was there."""
        if task in self._through:
            self._through.remove(task)
            return True
        left = [goal for goal in self._goals if goal[2] is not task]
        if len(left) == len(self._goals):
            return False
        self._count()
        self._goals = left
        heapify(left)
        self._plan()
        return True

    def join(self, task: Task, amount: float) -> None:
        """Let a task take part until it has got `amount`."""
        self._count()
        heappush(self._goals, (self._got + amount, next(self._joined), task))
        self._plan()

    def _count(self) -> None:
        """Bring what each task has got up to the present."""
        now = self._env.now
        if self._goals:
            self._got += self._supply.integral(self._counted_to_s, now) / len(self._goals)
            if now >= self._due_s:
                # The first task is through, but for rounding, however events of one instant are ordered.
                self._got = max(self._got, self._goals[0][0])
        else:
            # Numbers that stay small keep their digits.
            self._got = 0.0
        self._counted_to_s = now

    def _plan(self) -> None:
        """Wake up when the first task has got its amount; who never will goes, and leaves its share to the others."""
        while self._goals:
            goal, _, task = self._goals[0]
            missing = max(0.0, goal - self._got) * len(self._goals)
            end = self._supply.reach(self._counted_to_s, missing)
            self._set_timer(end)
            if end < math.inf:
                return
            heappop(self._goals)
            self._stall(task)
        self._set_timer(math.inf)

    def _set_timer(self, end_s: float) -> None:
        if self._timer is not None:
            _silence(self._timer)
        self._timer, self._due_s = None, math.inf
        if end_s < math.inf:
            delay = max(0.0, end_s - self._env.now)
            self._timer, self._due_s = self._env.timeout(delay), self._env.now + delay
            self._timer.callbacks.append(self._on_time)

    def _on_time(self, _: simpy.Event) -> None:
        self._timer = None
        self._count()
        while self._goals and self._goals[0][0] <= self._got:
            self._through.append(heappop(self._goals)[2])
        self._plan()
        while self._through:
            self._leave(self._through.popleft())


FIFO = Discipline("fifo", FifoProcessor, partial(FifoProcessor, prefetch=True))
PROCESSOR_SHARING = Discipline("ps", SharedProcessor, partial(SharedProcessor, prefetch=True))

DISCIPLINES: Registry[Discipline] = Registry(
    "discipline", "headway.disciplines", {one.name: one for one in (FIFO, PROCESSOR_SHARING)}
)
"""Every discipline by name."""


def processor(env: simpy.Environment, device: Device, prefetch: bool = False) -> Processor:
    """The processor of a device, by its discipline.

    Args:
        env: the SimPy environment.
        device: whose tasks it computes.
        prefetch: whether they read and compute at the same time.

    Raises:
        ValueError: the discipline has no such processor.
    """
    discipline = DISCIPLINES.find(device.discipline)
    make = discipline.prefetching if prefetch else discipline.processor
    if make is None:
        raise ValueError(f"the discipline {discipline.name!r} has no processor that reads while it computes")
    return make(env, device)


def _silence(timer: simpy.Timeout) -> None:
    """A timer cannot be taken back, but it can be made to wake nobody."""
    timer.callbacks.clear()


def _stalled(device: Device, since_s: float) -> RunEndedError:
    return RunEndedError(
        "stalled", f"device {device.name!r} has no computing time left after {since_s:.6g} s"
    )

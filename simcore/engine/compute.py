"""Tasks on devices in simulated time.

A task of s nominal seconds ends when it has received s seconds of the device's availability. Under `fifo` tasks run one
after another; under `ps` (processor sharing) all tasks run at once, each with an equal share.

A task reads from disk before it computes, or under `prefetch` while it computes; it ends when both have ended.
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
        nominal_s: its duration on the fully available device.
        reading_s: its reading time if it has the disk alone; it does not depend on availability.
        disk_s: time in which it only reads: before it computes, or under `prefetch` after it.
        submitted_s: when it was submitted.
        start_s: when the device started it; until then it waited.
        end_s: when it ended.
        done: called with the task when it ends.
        failed: called if it can never end because the device stays unavailable, possibly before `submit` returns.
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
    """Interface of what computes the tasks of one device."""

    @property
    def busy_s(self) -> float:
        """Seconds until now in which the device computed or read from disk."""
        ...

    def submit(self, nominal_s: float, reading_s: float, done: Done, failed: Failed) -> Task:
        """Submit one task; see `Task` for the arguments."""
        ...

    def cancel(self, task: Task) -> None:
        """Cancel a task that has not ended; its remaining time is free for other tasks from now on."""
        ...


@dataclass(frozen=True)
class Discipline:
    """The order in which a device serves its tasks.

    Attributes:
        name: in scenarios.
        processor: creates the processor of a device, without tasks.
        prefetching: creates one whose tasks read and compute at the same time; None if there is none.
    """

    name: str
    processor: Callable[[simpy.Environment, Device], Processor]
    prefetching: Callable[[simpy.Environment, Device], Processor] | None = None


class FifoProcessor:
    """Computes one task after another, in the order in which they were submitted. See `Processor`.

    A task started at t0 ends at the t for which the integral of the availability from t0 to t is its nominal length.
    Tasks in a queue do not overtake, so this time is known at submission: a task starts when the one before it ends.
    The integral is inverted exactly, without time steps.
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
        """Start a task when the one before it ends."""
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
            # Both end at the same moment, and rounding has swapped their timers.
            cast("Task", timer.value).timer = task.timer
        task.timer = None  # holds the task: a reference cycle that only the garbage collector would break
        task.end_s = self._env.now
        task.done(task)


class SharedProcessor:
    """Computes all tasks at once: each of n tasks advances at 1/n of the availability. See `Processor`.

    The disk is shared in the same way: a task first reads its swapped bytes, sharing the disk with other reading tasks,
    and then shares the processor; under `prefetch` it does both at once. No task waits in a queue.
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
        """Remove a task from disk and processor; whether it was there."""
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
            # Time since the start of reading; other tasks may have used the disk too.
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
    """Exact equal sharing of a resource among its present tasks (processor sharing by virtual time).

    Each task receives the trace divided by the number of tasks. The integral of this since the resource was last idle
    is a virtual clock, on which the end of a task is known when it joins: its amount later. Joining and leaving
    therefore cost O(log n) for n tasks, and only the next end is looked up in the trace.

    Args:
        env: the SimPy environment.
        supply: capacity over time.
        leave: called with each task that has received its amount.
        stall: called with a task that will never receive it.
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
        """Remove a task; whether it was there."""
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
        """Add a task until it has received `amount`."""
        self._count()
        heappush(self._goals, (self._got + amount, next(self._joined), task))
        self._plan()

    def _count(self) -> None:
        """Advance the virtual clock to the present."""
        now = self._env.now
        if self._goals:
            self._got += self._supply.integral(self._counted_to_s, now) / len(self._goals)
            if now >= self._due_s:
                # The first task has ended up to rounding, whatever the order of events at this moment.
                self._got = max(self._got, self._goals[0][0])
        else:
            # Reset the clock when idle: small numbers keep their precision.
            self._got = 0.0
        self._counted_to_s = now

    def _plan(self) -> None:
        """Wake up when the first task has received its amount; remove tasks that never will."""
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
        prefetch: whether its tasks read and compute at the same time.

    Raises:
        ValueError: the discipline has no such processor.
    """
    discipline = DISCIPLINES.find(device.discipline)
    make = discipline.prefetching if prefetch else discipline.processor
    if make is None:
        raise ValueError(f"the discipline {discipline.name!r} has no processor that reads while it computes")
    return make(env, device)


def _silence(timer: simpy.Timeout) -> None:
    """A SimPy timer cannot be cancelled, so remove its callbacks."""
    timer.callbacks.clear()


def _stalled(device: Device, since_s: float) -> RunEndedError:
    return RunEndedError(
        "stalled", f"device {device.name!r} has no computing time left after {since_s:.6g} s"
    )

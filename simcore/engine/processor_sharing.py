"""Processor sharing: a device computes all its tasks at once, each with an equal share."""

import math
from collections import deque
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count

import simpy

from headway.simcore.engine.task import Done, Failed, Task, silence, stalled
from headway.simcore.world.device import Device
from headway.traces import Trace

_STEADY = Trace.constant(1.0)


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
        self._disk = _Share(env, _STEADY, self._end_reading, self._stall)
        self._chip = _Share(env, device.availability, self._end_computing, self._stall)
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
        removed = [self._disk.drop(task), self._chip.drop(task)]
        self._reading.discard(task)
        self._computing.discard(task)
        return any(removed)

    def _compute(self, task: Task) -> None:
        self._computing.add(task)
        self._chip.join(task, task.nominal_s)

    def _end_reading(self, task: Task) -> None:
        self._reading.remove(task)
        if not self._prefetch:
            # Time since the start of reading; other tasks may have used the disk too.
            task.disk_s = self._env.now - task.submitted_s
            self._compute(task)
        elif task not in self._computing:
            task.disk_s = self._env.now - task.end_s
            self._finish(task)

    def _end_computing(self, task: Task) -> None:
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
        task.failed(stalled(self._device, self._env.now))


class _Share:
    """Exact equal sharing of a resource among its present tasks (processor sharing by virtual time).

    Each task receives the trace divided by the number of tasks. The integral of this share since the resource was last
    idle is a virtual clock: a task ends when the clock has advanced by its amount. So the end of a task on this clock
    is known when it joins, joining and leaving cost O(log n) for n tasks, and only the next end needs the trace.

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
        self._ends: list[tuple[float, int, Task]] = []
        self._ended: deque[Task] = deque()
        self._joined = count()
        self._timer: simpy.Timeout | None = None
        self._due_s = math.inf
        self._clock = 0.0
        self._clock_time_s = 0.0

    def drop(self, task: Task) -> bool:
        """Remove a task; whether it was there."""
        if task in self._ended:
            self._ended.remove(task)
            return True
        others = [end for end in self._ends if end[2] is not task]
        if len(others) == len(self._ends):
            return False
        self._advance()
        self._ends = others
        heapify(others)
        self._plan()
        return True

    def join(self, task: Task, amount: float) -> None:
        """Add a task until it has received `amount`."""
        self._advance()
        heappush(self._ends, (self._clock + amount, next(self._joined), task))
        self._plan()

    def _advance(self) -> None:
        """Advance the virtual clock to the present."""
        now = self._env.now
        if self._ends:
            self._clock += self._supply.integral(self._clock_time_s, now) / len(self._ends)
            if now >= self._due_s:
                # The first task has ended up to rounding, whatever the order of events at this moment.
                self._clock = max(self._clock, self._ends[0][0])
        else:
            # Reset the clock when idle: small numbers keep their precision.
            self._clock = 0.0
        self._clock_time_s = now

    def _plan(self) -> None:
        """Wake up when the first task has received its amount; remove tasks that never will."""
        while self._ends:
            end, _, task = self._ends[0]
            missing = max(0.0, end - self._clock) * len(self._ends)
            end_s = self._supply.reach(self._clock_time_s, missing)
            self._set_timer(end_s)
            if end_s < math.inf:
                return
            heappop(self._ends)
            self._stall(task)
        self._set_timer(math.inf)

    def _set_timer(self, end_s: float) -> None:
        if self._timer is not None:
            silence(self._timer)
        self._timer, self._due_s = None, math.inf
        if end_s < math.inf:
            delay = max(0.0, end_s - self._env.now)
            self._timer, self._due_s = self._env.timeout(delay), self._env.now + delay
            self._timer.callbacks.append(self._on_time)

    def _on_time(self, _: simpy.Event) -> None:
        self._timer = None
        self._advance()
        while self._ends and self._ends[0][0] <= self._clock:
            self._ended.append(heappop(self._ends)[2])
        self._plan()
        while self._ended:
            self._leave(self._ended.popleft())

"""First in, first out: a device computes one task after another."""

import math
from collections import deque
from typing import cast

import simpy

from headway.simcore.engine.task import Done, Failed, Task, silence, stalled
from headway.simcore.world.device import Device


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
            silence(one.timer)
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
            task.failed(stalled(self._device, task.start_s))
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

"""Work on devices in simulated time.

A task of s nominal seconds is done when the device has been available for s seconds to it alone. Under `fifo` tasks run
one after another; under `ps` (processor sharing) all that are there run at once, each on an equal share.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import Protocol

import simpy

from simcore.errors import RunEndedError
from simcore.world.cluster import Device
from traces import Trace


@dataclass(frozen=True, slots=True)
class Delays:
    """What kept a task from computing; the rest of its time it computed.

    Attributes:
        wait_s: its turn had not come.
        disk_s: what it needs had been swapped and came from disk.
    """

    wait_s: float
    disk_s: float


_STEADY = Trace.constant(1.0)


class Processor(Protocol):
    """Computes the tasks of one device; the engine knows no more of it than this."""

    @property
    def busy_s(self) -> float:
        """Seconds until now in which the device had something to do, reading from disk included."""
        ...

    def submit(self, nominal_s: float, disk_s: float = 0.0) -> simpy.Event:
        """Hand over one task.

        Args:
            nominal_s: its length on the fully available device.
            disk_s: how long its swapped bytes take from the disk, whatever the availability, before it can compute.

        Returns:
            The event of its end, whose value is the task's `Delays`. It fails with a `RunEndedError` when the task can
            never end because the device stays unavailable.
        """
        ...

    def abort(self) -> None:
        """Drop all unfinished tasks; the device is free from now on.

        The events of dropped tasks never happen: who waits for them must be interrupted, or waits for ever.
        """
        ...


def processor(env: simpy.Environment, device: Device) -> Processor:
    """The processor of a device, by its discipline."""
    return SharedProcessor(env, device) if device.discipline == "ps" else FifoProcessor(env, device)


class FifoProcessor:
    """Computes one task after another, in the order in which they were submitted. See `Processor`.

    A task started at t0 ends at the t for which the integral of the availability from t0 to t is its nominal length.
    Since nothing overtakes in a queue, that is known when it is submitted: it starts when the one before it ends. No
    time is ever stepped over.
    """

    def __init__(self, env: simpy.Environment, device: Device) -> None:
        self._env = env
        self._device = device
        self._timers: deque[simpy.Timeout] = deque()
        self._promised_s = 0.0
        self._free_at_s = 0.0

    @property
    def busy_s(self) -> float:
        """See `Processor.busy_s`."""
        return self._promised_s - max(0.0, self._free_at_s - self._env.now)

    def submit(self, nominal_s: float, disk_s: float = 0.0) -> simpy.Event:
        """See `Processor.submit`."""
        now = self._env.now
        start = max(now, self._free_at_s)
        end = self._device.availability.reach(start + disk_s, nominal_s)
        done = self._env.event()
        if math.isinf(end):
            return done.fail(_stalled(self._device, start))
        self._promised_s += end - start
        self._free_at_s = end
        delays = Delays(start - now, disk_s)
        timer = self._env.timeout(end - now)
        timer.callbacks.append(lambda _: self._finish(done, delays))
        self._timers.append(timer)
        return done

    def abort(self) -> None:
        """See `Processor.abort`."""
        for timer in self._timers:
            _silence(timer)
        self._timers.clear()
        self._promised_s, self._free_at_s = self.busy_s, self._env.now

    def _finish(self, done: simpy.Event, delays: Delays) -> None:
        self._timers.popleft()
        done.succeed(delays)


class SharedProcessor:
    """Computes all tasks at once: of n, each advances at 1/n of what is available. See `Processor`.

    The disk is shared in the same manner: a task first reads its swapped bytes, beside all others that read, and then
    joins those that compute. Nothing waits for its turn.
    """

    def __init__(self, env: simpy.Environment, device: Device) -> None:
        self._env = env
        self._device = device
        self._disk = _Share(env, _STEADY, self._compute, self._stall)
        self._chip = _Share(env, device.availability, self._finish, self._stall)
        self._tasks = 0
        self._began_s = 0.0
        self._busy_before_s = 0.0

    @property
    def busy_s(self) -> float:
        """See `Processor.busy_s`."""
        return self._busy_before_s + (self._env.now - self._began_s if self._tasks else 0.0)

    def submit(self, nominal_s: float, disk_s: float = 0.0) -> simpy.Event:
        """See `Processor.submit`."""
        task = _Task(nominal_s, self._env.event(), self._env.now)
        if self._tasks == 0:
            self._began_s = self._env.now
        self._tasks += 1
        if disk_s > 0.0:
            self._disk.join(task, disk_s)
        else:
            self._compute(task)
        return task.done

    def abort(self) -> None:
        """See `Processor.abort`."""
        self._busy_before_s, self._tasks = self.busy_s, 0
        self._disk.clear()
        self._chip.clear()

    def _compute(self, task: "_Task") -> None:
        task.disk_s = self._env.now - task.submitted_s
        self._chip.join(task, task.nominal_s)

    def _finish(self, task: "_Task") -> None:
        if self._tasks == 1:
            self._busy_before_s = self.busy_s
        self._tasks -= 1
        task.done.succeed(Delays(0.0, task.disk_s))

    def _stall(self, task: "_Task") -> None:
        task.done.fail(_stalled(self._device, self._env.now))


@dataclass(slots=True, eq=False)
class _Task:
    nominal_s: float
    done: simpy.Event
    submitted_s: float
    disk_s: float = 0.0


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
        leave: Callable[[_Task], None],
        stall: Callable[[_Task], None],
    ) -> None:
        self._env = env
        self._supply = supply
        self._leave = leave
        self._stall = stall
        self._goals: list[tuple[float, int, _Task]] = []
        self._joined = count()
        self._timer: simpy.Timeout | None = None
        self._due_s = math.inf
        self._got = 0.0
        self._counted_to_s = 0.0

    def clear(self) -> None:
        """Send all away with nothing."""
        self._goals.clear()
        self._set_timer(math.inf)

    def join(self, task: _Task, amount: float) -> None:
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
        """Wake up when the first task has got its amount."""
        if not self._goals:
            self._set_timer(math.inf)
            return
        goal, _, task = self._goals[0]
        missing = max(0.0, goal - self._got) * len(self._goals)
        end = self._supply.reach(self._counted_to_s, missing)
        self._set_timer(end)
        if math.isinf(end):
            heappop(self._goals)
            self._stall(task)

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
        through = []
        while self._goals and self._goals[0][0] <= self._got:
            through.append(heappop(self._goals)[2])
        self._plan()
        for task in through:
            self._leave(task)


def _silence(timer: simpy.Timeout) -> None:
    """A timer cannot be taken back, but it can be made to wake nobody."""
    timer.callbacks.clear()


def _stalled(device: Device, since_s: float) -> RunEndedError:
    return RunEndedError(
        "stalled", f"device {device.name!r} has no computing time left after {since_s:.6g} s"
    )

"""Outages of devices, and the activities that they interrupt."""

import math
from collections.abc import Generator, Iterable, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import simpy

from headway.simcore.errors import RunEndedError
from headway.simcore.world.device import Device
from headway.simcore.world.transfer_order import Order
from headway.traces import Trace

Process: TypeAlias = Generator[simpy.Event, Any, None]
"""A process in simulated time; closing the generator cancels it."""


class Outages:
    """When devices are down. A device that is down at the start of the simulation does not count as going down.

    Attributes:
        devices: indices of the devices that are not always up.
    """

    def __init__(self, devices: Sequence[Device]) -> None:
        self._up = {i: device.up for i, device in enumerate(devices) if not _always_up(device.up)}
        self.devices = frozenset(self._up)

    def back(self, device: int, time_s: float) -> float:
        """The first moment from `time_s` on at which a device is up; inf if there is none."""
        return _first(self._up[device], time_s, up=True) if device in self._up else time_s

    def failure(self, device: int, time_s: float) -> float:
        """The first moment after `time_s` at which a device goes down; inf if there is none."""
        back_s = self.back(device, time_s)
        if device not in self._up or math.isinf(back_s):
            return math.inf
        return _first(self._up[device], back_s, up=False)

    def next_failure(self, devices: Iterable[int], time_s: float) -> float:
        """The first moment after `time_s` at which one of several devices goes down; inf if there is none."""
        failures = (self.failure(device, time_s) for device in self.devices.intersection(devices))
        return min(failures, default=math.inf)

    def next_change(self, time_s: float) -> float:
        """The first moment after `time_s` at which a device goes down or comes back; inf if there is none."""
        down = [device for device, up in self._up.items() if up.value(time_s) == 0.0]
        back_s = min((self.back(device, time_s) for device in down), default=math.inf)
        return min(back_s, self.next_failure(self.devices, time_s))

    def end_for_good(self, devices: Iterable[int]) -> bool:
        """Whether one of several devices goes down eventually and never comes back."""
        return any(_ends_down(self._up[device]) for device in self.devices.intersection(devices))


def reached(env: simpy.Environment, time_s: float) -> simpy.Timeout:
    """An event at a given time."""
    delay_s = max(0.0, time_s - env.now)
    # SimPy adds a delay to the present time; by rounding the sum may be just below the given time.
    return env.timeout(delay_s if env.now + delay_s >= time_s else math.nextafter(delay_s, math.inf))


def ordered(env: simpy.Environment, order: Order, works: Sequence[Process]) -> Process:
    """Run processes, each when those before it in its order have finished. Closing it cancels them all.

    Raises:
        RunEndedError: one of them can never finish.
    """
    started: list[simpy.Process] = []
    first, waits = order.first.tolist(), order.waits.tolist()
    try:
        for number, (begin, end) in zip(order.number.tolist(), pairwise(first), strict=True):
            waits_for = [started[position] for position in waits[begin:end]]
            started.append(env.process(_after(env, waits_for, works[number])))
            started[-1].defused = True  # its failure is raised here
        yield env.all_of(started)
    finally:
        for work in works:
            work.close()


def _after(env: simpy.Environment, earlier: Sequence[simpy.Process], work: Process) -> Process:
    for one in earlier:
        if not one.processed:
            yield one
    yield from work


def unless_failing(
    env: simpy.Environment, outages: Outages, devices: Iterable[int], work: Process
) -> Generator[simpy.Event, Any, bool]:
    """Run a process, and cancel it at the moment at which one of its devices goes down.

    Cancelling closes its generator, and with it whatever it waits for.

    Returns:
        Whether the process finished.

    Raises:
        RunEndedError: it can never finish, and no outage will cancel it.
    """
    failure_s = outages.next_failure(devices, env.now)
    if math.isinf(failure_s):
        yield from work
        return True
    doing, failing = env.process(work), reached(env, failure_s)
    doing.defused = True  # the waiting process here receives its failure
    try:
        yield doing | failing
    except RunEndedError:
        # A process that waits for ever is cancelled if a device goes down permanently; otherwise the run ends.
        if not outages.end_for_good(devices):
            raise
        yield failing
    finally:
        work.close()
    return doing.triggered and doing.ok


def _always_up(up: Trace) -> bool:
    return up.end != "zero" and bool(up.values.min() > 0.0)


def _ends_down(up: Trace) -> bool:
    return up.end == "zero" or (up.end == "hold" and up.values[-1] == 0.0)


def _first(trace: Trace, time_s: float, *, up: bool) -> float:
    """The first moment from `time_s` on at which a device is up or down; inf if there is none."""
    if trace.end == "loop" and not ((trace.values > 0.0) == up).any():
        return math.inf
    while time_s < math.inf and (trace.value(time_s) > 0.0) != up:
        time_s = trace.next_change(time_s)
    return time_s

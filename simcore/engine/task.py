"""Tasks on devices, and the interface of the processors that compute them."""

from collections.abc import Callable
from typing import Protocol, TypeAlias

import simpy

from headway.simcore.errors import RunEndedError
from headway.simcore.world.device import Device


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
    """The interface of a processor: it computes the tasks of one device."""

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


def silence(timer: simpy.Timeout) -> None:
    """Remove the callbacks of a timer, because SimPy cannot cancel it."""
    timer.callbacks.clear()


def stalled(device: Device, since_s: float) -> RunEndedError:
    """The error for a task on a device that stays unavailable from a time on."""
    return RunEndedError(
        "stalled", f"device {device.name!r} has no computing time left after {since_s:.6g} s"
    )

"""Work on devices in simulated time."""

import math

import simpy

from simcore.cluster import Device
from simcore.outcome import RunEndedError


class FifoProcessor:
    """A device that computes one task after another, in the order in which they were submitted.

    A task of s nominal seconds, started at t0, ends at the t for which the integral of the availability from t0 to t
    is s. Since nothing overtakes in a queue, the end of a task is known when it is submitted: it starts when the
    one before it ends. No time is ever stepped over.

    Attributes:
        nominal_s: nominal seconds of work accepted so far.
        busy_s: seconds the device has been or will be occupied by the work accepted so far.
        free_at_s: when the last accepted task ends.
    """

    def __init__(self, env: simpy.Environment, device: Device) -> None:
        self._env = env
        self._device = device
        self.nominal_s = 0.0
        self.busy_s = 0.0
        self.free_at_s = 0.0

    def submit(self, nominal_s: float, disk_s: float = 0.0) -> tuple[simpy.Event, float]:
        """Queue one task.

        Args:
            nominal_s: its length on the fully available device.
            disk_s: how long it first waits for the disk, whatever the availability.

        Returns:
            The event of its end, and how long it waits for its turn [s].

        Raises:
            RunEndedError: the task can never end because the device stays unavailable.
        """
        now = self._env.now
        start = max(now, self.free_at_s)
        end = self._device.availability.reach(start + disk_s, nominal_s)
        if math.isinf(end):
            raise RunEndedError(
                "stalled", f"device {self._device.name!r} has no computing time left after {start:.6g} s"
            )
        self.nominal_s += nominal_s
        self.busy_s += end - start
        self.free_at_s = end
        return self._env.timeout(end - now), start - now

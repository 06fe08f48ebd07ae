"""Pacing of simulated time by the wall clock, and its lateness."""

import math
from array import array
from dataclasses import dataclass
from time import monotonic, sleep

import numpy as np
from simpy.rt import RealtimeEnvironment

from headway.traces.errors import InputError, quoted

_LONGEST_NAP_S = 3600.0
"""Maximum seconds of one call of `sleep`, which refuses very long times; longer waits take several calls."""


@dataclass(frozen=True)
class Lateness:
    """How late the events of a run began on the wall clock; 0 for an event on time.

    Attributes:
        events: number of events.
        median_s: median lateness.
        p99_s: 99th percentile.
        worst_s: maximum.
    """

    events: int
    median_s: float
    p99_s: float
    worst_s: float


class PacedEnvironment(RealtimeEnvironment):
    """Processes each event at its time on the wall clock, or as soon as possible after it.

    Simulated time 0 is the moment of the first event. No event is skipped, dropped or moved to catch up: what happens
    in simulated time is the same as without pacing.

    Args:
        factor: seconds of wall time per simulated second, as in SimPy's `RealtimeEnvironment`.

    Raises:
        InputError: the factor is not a finite number above 0.
    """

    def __init__(self, factor: float) -> None:
        if not 0.0 < factor < math.inf:
            expected = (
                "seconds of wall time per simulated second, above 0 (1 is real time, 0.1 ten times as fast)"
            )
            raise InputError("realtime", quoted(factor), expected)
        super().__init__(factor=factor, strict=False)
        self._late_s = array("d")

    def step(self) -> None:
        """Wait until the next event is due, note how late that is, and process it."""
        if not self._late_s:
            self.sync()
        at = self.peek()
        if at < math.inf:
            due = self.real_start + (at - self.env_start) * self.factor
            while (early := due - monotonic()) > 0.0:
                sleep(min(early, _LONGEST_NAP_S))
            self._late_s.append(-early)
        super().step()

    @property
    def lateness(self) -> Lateness:
        """The lateness of all events until now."""
        median, p99, worst = np.quantile(np.array(self._late_s or [0.0]), [0.5, 0.99, 1.0]).tolist()
        return Lateness(len(self._late_s), median, p99, worst)

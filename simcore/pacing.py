"""Simulated time held to the wall clock, and how far behind it fell."""

import math
from array import array
from dataclasses import dataclass
from time import monotonic, sleep

import numpy as np
from simpy.rt import RealtimeEnvironment

_LONGEST_NAP_S = 3600.0
"""`sleep` refuses very long times; what is left is slept afterwards."""


@dataclass(frozen=True)
class Lateness:
    """How far behind the wall clock the events of a run were when they began; 0 for one that was on time.

    Attributes:
        events: how many there were.
        median_s: half of them were not later than this.
        p99_s: 99 % of them were not later than this.
        worst_s: none was later than this.
    """

    events: int
    median_s: float
    p99_s: float
    worst_s: float


class PacedEnvironment(RealtimeEnvironment):
    """Lets each event happen when its time has come on the wall clock, or as soon as possible after it.

    It never skips, drops or reorders an event to catch up: what happens in simulated time is the same as without pacing.

    Args:
        factor: seconds of wall time per simulated second, as in SimPy's `RealtimeEnvironment`; above 0.
    """

    def __init__(self, factor: float) -> None:
        super().__init__(factor=factor, strict=False)
        self._late_s = array("d")

    def step(self) -> None:
        """Wait until the next event is due, note how late that is, and process it."""
        at = self.peek()
        if at < math.inf:
            due = self.real_start + (at - self.env_start) * self.factor
            while (early := due - monotonic()) > 0.0:
                sleep(min(early, _LONGEST_NAP_S))
            self._late_s.append(-early)
        super().step()

    @property
    def lateness(self) -> Lateness:
        """Of all events until now."""
        late = np.frombuffer(self._late_s) if self._late_s else np.zeros(1)
        median, p99, worst = np.quantile(late, [0.5, 0.99, 1.0]).tolist()
        return Lateness(len(self._late_s), median, p99, worst)

"""The airtime that messages take from a Wi-Fi cell.

All stations of a cell take turns on one channel. A station whose link has the PHY rate r holds the channel for b / r
seconds to send b bytes, and in addition for a fixed time per frame. 802.11 gives stations that compete the same number
of frames, whatever their rates, so one slow station slows all others to its throughput (Heusse et al., "Performance
anomaly of 802.11b", INFOCOM 2003): of N stations with frames of s bytes that take T_i seconds, each sends
s / (T_1 + ... + T_N) bytes per second.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from headway.traces import Trace


@dataclass(frozen=True)
class Frame:
    """The payload of a frame, and its airtime in addition to that of the payload.

    The default overhead is that of IEEE 802.11g with acknowledgements at 24 Mbit/s: DIFS 28 us, preamble and signal
    extension 26 us, SIFS 10 us, acknowledgement 34 us. Back-off and collisions are left out.

    Attributes:
        size_bytes: payload.
        overhead_s: airtime per frame in addition to that of the payload.

    Raises:
        ValueError: the size is not above 0, or the overhead is negative, or one is not finite.
    """

    size_bytes: float = 1500.0
    overhead_s: float = 98e-6

    def __post_init__(self) -> None:
        if not (0.0 < self.size_bytes < math.inf and 0.0 <= self.overhead_s < math.inf):
            raise ValueError(f"a frame needs a size above 0 and an overhead of at least 0, not {self}")


@dataclass(frozen=True, eq=False)
class CellRate:
    """The rate of a message that has a cell for itself [bytes/s]: the inverse of the airtime that each byte takes.

    It has the methods of a `Trace` that routes call.

    Attributes:
        hops: for each crossing of the cell, the traces whose minimum is the PHY rate [bytes/s].
        frame: payload and overhead of a frame.
    """

    hops: tuple[tuple[Trace, ...], ...]
    frame: Frame

    @property
    def traces(self) -> tuple[Trace, ...]:
        """All traces that determine the rate."""
        return tuple(trace for hop in self.hops for trace in hop)

    @cached_property
    def is_constant(self) -> bool:
        """Whether the rate is the same at all times."""
        return all(trace.is_constant for trace in self.traces)

    @cached_property
    def most(self) -> float:
        """Maximum rate [bytes/s]."""
        return self._rate(min(float(trace.values.max()) for trace in hop) for hop in self.hops)

    def value(self, time_s: float) -> float:
        """The rate at a moment; 0 while one of the PHY rates is 0."""
        return self._rate(min(trace.value(time_s) for trace in hop) for hop in self.hops)

    def airtime(self, time_s: float) -> float:
        """Airtime of a byte at a moment [s]; 1 while the rate is 0, when it has no effect."""
        rate = self.value(time_s)
        return 1.0 / rate if rate > 0.0 else 1.0

    def next_change(self, time_s: float) -> float:
        """The first moment after `time_s` at which the rate may change; inf when it never does again."""
        return min(trace.next_change(time_s) for trace in self.traces)

    def integral(self, start_s: float, end_s: float) -> float:
        """The bytes that a message alone in the cell sends from `start_s` to `end_s`."""
        total, now = 0.0, start_s
        while now < end_s:
            until = min(end_s, self.next_change(now))
            total += self.value(now) * (until - now)
            now = until
        return total

    def mean(self, start_s: float, end_s: float) -> float:
        """The mean rate between two moments; the present rate if they are equal."""
        return self.integral(start_s, end_s) / (end_s - start_s) if end_s > start_s else self.value(start_s)

    def mean_before(self, time_s: float, window_s: float) -> float:
        """The rate by the means of the PHY rates over the `window_s` seconds before a moment."""
        return self._rate(min(trace.mean_before(time_s, window_s) for trace in hop) for hop in self.hops)

    def _rate(self, phy_rates: Iterable[float]) -> float:
        rates = list(phy_rates)
        if min(rates) <= 0.0:
            return 0.0
        frame_s = self.frame.overhead_s / self.frame.size_bytes
        return 1.0 / (math.fsum(1.0 / rate for rate in rates) + len(rates) * frame_s)

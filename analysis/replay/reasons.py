"""Reasons for a duration: numbers that can be added, and their description in words."""

from collections import Counter
from dataclasses import dataclass, field

from headway.analysis.formatting import byte_unit, number
from headway.traces.errors import some_of

NEARLY = 0.995
"""Shares at or above this count as the whole and are not mentioned."""


@dataclass
class Reasons:
    """Sums over one or several pieces with the same activity and place.

    Attributes:
        size_bytes: payload of messages.
        wire_bytes: transferred bytes, including those of the transport.
        latency_s: latencies of routes.
        transport_s: delays of the transport before bytes flow (handshakes, acknowledgements).
        flow_s: time during which bytes flowed.
        alone_bytes: bytes that would have flowed in this time without other messages.
        offered: for the narrowest resource, by name: bytes that it offered, bytes at its mean rate over the run, and
            the duration [s].
        still_s: time at rate 0.
        busy_s: time of computing.
        nominal_s: time of the same work on the fully available device.
        free_s: integral of the availability over the time of computing.
        usual_free_s: the same with the mean availability over the run.
        beside: names of concurrent activities, with counts.
        texts: other reasons, without duplicates.
    """

    size_bytes: float = 0.0
    wire_bytes: float = 0.0
    latency_s: float = 0.0
    transport_s: float = 0.0
    flow_s: float = 0.0
    alone_bytes: float = 0.0
    offered: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    still_s: float = 0.0
    busy_s: float = 0.0
    nominal_s: float = 0.0
    free_s: float = 0.0
    usual_free_s: float = 0.0
    beside: Counter[str] = field(default_factory=Counter)
    texts: dict[str, None] = field(default_factory=dict)

    def words(self) -> str:
        """The reasons in one line."""
        parts = [*self._transfer(), *self._compute(), *self.texts]
        if self.beside:
            parts.append(f"shared with {some_of([name for name, _ in self.beside.most_common()], 3)}")
        return "; ".join(parts)

    def _transfer(self) -> list[str]:
        if self.size_bytes == 0.0 and self.latency_s == 0.0:
            return []
        factor, unit = byte_unit(self.size_bytes)
        parts = [f"{number(self.size_bytes / factor)} {unit}"]
        if self.flow_s > 0.0:
            parts[0] += f" at {_rate(self.size_bytes / self.flow_s)}"
        for name, (then_bytes, usual_bytes, length_s) in self.offered.items():
            then, usual = then_bytes / length_s, usual_bytes / length_s
            parts.append(f"{name} offered {_rate(then)}" + _mean_if_different(then, usual, _rate(usual)))
        if self.wire_bytes < NEARLY * self.alone_bytes:
            parts.append(f"got {self.wire_bytes / self.alone_bytes:.0%} of the rate without other messages")
        if self.still_s > 0.0:
            parts.append(f"rate 0 for {seconds(self.still_s)}")
        if self.latency_s > 0.0:
            parts.append(f"latency {seconds(self.latency_s)}")
        if self.transport_s > 1e-9 * self.flow_s:
            parts.append(f"transport delay {seconds(self.transport_s)}")
        return parts

    def _compute(self) -> list[str]:
        if self.busy_s == 0.0:
            return []
        free, usual = self.free_s / self.busy_s, self.usual_free_s / self.busy_s
        parts = []
        if min(free, usual) < NEARLY:
            parts.append(
                f"{free:.0%} of the device was free" + _mean_if_different(free, usual, f"{usual:.0%}")
            )
        if self.nominal_s < NEARLY * self.free_s:
            parts.append(f"got {self.nominal_s / self.free_s:.0%} of the free share")
        return parts or ["device fully available"]


def _mean_if_different(then: float, usual: float, text: str) -> str:
    """The mean over the run in brackets; empty if it is nearly equal."""
    return f" ({text} on average)" if abs(then - usual) > (1 - NEARLY) * usual else ""


def _rate(bytes_per_s: float) -> str:
    bits = 8.0 * bytes_per_s
    for factor, unit in ((1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s")):
        if bits >= factor:
            return f"{number(bits / factor)} {unit}"
    return f"{number(bits)} bit/s"


def seconds(length_s: float) -> str:
    """A duration with three digits and a suitable unit."""
    for factor, unit in ((1.0, "s"), (1e-3, "ms")):
        if length_s >= factor:
            return f"{number(length_s / factor)} {unit}"
    return f"{number(length_s * 1e6)} us"

"""Why something took as long as it did, as figures that add up and as words."""

from collections import Counter
from dataclasses import dataclass, field

from headway.analysis.formatting import byte_unit, number

NEARLY = 0.995
"""What is this near to the whole is not worth a word."""


@dataclass
class Reasons:
    """Facts about one or several pieces of the same kind and place; sums, so that they can be added.

    Attributes:
        size_bytes: sent.
        wire_bytes: that flowed, those of the transport included.
        latency_s: of routes, before bytes flow.
        transport_s: that the transport waited before, for handshakes and acknowledgements.
        flow_s: in which bytes flowed.
        alone_bytes: what would have flowed then without other messages.
        offered: by name of the narrowest resource: what it offered then [bytes], what it would have offered on average,
            and for how long.
        still_s: in which nothing could flow.
        busy_s: of computing.
        nominal_s: the same work on the whole device.
        free_s: integral of what was free of the device then.
        usual_free_s: what would have been free on average.
        beside: what else was there, by name, and how often.
        texts: further reasons, without repetition.
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
        """The reasons in a line."""
        parts = [*self._transfer(), *self._compute(), *self.texts]
        if self.beside:
            names = [name for name, _ in self.beside.most_common(3)]
            more = f" and {len(self.beside) - 3} more" if len(self.beside) > 3 else ""
            parts.append(f"beside {', '.join(names)}{more}")
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
            parts.append(f"{name} offered {_rate(then)}" + _against(then, usual, _rate(usual)))
        if self.wire_bytes < NEARLY * self.alone_bytes:
            parts.append(f"got {self.wire_bytes / self.alone_bytes:.0%} of what it would have had alone")
        if self.still_s > 0.0:
            parts.append(f"stood still for {seconds(self.still_s)}")
        if self.latency_s > 0.0:
            parts.append(f"latency {seconds(self.latency_s)}")
        if self.transport_s > 1e-9 * self.flow_s:
            parts.append(f"the transport waited {seconds(self.transport_s)}")
        return parts

    def _compute(self) -> list[str]:
        if self.busy_s == 0.0:
            return []
        free, usual = self.free_s / self.busy_s, self.usual_free_s / self.busy_s
        parts = []
        if min(free, usual) < NEARLY:
            parts.append(f"{free:.0%} of the device was free" + _against(free, usual, f"{usual:.0%}"))
        if self.nominal_s < NEARLY * self.free_s:
            parts.append(f"got {self.nominal_s / self.free_s:.0%} of that")
        return parts or ["the whole device"]


def _against(then: float, usual: float, text: str) -> str:
    """Beside the mean over the run, where that is another."""
    return f" ({text} on average)" if abs(then - usual) > (1 - NEARLY) * usual else ""


def _rate(bytes_per_s: float) -> str:
    bits = 8.0 * bytes_per_s
    for factor, unit in ((1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s")):
        if bits >= factor:
            return f"{number(bits / factor)} {unit}"
    return f"{number(bits)} bit/s"


def seconds(length_s: float) -> str:
    """A length of time for people."""
    for factor, unit in ((1.0, "s"), (1e-3, "ms")):
        if length_s >= factor:
            return f"{number(length_s / factor)} {unit}"
    return f"{number(length_s * 1e6)} us"

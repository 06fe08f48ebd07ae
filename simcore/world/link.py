"""Links between nodes, and media that several links share."""

from dataclasses import dataclass, field

from headway.simcore.world.airtime import Frame
from headway.simcore.world.device import ALWAYS_ON, not_negative
from headway.traces import Trace


@dataclass(frozen=True, kw_only=True)
class Medium:
    """A half-duplex channel: all links on it share its bandwidth in both directions.

    Attributes:
        name: unique among the media of its cluster.
        bandwidth: rate over time [bytes/s].
        frame: payload and overhead of a frame where airtime is shared.
        airtime: whether messages share its airtime instead of its bandwidth: a message over a link with half the rate
            takes twice the airtime. The sharing rule `airtime` sets this.
    """

    name: str
    bandwidth: Trace
    frame: Frame = field(default_factory=Frame)
    airtime: bool = False


@dataclass(frozen=True, kw_only=True)
class Link:
    """A connection between two nodes (devices or relays).

    Attributes:
        name: unique in its cluster.
        ends: names of the two nodes.
        bandwidth: rate over time [bytes/s] in each direction (full duplex); None if only the medium limits it.
        latency_s: one-way latency, a number or a trace [s]. The latency when a message is sent counts.
        overhead_s: fixed time per message.
        medium: name of the medium of the link, which all its links share. If the link also has a bandwidth, the lower
            rate counts.
        up: 1 while the link is up and 0 while it is down and carries nothing.

    Raises:
        ValueError: there is neither a bandwidth nor a medium, a time is negative or no number, or the latency becomes 0
            after the end of its trace.
    """

    name: str
    ends: tuple[str, str]
    bandwidth: Trace | None = None
    latency_s: float | Trace = 0.0
    overhead_s: float = 0.0
    medium: str | None = None
    up: Trace = ALWAYS_ON

    def __post_init__(self) -> None:
        if self.bandwidth is None and self.medium is None:
            raise ValueError(f"link {self.name!r} needs a bandwidth or a medium")
        latency = self.latency_s
        if isinstance(latency, Trace):
            if latency.end == "zero":
                raise ValueError(f"latency_s of the link {self.name!r} must hold or loop, not end")
            if latency.is_constant:
                object.__setattr__(self, "latency_s", latency.value(0.0))
        else:
            not_negative(f"latency_s of the link {self.name!r}", latency)
        not_negative(f"overhead_s of the link {self.name!r}", self.overhead_s)

    @property
    def fixed_delay_s(self) -> float:
        """Latency, unless it varies, plus overhead."""
        return self.overhead_s if isinstance(self.latency_s, Trace) else self.latency_s + self.overhead_s

    @property
    def mean_delay_s(self) -> float:
        """Latency plus overhead; of a varying latency the mean over one period, or until it holds."""
        if not isinstance(self.latency_s, Trace):
            return self.fixed_delay_s
        trace = self.latency_s
        return trace.mean(0.0, trace.duration or float(trace.times[-1])) + self.overhead_s

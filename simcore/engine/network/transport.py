"""Transport overhead of a message: none (`ideal`), or that of TCP (handshake, headers, slow start).

The TCP model has no fitted constants: a handshake of one round trip; headers, which leave 1448 of 1502 bytes on the
wire to the payload; and the time in which the sender has sent its window and waits for the first acknowledgement, while
a window that starts at 10 segments (RFC 6928) doubles per round trip up to the bandwidth-delay product. Loss, delayed
acknowledgements and later congestion control are left out.

Checked against the packet-level simulator ns-3 3.44 (TCP CUBIC, a fresh connection, one flow alone, no loss): within
6 % from 10 kB to 10 MB, at 10 and 100 Mbit/s, 10 and 50 ms. Persistent connections were not checked.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from headway.simcore.registry import Registry
from headway.simcore.world.route import Route

SEGMENT_BYTES = 1448
"""Payload of a full segment: 1500 bytes less 20 of IPv4, 20 of TCP and 12 of its timestamps."""
WIRE_BYTES = 1502
"""Bytes of a full segment on the wire in the ns-3 runs: 1500 and a PPP header of 2."""
FIRST_WINDOW = 10
"""Initial window in segments (RFC 6928, and Linux since 2.6.39)."""
LEAST_VARIANCE_S = 0.2
"""Minimum that Linux adds to the round-trip time for the retransmission timeout (TCP_RTO_MIN)."""


class Transport(Protocol):
    """Turns a message into a wait and bytes on the wire."""

    def begin(
        self, ends: tuple[int, int], route: Route, round_trip_s: float, size_bytes: float, now: float
    ) -> tuple[float, float]:
        """The overhead of a message that is sent now, in addition to the latency of its route.

        Args:
            ends: sender and receiver.
            route: of the message.
            round_trip_s: present latency there and back.
            size_bytes: payload.
            now: simulated time.

        Returns:
            The wait before bytes flow [s], and the bytes on the wire.
        """
        ...

    def end(self, ends: tuple[int, int], now: float) -> None:
        """A message has arrived."""
        ...

    def reset(self, ends: tuple[int, int]) -> None:
        """Drop the connection: a message was cancelled or can never arrive, or one of its ends has been down."""
        ...


class TransportSpec(Protocol):
    """Which transport messages use."""

    @property
    def name(self) -> str:
        """The name in scenarios."""
        ...

    def open(self) -> Transport:
        """The transport of one run, without any connection yet."""
        ...


@dataclass(frozen=True)
class Ideal:
    """Latency and bytes over rate, nothing else."""

    name: ClassVar[str] = "ideal"

    def open(self) -> Transport:
        """See `TransportSpec.open`."""
        return self

    def begin(
        self, ends: tuple[int, int], route: Route, round_trip_s: float, size_bytes: float, now: float
    ) -> tuple[float, float]:
        """See `Transport.begin`."""
        return 0.0, size_bytes

    def end(self, ends: tuple[int, int], now: float) -> None:
        """See `Transport.end`."""

    def reset(self, ends: tuple[int, int]) -> None:
        """See `Transport.reset`."""


@dataclass(frozen=True)
class Tcp:
    """The TCP model above.

    The bandwidth-delay product is that of the narrowest resource of the route when the message starts, without other
    traffic; all waits come before the bytes flow.

    Attributes:
        connection: a `fresh` one for every message, or one per sender and receiver that is `persistent`: the first
            message opens it, later ones find the window where the one before left it. It is lost, and the next message
            opens a new one, when a message on it is cancelled and when one of the two devices goes down. Checked
            against ns-3 for `fresh` alone.
        idle_restart: whether the window of a connection that has been idle for longer than the retransmission timeout,
            a round trip and 200 ms, starts again (RFC 5681 section 4.1; on by default in Linux,
            `tcp_slow_start_after_idle`, which halves it per timeout where here it falls at once).
    """

    name: ClassVar[str] = "tcp"

    connection: Literal["fresh", "persistent"] = "fresh"
    idle_restart: bool = True

    def open(self) -> Transport:
        """See `TransportSpec.open`."""
        return _Connections(self)


TRANSPORTS: Registry[TransportSpec] = Registry(
    "transport", "headway.transports", {spec.name: spec for spec in (Ideal(), Tcp())}
)
"""Every transport by name, with its default options."""


@dataclass
class _Connection:
    """A persistent connection.

    Attributes:
        window: segments that may be in flight.
        used_s: when it was last in use.
    """

    window: float
    used_s: float


class _Connections:
    """The connections of one run under `Tcp`."""

    def __init__(self, spec: Tcp) -> None:
        self._spec = spec
        self._open: dict[tuple[int, int], _Connection] = {}

    def begin(
        self, ends: tuple[int, int], route: Route, round_trip_s: float, size_bytes: float, now: float
    ) -> tuple[float, float]:
        """See `Transport.begin`."""
        window, handshake_s = self._start(ends, round_trip_s, now)
        rate = min(trace.value(now + route.latency_at(now)) for trace in route.bandwidths)
        idle_s, window = slow_start(size_bytes, rate, round_trip_s, window)
        if self._spec.connection == "persistent":
            self._open[ends] = _Connection(window, math.inf)
        return handshake_s + idle_s, size_bytes * WIRE_BYTES / SEGMENT_BYTES

    def end(self, ends: tuple[int, int], now: float) -> None:
        """See `Transport.end`."""
        if ends in self._open:
            self._open[ends].used_s = now

    def reset(self, ends: tuple[int, int]) -> None:
        """See `Transport.reset`."""
        self._open.pop(ends, None)

    def _start(self, ends: tuple[int, int], round_trip_s: float, now: float) -> tuple[float, float]:
        """The window at the start of a message, and the wait for a handshake."""
        connection = self._open.get(ends)
        if connection is None:
            return FIRST_WINDOW, round_trip_s
        if self._spec.idle_restart and now - connection.used_s > round_trip_s + LEAST_VARIANCE_S:
            return min(connection.window, FIRST_WINDOW), 0.0
        return connection.window, 0.0


def slow_start(size_bytes: float, rate: float, round_trip_s: float, window: float) -> tuple[float, float]:
    """The total wait for acknowledgements, and the window at the end.

    Args:
        size_bytes: payload.
        rate: of the narrowest resource [bytes/s].
        round_trip_s: latency there and back.
        window: segments at the start.
    """
    idle_s, left = 0.0, size_bytes / SEGMENT_BYTES
    while window * WIRE_BYTES < rate * round_trip_s and left > window:
        idle_s += round_trip_s - window * WIRE_BYTES / rate
        left -= window
        window *= 2.0
    return idle_s, window

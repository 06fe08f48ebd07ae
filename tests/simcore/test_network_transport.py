"""What a message pays under TCP, against figures of a packet-level simulator and by hand."""

from functools import partial

import pytest
import simpy
from simulated import at, unexpected

from headway.simcore import Cluster, Device, Ideal, Link, Tcp
from headway.simcore.engine.network.network import network, sent
from headway.simcore.engine.network.transport import SEGMENT_BYTES, WIRE_BYTES, slow_start
from headway.traces import Trace

MBIT = 1e6 / 8

NS3 = [
    (10e3, 10, 10e-3, 0.039),
    (100e3, 10, 10e-3, 0.123),
    (1e6, 10, 10e-3, 0.872),
    (10e6, 10, 10e-3, 8.340),
    (10e6, 100, 10e-3, 0.928),
    (10e6, 100, 50e-3, 1.624),
]
"""Bytes, Mbit/s, one-way latency [s], and when the last byte arrived [s] in ns-3 3.44 (CUBIC, a fresh connection)."""


def arrivals(
    transport: Ideal | Tcp, sharing: str, mbit_s: float, latency_s: float, *messages: tuple[float, float]
) -> list[float]:
    """How long messages of so many bytes take that are sent so long after the one before has arrived."""
    env = simpy.Environment()
    link = Link(name="l", ends=("a", "b"), bandwidth=Trace.constant(mbit_s * MBIT), latency_s=latency_s)
    devices = tuple(Device(name=name, memory_bytes=1.0, flops=1.0) for name in "ab")
    carrier = network(env, Cluster(devices, (link,), "a"), sharing, transport)
    took: list[float] = []

    def send() -> simpy.events.ProcessGenerator:
        for gap_s, size in messages:
            yield env.timeout(gap_s)
            begun = env.now
            yield from sent(env, carrier, 0, 1, size)
            took.append(env.now - begun)

    env.run(env.process(send()))
    return took


@pytest.mark.parametrize("sharing", ["dedicated", "fair"])
@pytest.mark.parametrize(("size", "mbit_s", "latency_s", "ns3_s"), NS3)
def test_a_fresh_connection_takes_what_a_packet_level_simulator_says(
    size: float, mbit_s: float, latency_s: float, ns3_s: float, sharing: str
) -> None:
    (took,) = arrivals(Tcp(), sharing, mbit_s, latency_s, (0.0, size))
    assert took == pytest.approx(ns3_s, rel=0.06)
    (ideal,) = arrivals(Ideal(), sharing, mbit_s, latency_s, (0.0, size))
    assert ideal < took


def test_slow_start_by_hand() -> None:
    """100 segments at 1502 kB/s and 100 ms, which hold 100: windows of 10, 20 and 40 are sent in 10, 20 and 40 ms."""
    assert slow_start(100 * SEGMENT_BYTES, 1000 * WIRE_BYTES, 0.1, 10)[0] == pytest.approx(0.09 + 0.08 + 0.06)
    assert slow_start(10 * SEGMENT_BYTES, 1000 * WIRE_BYTES, 0.1, 10) == (0.0, 10)
    assert slow_start(100 * SEGMENT_BYTES, 1000 * WIRE_BYTES, 0.1, 160) == (0.0, 160)
    assert slow_start(1e9, 0.0, 0.1, 10) == (0.0, 10)


@pytest.mark.parametrize("sharing", ["dedicated", "fair"])
def test_a_persistent_connection_opens_once_and_keeps_its_window_until_it_has_been_idle(
    sharing: str,
) -> None:
    size, messages = 1e6, ((0.0, 1e6), (0.1, 1e6), (5.0, 1e6))
    bare = 50e-3 + size * WIRE_BYTES / SEGMENT_BYTES / (100 * MBIT)
    restarting = arrivals(Tcp("persistent"), sharing, 100, 50e-3, *messages)
    keeping = arrivals(Tcp("persistent", idle_restart=False), sharing, 100, 50e-3, *messages)
    fresh = arrivals(Tcp("fresh"), sharing, 100, 50e-3, *messages)
    waits = slow_start(size, 100 * MBIT, 0.1, 10)[0]
    assert fresh == pytest.approx([0.1 + bare + waits] * 3)
    again = slow_start(size, 100 * MBIT, 0.1, slow_start(size, 100 * MBIT, 0.1, 10)[1])[0]
    assert again < waits
    assert restarting == pytest.approx([0.1 + bare + waits, bare + again, bare + waits])
    assert keeping[:2] == pytest.approx(restarting[:2])
    assert keeping[2] <= restarting[1] * (1 + 1e-12)


def test_without_latency_tcp_costs_only_its_headers() -> None:
    assert arrivals(Tcp(), "fair", 8, 0.0, (0.0, 1e6)) == pytest.approx([WIRE_BYTES / SEGMENT_BYTES])
    assert arrivals(Ideal(), "fair", 8, 0.0, (0.0, 1e6)) == pytest.approx([1.0])


def persistent_times(
    sharing: str, up: Trace, *sends: tuple[float, float], cancel_at_s: float | None = None
) -> list[float]:
    """How long messages of so many bytes take that are sent at moments; the first one may be cancelled."""
    env = simpy.Environment()
    link = Link(name="l", ends=("a", "b"), bandwidth=Trace.constant(100 * MBIT), latency_s=50e-3)
    devices = (
        Device(name="a", memory_bytes=1.0, flops=1.0),
        Device(name="b", memory_bytes=1.0, flops=1.0, up=up),
    )
    net = network(env, Cluster(devices, (link,), "a"), sharing, Tcp("persistent", idle_restart=False))
    took: list[float] = []

    def send(size: float) -> None:
        message = net.send(0, 1, size, lambda one: took.append(env.now - one.sent_s), unexpected)
        if cancel_at_s is not None and env.now < cancel_at_s:
            at(env, cancel_at_s, lambda: net.cancel(message))

    for moment, size in sends:
        at(env, moment, partial(send, size))
    env.run()
    return took


ALWAYS = Trace.constant(1.0)
BARE_S = 50e-3 + 1e6 * WIRE_BYTES / SEGMENT_BYTES / (100 * MBIT)
FIRST_S = 0.1 + BARE_S + slow_start(1e6, 100 * MBIT, 0.1, 10)[0]
"""What 1 MB takes over a new connection."""


@pytest.mark.parametrize("sharing", ["dedicated", "fair"])
@pytest.mark.parametrize("cancel_at_s", [0.05, 0.3])
def test_a_cancelled_message_closes_its_connection(sharing: str, cancel_at_s: float) -> None:
    """Cancelled while its handshake is under way, or while it flows: the next message opens a new connection."""
    assert persistent_times(
        sharing, ALWAYS, (0.0, 1e6), (10.0, 1e6), cancel_at_s=cancel_at_s
    ) == pytest.approx([FIRST_S])


@pytest.mark.parametrize("sharing", ["dedicated", "fair"])
def test_a_device_that_goes_down_loses_its_connections(sharing: str) -> None:
    """The one at 10 s is sent before the outage, that at 30 s after it, and the one at 40 s finds a connection."""
    up = Trace([0.0, 20.0, 25.0], [1.0, 0.0, 1.0])
    sends = ((0.0, 1e6), (10.0, 1e6), (30.0, 1e6), (40.0, 1e6))
    first, second, third, fourth = persistent_times(sharing, up, *sends)
    assert (first, third) == pytest.approx((FIRST_S, FIRST_S))
    assert second < FIRST_S - 0.1
    assert fourth == pytest.approx(second)

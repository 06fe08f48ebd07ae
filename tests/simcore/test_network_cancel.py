"""Messages that are taken off their way, and messages that can never arrive."""

from collections.abc import Iterable
from functools import partial

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import at, unexpected
from worlds import clusters, reals, row

from headway.simcore import Cluster, Ideal, Tcp
from headway.simcore.engine.network.network import Network, network
from headway.simcore.engine.network.transfer import Carried, Transfer
from headway.simcore.engine.network.transport import SEGMENT_BYTES, WIRE_BYTES
from headway.simcore.errors import RunEndedError
from headway.traces import Trace

STEADY = Trace.constant(10.0)
IDEAL = Ideal()
DYING = Trace([0.0, 3.0], [10.0, 0.0])

both = pytest.mark.parametrize("sharing", ["dedicated", "fair"])


class Mail:
    """A network, and what has become of the messages on it by number."""

    def __init__(self, cluster: Cluster, sharing: str, transport: Ideal | Tcp = IDEAL) -> None:
        self.env = simpy.Environment()
        self.net: Network = network(self.env, cluster, sharing, transport)
        self.sent: dict[int, Transfer] = {}
        self.arrived: dict[int, float] = {}
        self.failed: dict[int, RunEndedError] = {}
        self.failed_s: dict[int, float] = {}

    def send(self, number: int, sender: int, receiver: int, size_bytes: float) -> None:
        arrived, failed = partial(self._arrive, number), partial(self._fail, number)
        self.sent[number] = self.net.send(sender, receiver, size_bytes, arrived, failed)

    def send_at(self, time_s: float, number: int, sender: int, receiver: int, size_bytes: float) -> None:
        at(self.env, time_s, lambda: self.send(number, sender, receiver, size_bytes))

    def cancel(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self.net.cancel(self.sent[number])

    def cancel_at(self, time_s: float, *numbers: int) -> None:
        at(self.env, time_s, lambda: self.cancel(numbers))

    def _arrive(self, number: int, transfer: Transfer) -> None:
        assert number not in self.arrived
        assert not transfer.active
        self.arrived[number] = self.env.now

    def _fail(self, number: int, error: RunEndedError) -> None:
        assert number not in self.failed
        self.failed[number], self.failed_s[number] = error, self.env.now


@both
@pytest.mark.parametrize(
    ("moment", "arrives"),
    [
        (0.0, False),  # with the beginning
        (0.5, False),  # its first byte is under way
        (2.0, False),  # it flows
        (3.5, True),  # it has arrived
    ],
)
def test_a_message_alone_is_cancelled(sharing: str, moment: float, arrives: bool) -> None:
    """20 bytes at 10 B/s after 1 s, and then others, alone and in company; cancelling twice is cancelling once."""
    mail = Mail(row(STEADY, latency_s=1.0), sharing)
    mail.send_at(0.0, 0, 0, 1, 20.0)
    mail.cancel_at(moment, 0, 0)
    mail.send_at(4.0, 1, 0, 1, 10.0)
    for number in (2, 3):
        mail.send_at(8.0, number, 0, 1, 10.0)
    mail.env.run()
    last = 11.0 if sharing == "fair" else 10.0
    assert mail.arrived == ({0: 3.0} if arrives else {}) | {1: 6.0, 2: last, 3: last}
    messages = 3 + arrives
    flowed = 2.0 * arrives + (5.0 if sharing == "fair" else 3.0)
    assert mail.net.carried == {(0, True): Carried(messages, 30.0 + 20.0 * arrives, flowed)}
    assert not mail.failed
    assert not any(transfer.active for transfer in mail.sent.values())


@both
def test_those_that_shared_with_a_cancelled_message_go_faster_at_once(sharing: str) -> None:
    """Three at 10 B/s; one goes at 3 s, when each has had 10 bytes, then another at 5 s, and the last is alone."""
    mail = Mail(row(STEADY), sharing)
    for number in range(3):
        mail.send_at(0.0, number, 0, 1, 100.0)
    mail.cancel_at(3.0, 1)
    mail.cancel_at(5.0, 0, 1)
    mail.env.run(4.0)
    assert [flow.rate for flow in mail.net.flows] == ([5.0, 5.0] if sharing == "fair" else [])
    mail.env.run()
    # 10 bytes, 10 more until 5 s, and 80 at 10 B/s.
    end_s = 13.0 if sharing == "fair" else 10.0
    assert mail.arrived == {2: end_s}
    assert mail.net.carried == {(0, True): Carried(1, 100.0, end_s)}
    assert len(mail.net.flows) == 0


@both
def test_a_message_can_be_cancelled_by_one_that_arrives_at_the_same_moment(sharing: str) -> None:
    """Whichever is told first; the other one is not, and no link has carried it."""
    env = simpy.Environment()
    net = network(env, row(STEADY), sharing)
    messages: list[Transfer] = []
    told: list[Transfer] = []

    def arrived(transfer: Transfer) -> None:
        told.append(transfer)
        net.cancel(messages[transfer is messages[0]])

    messages += [net.send(0, 1, 20.0, arrived, unexpected) for _ in range(2)]
    env.run()
    assert told == messages[:1]
    assert {key: carried.messages for key, carried in net.carried.items()} == {(0, True): 1}


@given(
    clusters(most=5, steady=False),
    st.sampled_from(["dedicated", "fair"]),
    st.sampled_from([Ideal(), Tcp(), Tcp(connection="persistent")]),
    st.data(),
)
@settings(max_examples=60)
def test_only_what_arrives_is_told_and_carried(
    cluster: Cluster, sharing: str, transport: Ideal | Tcp, data: st.DataObject
) -> None:
    """Over random networks; without sharing and kept connections others do not even notice."""
    devices = st.integers(0, len(cluster.devices) - 1)
    message = st.tuples(reals(0.0, 0.3), devices, devices, reals(1e3, 1e6)).filter(
        lambda one: one[1] != one[2]
    )
    messages = data.draw(st.lists(message, min_size=1, max_size=8)) if len(cluster.devices) > 1 else []
    cancelled = data.draw(st.dictionaries(st.integers(0, 7), reals(0.0, 2.0)))
    mail, whole = Mail(cluster, sharing, transport), Mail(cluster, sharing, transport)
    for number, (time_s, start, end, size) in enumerate(messages):
        for each in (mail, whole):
            each.send_at(time_s, number, start, end, size)
        if number in cancelled:
            mail.cancel_at(time_s + cancelled[number], number)
    mail.env.run()
    whole.env.run()
    assert not mail.failed
    assert mail.arrived.keys() | cancelled.keys() >= set(range(len(messages)))
    early = {
        number: time_s
        for number, time_s in mail.arrived.items()
        if number in cancelled and time_s > messages[number][0] + cancelled[number]
    }
    assert not early
    if sharing == "dedicated" and transport != Tcp(connection="persistent"):
        assert mail.arrived.items() <= whole.arrived.items()
    headers = WIRE_BYTES / SEGMENT_BYTES if isinstance(transport, Tcp) else 1.0
    books: dict[tuple[int, bool], list[float]] = {}
    for number in mail.arrived:
        _, start, end, size = messages[number]
        at_node, route = cluster.names[start], cluster.routes[start][end]
        for i in route.links if route else ():
            forward = cluster.links[i].ends[0] == at_node
            at_node = cluster.links[i].ends[forward]
            books.setdefault((i, forward), []).append(size * headers)
    assert {key: carried.messages for key, carried in mail.net.carried.items()} == {
        key: len(sizes) for key, sizes in books.items()
    }
    assert {key: carried.size_bytes for key, carried in mail.net.carried.items()} == pytest.approx(
        {key: sum(sizes) for key, sizes in books.items()}
    )
    assert len(mail.net.flows) == 0
    assert mail.net.settled


@both
@pytest.mark.parametrize("latency_s", [0.0, 1.0])
def test_what_can_never_arrive_fails_once_and_can_be_cancelled_then(sharing: str, latency_s: float) -> None:
    """At the latest when its bytes would flow; with a way of its own it is known when it is sent."""
    mail = Mail(row(DYING, latency_s=latency_s), sharing)
    mail.env.run(4.0)
    mail.send(0, 0, 1, 40.0)
    at_once = sharing == "dedicated" or latency_s == 0.0
    assert (0 in mail.failed) == at_once
    mail.env.run(6.0)
    assert str(mail.failed[0]).startswith("stalled: 40 bytes from 'd0' to 'd1' at ")
    assert not mail.sent[0].active
    mail.cancel([0])
    mail.env.run()
    assert mail.arrived == {}
    assert sum(carried.messages for carried in mail.net.carried.values()) == 0


def test_what_company_makes_too_late_fails_when_the_link_has_died() -> None:
    """25 bytes each at 10 B/s for 3 s: one would arrive, two cannot; when one is cancelled in time, the other does."""
    stuck, saved = Mail(row(DYING), "fair"), Mail(row(DYING), "fair")
    for number in range(2):
        for mail in (stuck, saved):
            mail.send_at(0.0, number, 0, 1, 25.0)
    saved.cancel_at(1.0, 0)
    stuck.env.run()
    assert (stuck.arrived, stuck.failed_s) == ({}, {0: 3.0, 1: 3.0})
    saved.env.run()
    assert (saved.arrived, saved.failed) == ({1: 3.0}, {})


class Meddling:
    """A network of two links, of which the first dies. A message that fails there cancels other messages."""

    def __init__(self, *victims: int) -> None:
        self.env = simpy.Environment()
        self.net = network(self.env, row(DYING, STEADY), "fair")
        self.messages: list[Transfer] = []
        self.told: list[tuple[int, float]] = []
        self._victims = victims

    def send(self, number: int, sender: int, receiver: int, size: float) -> None:
        arrived = partial(self._tell, number, 1.0)
        self.messages.append(self.net.send(sender, receiver, size, arrived, partial(self._fail, number)))

    def send_at(self, time_s: float, *numbers: int) -> None:
        """Send 30 bytes each over the second link."""
        for number in numbers:
            at(self.env, time_s, partial(self.send, number, 1, 2, 30.0))

    def _tell(self, number: int, sign: float, _: object) -> None:
        self.told.append((number, sign * self.env.now))

    def _fail(self, number: int, error: RunEndedError) -> None:
        self._tell(number, -1.0, error)
        for victim in self._victims:
            self.net.cancel(self.messages[victim])


def test_who_is_told_of_a_failure_can_cancel_others_that_fail_with_it_or_begin_just_then() -> None:
    """At 3 s two are stuck for ever; the first takes the second off its way, and one of three that begin elsewhere."""
    mail = Meddling(0, 1, 2)
    mail.send(0, 0, 1, 30.0)
    mail.send(1, 0, 1, 30.0)
    mail.send_at(3.0, 2, 3, 4)
    mail.env.run()
    assert mail.told == [(0, -3.0), (3, 9.0), (4, 9.0)]


def test_a_failure_found_while_rates_are_found_does_not_spoil_those_of_others() -> None:
    """When its company goes at 2 s, too little can come; who fails takes one of three that begin at that moment."""
    mail = Meddling(2)
    mail.send(0, 0, 1, 29.0)
    mail.send(1, 0, 1, 100.0)
    mail.send_at(2.0, 2, 3, 4)
    at(mail.env, 2.0, lambda: mail.net.cancel(mail.messages[1]))
    mail.env.run()
    # The first has had 10 of its 29 bytes, and 10 more can come.
    assert mail.told == [(0, -2.0), (3, 8.0), (4, 8.0)]

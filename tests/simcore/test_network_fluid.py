"""Laws of the fluid network: what messages that share their ways get, and what becomes of it when the world changes."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import bare, blinking, clusters, reals, row

from headway.simcore import Cluster, Device, Link, Medium
from headway.simcore.engine.network.network import Network, network, sent
from headway.simcore.errors import RunEndedError
from headway.traces import Trace

Message = tuple[float, int, int, float]
"""When, from where, to where, how many bytes."""


def steady(rate: float) -> Trace:
    return Trace.constant(rate)


def delivered(
    cluster: Cluster, messages: list[Message], sharing: str = "fair"
) -> tuple[list[float], Network]:
    """When each message arrives (nan: never), and the network that carried them.

    Who sends something to itself has it.
    """
    env = simpy.Environment()
    net = network(env, cluster, sharing)
    arrivals = [float("nan")] * len(messages)

    def one(i: int, at: float, start: int, end: int, size: float) -> simpy.events.ProcessGenerator:
        yield env.timeout(at)
        if start != end:
            yield from sent(env, net, start, end, size)
        arrivals[i] = env.now

    for i, message in enumerate(messages):
        env.process(one(i, *message))
    env.run()
    return arrivals, net


def arrivals_of(cluster: Cluster, *messages: Message) -> list[float]:
    return delivered(cluster, list(messages))[0]


@st.composite
def traffic(draw: st.DrawFn, cluster: Cluster, *, most: int = 8) -> list[Message]:
    devices = st.integers(0, len(cluster.devices) - 1)
    return draw(
        st.lists(st.tuples(reals(0.0, 0.3), devices, devices, reals(1e3, 1e6)), min_size=1, max_size=most)
    )


def test_two_messages_share_a_link_and_the_second_has_it_alone_when_the_first_is_through() -> None:
    """20 bytes from 0 s, 30 from 1 s, at 10 B/s: shared from 1 s to 3 s, then 20 bytes are left for 2 s."""
    assert arrivals_of(row(steady(10.0)), (0.0, 0, 1, 20.0), (1.0, 0, 1, 30.0)) == [3.0, 5.0]


def test_the_two_directions_of_a_link_do_not_meet() -> None:
    assert arrivals_of(row(steady(10.0)), (0.0, 0, 1, 20.0), (0.0, 1, 0, 20.0)) == [2.0, 2.0]


def test_the_two_directions_of_a_medium_have_one_budget() -> None:
    air = Medium(name="air", bandwidth=steady(10.0))
    links = (Link(name="l", ends=("a", "b"), medium="air"),)
    cluster = Cluster((bare("a"), bare("b")), links, "a", media=(air,))
    assert arrivals_of(cluster, (0.0, 0, 1, 20.0), (0.0, 1, 0, 20.0)) == [4.0, 4.0]


def test_all_stations_of_a_cell_share_it_and_the_wire_behind_it_does_not_matter() -> None:
    air = Medium(name="air", bandwidth=steady(12.0))
    links = (*(Link(name=x, ends=(x, "ap"), medium="air") for x in "abc"),
             Link(name="s", ends=("s", "ap"), bandwidth=steady(100.0)))  # fmt: skip
    cluster = Cluster(tuple(map(bare, "abcs")), links, "s", relays=("ap",), media=(air,))
    assert arrivals_of(cluster, *((0.0, i, 3, 12.0) for i in range(3))) == [3.0, 3.0, 3.0]
    # From station to station the cell is crossed twice: 12 = 2 * 4 + 4.
    assert arrivals_of(cluster, (0.0, 0, 1, 12.0), (0.0, 2, 3, 12.0)) == [3.0, 3.0]


def test_an_interface_is_shared_by_all_links_of_its_device() -> None:
    hub = replace(bare("h"), nic_up=steady(10.0), nic_down=steady(30.0))
    links = tuple(Link(name=x, ends=("h", x), bandwidth=steady(20.0)) for x in "ab")
    cluster = Cluster((hub, bare("a"), bare("b")), links, "h")
    assert arrivals_of(cluster, (0.0, 0, 1, 10.0), (0.0, 0, 2, 10.0)) == [2.0, 2.0]
    assert arrivals_of(cluster, (0.0, 1, 0, 30.0), (0.0, 2, 0, 30.0)) == [2.0, 2.0]
    assert arrivals_of(cluster, (0.0, 0, 1, 10.0), (0.0, 1, 0, 20.0)) == [1.0, 1.0]


def test_who_is_held_back_elsewhere_leaves_the_rest_to_others() -> None:
    """Rates 1, 9 and 1, which a peer gives as 5, 1 and 1."""
    cluster = row(steady(2.0), steady(10.0))
    assert arrivals_of(cluster, (0.0, 0, 2, 2.0), (0.0, 1, 2, 18.0), (0.0, 0, 1, 2.0)) == [2.0, 2.0, 2.0]


def test_zero_bandwidth_stalls_all_on_the_link_and_lets_them_go_on() -> None:
    """20 MB each, 10 MB/s together, nothing from 1 s to 3 s; a peer lets them drain at their old rate."""
    gap = Trace([0.0, 1.0, 3.0], [10e6, 0.0, 10e6])
    assert arrivals_of(row(gap), (0.0, 0, 1, 20e6), (0.0, 0, 1, 20e6)) == [6.0, 6.0]
    assert arrivals_of(row(gap), (0.0, 0, 1, 20e6)) == [4.0]
    assert arrivals_of(row(gap), (1.5, 0, 1, 10e6), (2.0, 0, 1, 20e6)) == [5.0, 6.0]


def test_a_change_in_mid_flow_counts() -> None:
    """A drop from 10 to 1 after 1 s, one message and two: a peer ignores it."""
    drop = row(Trace([0.0, 1.0], [10.0, 1.0]))
    assert arrivals_of(drop, (0.0, 0, 1, 15.0)) == [6.0]
    assert arrivals_of(drop, (0.0, 0, 1, 8.0), (0.0, 0, 1, 8.0)) == [7.0, 7.0]


def test_messages_of_different_latency_share_equally() -> None:
    """Two on one link, one of them from 49 ms further away; a peer lets the near one have nearly all of it."""
    links = (
        Link(name="near", ends=("a", "b"), bandwidth=steady(1e6), latency_s=1e-3),
        Link(name="far", ends=("c", "a"), bandwidth=steady(1e9), latency_s=49e-3),
    )
    cluster = Cluster(tuple(map(bare, "abc")), links, "a")
    near, far = arrivals_of(cluster, (0.0, 0, 1, 1e7), (0.0, 2, 1, 1e7))
    # The near one is 49 ms ahead; from then on they share.
    assert near == pytest.approx(1e-3 + 49e-3 + 2 * (1e7 - 49e-3 * 1e6) / 1e6)
    assert far == pytest.approx(1e-3 + 2e7 / 1e6)


def test_latency_is_paid_once_and_loads_nothing() -> None:
    cluster = row(steady(10.0), steady(10.0), latency_s=1.0)
    assert arrivals_of(cluster, (0.0, 0, 2, 20.0)) == [4.0]
    # While the second is under way to its first byte, the first has the link for itself.
    assert arrivals_of(cluster, (0.0, 0, 1, 20.0), (2.0, 0, 1, 20.0)) == [3.0, 5.0]


def test_a_pinned_route_is_really_used() -> None:
    links = tuple(Link(name=x + y, ends=(x, y), bandwidth=steady(10.0)) for x, y in ("ab", "bc", "ac"))
    cluster = Cluster(tuple(map(bare, "abc")), links, "a", pinned=(("a", "b", "c"),))
    arrivals, net = delivered(cluster, [(0.0, 0, 2, 10.0), (0.0, 0, 1, 10.0)])
    assert arrivals == [2.0, 2.0]
    assert {i: carried.size_bytes for (i, _), carried in net.carried.items()} == {0: 20.0, 1: 10.0}


def test_an_aborted_message_leaves_its_share_to_others() -> None:
    """Interrupted while it shares, in the moment in which it starts, and after the other one is through."""
    for at, expected in ((1.0, 3.0), (0.0, 2.5), (6.0, 5.0)):
        env = simpy.Environment()
        net = network(env, row(steady(10.0)), "fair")

        def aborted(env: simpy.Environment = env, net: Network = net) -> simpy.events.ProcessGenerator:
            with pytest.raises(simpy.Interrupt):
                yield from sent(env, net, 0, 1, 100.0)

        victim = env.process(aborted())

        def other(env: simpy.Environment = env, net: Network = net) -> simpy.events.ProcessGenerator:
            yield from sent(env, net, 0, 1, 25.0)
            return env.now

        def abort(
            at: float = at, env: simpy.Environment = env, victim: simpy.Process = victim
        ) -> simpy.events.ProcessGenerator:
            yield env.timeout(at)
            victim.interrupt()

        ended = env.process(other())
        env.process(abort())
        env.run(victim)
        env.run(ended)
        assert ended.value == pytest.approx(expected)
        assert sum(carried.messages for carried in net.carried.values()) == 1


def test_closing_a_sender_frees_its_share() -> None:
    env = simpy.Environment()
    net = network(env, row(steady(10.0)), "fair")
    sender = sent(env, net, 0, 1, 100.0)
    next(sender)
    other = env.process(sent(env, net, 0, 1, 20.0))
    env.run(1.0)
    sender.close()
    env.run(other)
    assert env.now == pytest.approx(2.5)


@pytest.mark.parametrize(
    "dying",
    [
        Trace([0.0], [10.0], end="zero", duration=3.0),
        Trace([0.0, 3.0], [10.0, 0.0]),
        Trace.constant(0.0),
    ],
)
@pytest.mark.parametrize("messages", [1, 2, 5])
def test_messages_that_never_arrive_end_the_run_and_name_the_link(dying: Trace, messages: int) -> None:
    env = simpy.Environment()
    net = network(env, row(steady(100.0), dying), "fair")
    senders = [env.process(sent(env, net, 0, 2, 40.0)) for _ in range(messages)]
    with pytest.raises(
        RunEndedError, match=r"40 bytes from 'd0' to 'd2' at \S+ s never arrive over .*link 'l1'"
    ):
        env.run(env.all_of(senders))
    assert env.now <= 3.0


def test_links_that_are_never_up_together_end_the_run_though_their_traces_go_on_for_ever() -> None:
    first = Trace([0.0, 1.0], [1.0, 0.0], end="loop", duration=2.0)
    second = Trace([0.0, 1.0], [0.0, 1.0], end="loop", duration=2.0)
    env = simpy.Environment()
    net = network(env, row(first, second), "fair")
    senders = [env.process(sent(env, net, 0, 2, 40.0)) for _ in range(2)]
    with pytest.raises(RunEndedError, match="stalled"):
        env.run(env.all_of(senders))


def test_one_stalled_message_does_not_hold_up_its_neighbours() -> None:
    """It shares a link with one that can go on, and takes nothing from it."""
    env = simpy.Environment()
    net = network(env, row(steady(10.0), Trace([0.0, 1.0, 50.0], [10.0, 0.0, 10.0])), "fair")
    stuck, free = env.process(sent(env, net, 0, 2, 20.0)), env.process(sent(env, net, 0, 1, 25.0))
    env.run(free)
    assert env.now == pytest.approx(1.0 + 20.0 / 10.0)
    env.run(stuck)
    assert env.now == pytest.approx(50.0 + 15.0 / 10.0)


def test_a_change_that_does_not_matter_here_coincides_with_one_that_does_elsewhere() -> None:
    """At 1 s the second link gets narrower, which binds nobody, and the third, which binds."""
    cluster = row(steady(10.0), Trace([0.0, 1.0], [100.0, 50.0]), Trace([0.0, 1.0], [10.0, 5.0]))
    messages = [(0.0, 2, 3, 10.0), (0.0, 2, 3, 10.0), (0.0, 0, 2, 20.0), (0.0, 0, 2, 20.0)]
    assert arrivals_of(cluster, *messages) == [3.0, 3.0, 4.0, 4.0]
    assert arrivals_of(cluster, *messages[::-1]) == [4.0, 4.0, 3.0, 3.0]


@given(clusters(most=5, steady=False), st.data())
@settings(max_examples=25, deadline=None)
def test_what_flows_at_all_flows_whole_and_no_resource_carries_more_than_its_trace(
    cluster: Cluster, data: st.DataObject
) -> None:
    """Conservation, over random networks, traces and messages."""
    messages = data.draw(traffic(cluster))
    arrivals, net = delivered(cluster, messages)
    assert not np.isnan(arrivals).any()
    begun, ended = min(message[0] for message in messages), max(arrivals)
    expected: dict[tuple[int, bool], float] = {}
    for _, start, end, size in messages:
        at = cluster.names[start]
        route = cluster.routes[start][end]
        for i in route.links if route else ():
            forward = cluster.links[i].ends[0] == at
            at = cluster.links[i].ends[forward]
            expected[i, forward] = expected.get((i, forward), 0.0) + size
    assert {key: c.size_bytes for key, c in net.carried.items()} == pytest.approx(expected)
    for (i, _), carried in net.carried.items():
        bandwidth = cluster.links[i].bandwidth
        assert bandwidth is not None
        assert carried.size_bytes <= bandwidth.integral(begun, ended) * (1 + 1e-9)


@given(clusters(most=5, steady=False), st.data())
@settings(max_examples=25, deadline=None)
def test_sharing_never_helps_and_without_company_it_changes_nothing(
    cluster: Cluster, data: st.DataObject
) -> None:
    messages = data.draw(traffic(cluster))
    fair, alone = delivered(cluster, messages)[0], delivered(cluster, messages, "dedicated")[0]
    assert (np.array(fair) >= np.array(alone) * (1 - 1e-9)).all()
    gap = max(end - message[0] for end, message in zip(alone, messages, strict=True))
    apart = [(i * (gap + 1.0), *message[1:]) for i, message in enumerate(messages)]
    one_by_one = delivered(cluster, apart)[0]
    np.testing.assert_allclose(one_by_one, delivered(cluster, apart, "dedicated")[0], rtol=1e-12)


@given(clusters(most=4, steady=False), st.data())
@settings(max_examples=12, deadline=None)
def test_the_order_of_messages_that_start_together_changes_nothing(
    cluster: Cluster, data: st.DataObject
) -> None:
    messages = [(0.1 * (i // 3), *m[1:]) for i, m in enumerate(data.draw(traffic(cluster, most=6)))]
    arrivals = delivered(cluster, messages)[0]
    for order in itertools.islice(itertools.permutations(range(len(messages))), 1, 720, 97):
        again = delivered(cluster, [messages[i] for i in order])[0]
        np.testing.assert_allclose(again, [arrivals[i] for i in order], rtol=1e-12)


@given(st.lists(blinking(), min_size=1, max_size=3), st.lists(reals(0.01, 1.0), min_size=1, max_size=4))
@settings(max_examples=25, deadline=None)
def test_equal_messages_in_company_take_as_long_as_one_of_their_total_size(
    traces: list[Trace], sizes: list[float]
) -> None:
    """n of a size on one route at once end together, when one message n times as large would."""
    cluster, count = row(*traces), len(sizes)
    route = cluster.routes[0][-1]
    assert route is not None
    end = route.reach(0.0, count * sizes[0])
    if end < float("inf"):
        arrivals = delivered(cluster, [(0.0, 0, len(traces), sizes[0])] * count)[0]
        np.testing.assert_allclose(arrivals, end, rtol=1e-9)


def test_all_to_one_collapses_in_a_cell_but_not_where_links_are_dedicated() -> None:
    """Heads on every station send to one: the cell serves them all, one after another as it were."""
    air = Medium(name="air", bandwidth=steady(1e5))
    names = [f"s{i}" for i in range(8)]
    devices = tuple(Device(name=name, memory_bytes=1e9, flops=1e9) for name in names)
    links = tuple(Link(name=name, ends=(name, "ap"), medium="air") for name in names)
    cell = Cluster(devices, links, "s0", relays=("ap",), media=(air,))
    arrivals = arrivals_of(cell, *((0.0, i, 0, 1e5) for i in range(1, 8)))
    assert arrivals == pytest.approx([14.0] * 7)
    alone = delivered(cell, [(0.0, i, 0, 1e5) for i in range(1, 8)], "dedicated")[0]
    assert alone == pytest.approx([2.0] * 7)

"""What a message shares on its way: links by direction, network interfaces, media; relays; pinned routes."""

from dataclasses import replace

import numpy as np
import pytest
from worlds import bare

from headway.simcore import Cluster, Device, Link, Medium, Route
from headway.traces import Trace

FAST = Trace.constant(100.0)


def device(name: str, **limits: float) -> Device:
    return bare(name, **{key: Trace.constant(rate) for key, rate in limits.items()})


def link(ends: str, rate: float | None = 100.0, latency_s: float = 1e-3, medium: str | None = None) -> Link:
    bandwidth = None if rate is None else Trace.constant(rate)
    return Link(name=ends, ends=(ends[0], ends[1]), bandwidth=bandwidth, latency_s=latency_s, medium=medium)


def route(cluster: Cluster, start: str, end: str) -> Route:
    found = cluster.routes[cluster.names.index(start)][cluster.names.index(end)]
    assert found is not None
    return found


def on_the_way(cluster: Cluster, start: str, end: str) -> dict[str, int]:
    """Names of the resources of a route, and how often it uses them."""
    way = route(cluster, start, end)
    return {cluster.resources[i].name: uses for i, uses in zip(way.resources, way.uses, strict=True)}


def cell(**changes: object) -> Cluster:
    """Two stations and a wired server around an access point."""
    plain: dict[str, object] = {
        "devices": (device("a"), device("b"), device("s")),
        "links": (link("ap", None, medium="air"), link("bp", None, medium="air"), link("sp", 1000.0)),
        "source": "a",
        "relays": ("p",),
        "media": (Medium(name="air", bandwidth=FAST),),
    }
    return Cluster(**(plain | changes))  # type: ignore[arg-type]


def test_relays_are_passed_and_hold_nothing() -> None:
    cluster = cell()
    assert cluster.names == ("a", "b", "s")
    assert route(cluster, "a", "b").links == (0, 1)
    assert cluster.latencies(0.0, 0.0).shape == cluster.rates(0.0, 0.0).shape == (3, 3)
    assert cluster.latencies(0.0, 0.0)[0, 1] == pytest.approx(2e-3)


def test_both_directions_of_a_medium_are_one_resource_and_those_of_a_link_are_two() -> None:
    cluster = cell()
    assert on_the_way(cluster, "a", "s") == {"medium 'air'": 1, "link 'sp'": 1}
    there, back = route(cluster, "a", "s"), route(cluster, "s", "a")
    assert len(set(there.resources) & set(back.resources)) == 1


def test_a_message_that_crosses_a_medium_twice_has_half_of_it() -> None:
    cluster = cell()
    assert on_the_way(cluster, "a", "b") == {"medium 'air'": 2}
    assert route(cluster, "a", "b").reach(0.0, 100.0) == pytest.approx(2.0)
    np.testing.assert_allclose(cluster.rates(0.0, 0.0)[0], [np.inf, 50.0, 100.0])


def test_of_a_link_and_its_medium_the_narrower_counts() -> None:
    links = (link("ap", 30.0, medium="air"), link("bp", 300.0, medium="air"), link("sp", 1000.0))
    cluster = cell(links=links)
    rates = cluster.rates(0.0, 0.0)
    assert (rates[0, 2], rates[1, 2], rates[2, 0]) == (30.0, 100.0, 30.0)
    assert route(cluster, "a", "s").reach(0.0, 60.0) == pytest.approx(2.0)


def test_interfaces_limit_what_devices_send_receive_and_forward() -> None:
    devices = (device("a", nic_up=10.0), device("b", nic_up=20.0, nic_down=40.0), device("c", nic_down=5.0))
    cluster = Cluster(devices, (link("ab"), link("bc")), "a")
    assert list(on_the_way(cluster, "a", "c")) == [
        "nic_up of 'a'", "link 'ab'", "nic_down of 'b'", "nic_up of 'b'", "link 'bc'", "nic_down of 'c'",
    ]  # fmt: skip
    rates = cluster.rates(0.0, 0.0)
    assert rates[0].tolist() == [np.inf, 10.0, 5.0]
    assert rates[2].tolist() == [20.0, 40.0, np.inf]


def test_rates_are_those_of_the_narrowest_trace_at_the_time() -> None:
    down = Trace([0.0, 1.0], [40.0, 10.0])
    devices = (device("a"), replace(device("b"), nic_down=down))
    cluster = Cluster(devices, (link("ab", 20.0),), "a")
    assert [cluster.rates(t, 0.0)[0, 1] for t in (0.5, 1.5)] == [20.0, 10.0]
    assert cluster.rates(2.0, 2.0)[0, 1] == 20.0  # the mean of what the interface could do is 25
    assert cluster.rates(1.5, 0.0)[1, 0] == 20.0


def test_a_pinned_route_is_taken_in_both_directions_and_others_stay_short() -> None:
    links = (link("ab"), link("bc"), link("ac"))
    names = (device("a"), device("b"), device("c"))
    shortest = Cluster(names, links, "a")
    assert route(shortest, "a", "c").links == (2,)
    cluster = Cluster(names, links, "a", pinned=(("a", "b", "c"),))
    assert route(cluster, "a", "c").links == (0, 1)
    assert route(cluster, "c", "a").links == (1, 0)
    assert route(cluster, "a", "b").links == (0,)
    assert cluster.latencies(0.0, 0.0)[0, 2] == pytest.approx(2e-3)


def test_each_direction_can_be_pinned_on_its_own() -> None:
    links = (link("ab"), link("bc"), link("ac"))
    pinned = (("a", "b", "c"), ("c", "a"))
    cluster = Cluster((device("a"), device("b"), device("c")), links, "a", pinned=pinned)
    assert route(cluster, "a", "c").links == (0, 1)
    assert route(cluster, "c", "a").links == (2,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"devices": (), "links": ()}, "at least one device"),
        ({"devices": (bare("a"), bare("a"))}, "names repeat: a"),
        ({"relays": ("a", "p")}, "node names repeat: a"),
        ({"links": (link("ap"), link("bp"), link("sp"), link("sp"))}, "names repeat: sp"),
        ({"links": (link("ap"), link("bp"), link("sp"), link("aa"))}, "'aa' must join two different nodes"),
        ({"relays": ("p", "q")}, "no path of links from 'a' to q"),
        ({"media": (Medium(name="air", bandwidth=FAST),) * 2}, "medium names repeat: air"),
        ({"media": ()}, "'ap' is on 'air', which is not one of the media"),
        ({"links": (link("ap"), link("bp"), link("sx"))}, "'sx' must join two different nodes"),
        ({"source": "p"}, "the source 'p' is not one of the devices"),
        ({"pinned": (("a", "b"),)}, "needs a link between 'a' and 'b'"),
        ({"pinned": (("a", "p"),)}, "must join two devices"),
        ({"pinned": (("a", "p", "x"),)}, "must join two devices"),
        ({"pinned": (("a",),)}, "must join two devices"),
        ({"pinned": (("a", "p", "a"),)}, "visit no node twice"),
        ({"pinned": (("a", "p", "b"), ("a", "p", "b"))}, "from 'a' to 'b' is pinned twice"),
    ],
)
def test_impossible_networks_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cell(**changes)


def test_a_link_without_a_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="'ab' needs a bandwidth or a medium"):
        link("ab", None)


@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize("periods", [100.0, 1e4, 1e9])
def test_a_message_of_many_periods_passes_over_them(periods: float, constant: bool) -> None:
    """The narrower of two traces that repeat together is one trace, whose inverse integral is a closed form."""
    wide = Trace.constant(3.0) if constant else Trace([0.0, 1.0, 3.0], [1.0, 5.0, 3.0], "loop", 4.0)
    narrow = Trace([0.0, 1.0], [4.0, 2.0], "loop", 2.0)
    both = (
        Trace([0.0, 1.0], [3.0, 2.0], "loop", 2.0)
        if constant
        else Trace([0.0, 1.0, 2.0, 3.0], [1.0, 2.0, 4.0, 2.0], "loop", 4.0)
    )
    route = Route((), 0.0, (0, 1), (1, 1), (wide, narrow))
    size_bytes = periods * both.integral(0.0, 4.0) + 2.5
    for start_s in (0.0, 0.7, 1234.5):
        assert route.reach(start_s, size_bytes) == pytest.approx(both.reach(start_s, size_bytes), rel=1e-12)

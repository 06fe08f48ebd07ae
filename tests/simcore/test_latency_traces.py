"""Latencies that change with time: a message pays what they are when it is sent."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import simpy
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import at, unexpected
from worlds import Shuffled, bare, clusters, eventful, observe, varying

from headway.simcore import (
    Cluster,
    Link,
    RunOptions,
    Scenario,
    Tcp,
    dump_scenario,
    load_scenario,
    simulate,
)
from headway.simcore.engine.network.network import network
from headway.simcore.engine.network.transport import WIRE_BYTES
from headway.traces import Trace

STEPS = Trace([0.0, 10.0, 20.0], [1.0, 5.0, 2.0], end="loop", duration=30.0)
FAST = Trace.constant(100.0)
SHARINGS = ["dedicated", "fair"]


def chain(*latencies: float | Trace) -> Cluster:
    """Devices in a row, with a link of each latency between two of them."""
    names = [f"d{i}" for i in range(len(latencies) + 1)]
    links = tuple(
        Link(name=f"l{i}", ends=(names[i], names[i + 1]), bandwidth=FAST, latency_s=latency, overhead_s=0.5)
        for i, latency in enumerate(latencies)
    )
    return Cluster(tuple(map(bare, names)), links, names[0])


def arrivals(cluster: Cluster, sharing: str, *sends: float, transport: Any = "ideal") -> dict[float, float]:
    """When messages of 100 bytes from end to end arrive that are sent at these moments, in order of arrival."""
    env = simpy.Environment()
    net = network(env, cluster, sharing, transport)
    arrived: dict[float, float] = {}

    def send() -> None:
        net.send(
            0, len(cluster.devices) - 1, 100.0, lambda one: arrived.update({one.sent_s: env.now}), unexpected
        )

    for moment in sends:
        at(env, moment, send)
    env.run()
    return arrived


@pytest.mark.parametrize("sharing", SHARINGS)
def test_a_message_pays_the_latencies_of_the_moment_at_which_it_is_sent(sharing: str) -> None:
    """One second of bytes, half a second of overhead per link, and the latencies of two links at that moment."""
    sends = (0.0, 9.0, 10.0, 40.0)
    paid = {0.0: 1.0, 9.0: 1.0, 10.0: 5.0, 40.0: 5.0}
    assert arrivals(chain(STEPS, 2.0), sharing, *sends) == pytest.approx(
        {sent: sent + paid[sent] + 2.0 + 1.0 + 1.0 for sent in sends}
    )


@pytest.mark.parametrize("sharing", SHARINGS)
def test_a_message_may_overtake_another_that_was_sent_when_the_latency_was_higher(sharing: str) -> None:
    assert list(arrivals(chain(STEPS), sharing, 19.0, 20.5)) == [20.5, 19.0]


def test_a_handshake_takes_the_round_trip_of_the_moment() -> None:
    """Under TCP a first message waits for a round trip, both ways as they are when it is sent, then pays one way."""
    bytes_s = WIRE_BYTES / 1448
    for sent, latency_s in ((0.0, 1.0), (10.0, 5.0)):
        took = arrivals(chain(STEPS), "dedicated", sent, transport=Tcp())[sent] - sent
        assert took == pytest.approx(3 * (latency_s + 0.5) + bytes_s)


def test_policies_see_the_latency_of_the_window_before() -> None:
    cluster = chain(STEPS, 2.0)
    assert cluster.latencies(10.0, 0.0)[0] == pytest.approx([0.0, 5.5, 8.0])
    assert cluster.latencies(12.0, 4.0)[0] == pytest.approx([0.0, 3.5, 6.0])
    assert (cluster.latencies(12.0, 4.0) == cluster.latencies(12.0, 4.0).T).all()


def test_routes_follow_the_means_and_do_not_change() -> None:
    """The mean of one round counts, 2.67 s, whatever the latency is at first; a direct link of 2.6 s is shorter."""
    detour = chain(STEPS, 0.0)
    for direct_s, links in ((2.6, 1), (3.7, 2)):
        direct = Link(name="direct", ends=("d0", "d2"), bandwidth=FAST, latency_s=direct_s, overhead_s=0.5)
        route = replace(detour, links=(*detour.links, direct)).routes[0][2]
        assert route is not None
        assert len(route.links) == links


@given(clusters(most=4, steady=True), st.sampled_from(SHARINGS), st.integers(0, 99))
@settings(max_examples=10, deadline=None)
def test_a_trace_that_never_changes_is_a_number(cluster: Cluster, sharing: str, seed: int) -> None:
    def constant(link: Link) -> Trace:
        assert not isinstance(link.latency_s, Trace)
        return Trace([0.0, 1.0], [link.latency_s, link.latency_s])

    links = tuple(replace(link, latency_s=constant(link)) for link in cluster.links)
    again = replace(cluster, links=links)
    assert again.links == cluster.links
    assert [[route and route.latency_at(seed) for route in row] for row in again.routes] == [
        [route and route.latency_s for route in row] for row in cluster.routes
    ]


@given(eventful(), st.data())
@settings(max_examples=15, deadline=None)
def test_worlds_with_varying_latencies_keep_every_law(scenario: Scenario, data: st.DataObject) -> None:
    links = tuple(replace(link, latency_s=data.draw(varying(0.0, 0.05))) for link in scenario.cluster.links)
    cluster = replace(scenario.cluster, links=links)
    simulate(replace(scenario, cluster=cluster), Shuffled(1), RunOptions(audit=True))


@pytest.mark.parametrize("end", ["hold", "loop"])
def test_a_scenario_with_latency_traces_is_written_and_read_again(end: Any, tmp_path: Path) -> None:
    trace = Trace([0.0, 1.0], [1e-3, 2e-3], end=end, duration=None if end == "hold" else 3.0)
    document = yaml.safe_load(SCENARIO) | {"description": "x"}
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(document))
    scenario = load_scenario(tmp_path / "a.yaml")
    links = (replace(scenario.cluster.links[0], latency_s=trace),)
    scenario = replace(scenario, cluster=replace(scenario.cluster, links=links))
    (tmp_path / "b.yaml").write_text(dump_scenario(scenario))
    (link,) = load_scenario(tmp_path / "b.yaml").cluster.links
    assert isinstance(link.latency_s, Trace)
    assert (link.latency_s.times.tolist(), link.latency_s.values.tolist()) == ([0.0, 1.0], [1e-3, 2e-3])
    assert (link.latency_s.end, link.latency_s.duration) == (trace.end, trace.duration)


# Scenario files

SCENARIO = """
model: {shape: {layers: 1, width: 8, heads: 2}}
devices:
  a: {memory: 1 GB, compute: 1 GFLOP/s, memory_bandwidth: unlimited}
  b: {memory: 1 GB, compute: 1 GFLOP/s, memory_bandwidth: unlimited}
links: {wire: {connect: all, bandwidth: 1 MB/s}}
workload: [{prompt: 1, output: 2}]
"""


def loaded(folder: Path, latency: object, *, topology: bool = False, changes: tuple[str, ...] = ()) -> Link:
    document = yaml.safe_load(SCENARIO)
    if topology:
        del document["links"]
        document["topology"] = {"lan": {"kind": "mesh", "bandwidth": "1 MB/s", "latency": latency}}
    else:
        document["links"]["wire"]["latency"] = latency
    (folder / "s.yaml").write_text(yaml.safe_dump(document))
    return load_scenario(folder / "s.yaml", changes=changes).cluster.links[0]


@pytest.mark.parametrize("topology", [False, True])
def test_recorded_round_trips_become_the_latency_of_one_way(topology: bool, tmp_path: Path) -> None:
    (tmp_path / "rtt.csv").write_text("time [s],rtt [ms]\n0,20\n1,30\n")
    link = loaded(tmp_path, {"file": "rtt.csv", "scale": 0.5}, topology=topology)
    assert isinstance(link.latency_s, Trace)
    assert link.latency_s.values.tolist() == pytest.approx([10e-3, 15e-3])


def test_latencies_are_steps_or_synthetic_and_can_be_changed(tmp_path: Path) -> None:
    steps = {"steps": [["0 s", "1 ms"], ["2 s", "3 ms"]]}
    doubled = loaded(tmp_path, steps, changes=("links.wire.latency*2",))
    assert isinstance(doubled.latency_s, Trace)
    assert doubled.latency_s.values.tolist() == [2e-3, 6e-3]
    assert loaded(tmp_path, steps, changes=("links.wire.latency=7 ms",)).latency_s == 7e-3
    walk = {"walk_mean": "5 ms", "sigma": 0.3, "step": "1 s", "duration": "8 s"}
    for topology in (False, True):
        drawn = loaded(tmp_path, walk, topology=topology).latency_s
        assert isinstance(drawn, Trace)
        assert len(set(drawn.values.tolist())) == 8


def test_a_latency_that_ends_is_refused_in_python_too() -> None:
    with pytest.raises(ValueError, match="must hold or loop"):
        chain(Trace([0.0], [1.0], end="zero", duration=2.0))


def test_observations_have_the_latency(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SCENARIO)
    scenario = load_scenario(tmp_path / "s.yaml")
    links = (replace(scenario.cluster.links[0], latency_s=STEPS),)
    scenario = replace(scenario, cluster=replace(scenario.cluster, links=links))
    # The second before the beginning is the last one of a round.
    assert observe(scenario).latency_s.tolist() == [[0.0, 2.0], [2.0, 0.0]]

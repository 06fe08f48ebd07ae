"""Messages that share the airtime of Wi-Fi cells: closed forms, exact fractions, and whole runs."""

import math
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import simpy
from flowcases import exact_ends, filled, level
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import at, unexpected
from typer.testing import CliRunner
from worlds import Shuffled, observe, reals, scenarios, varied, varying

from headway.analysis.cli import app
from headway.simcore import (
    AuditError,
    Cluster,
    Device,
    Link,
    Medium,
    RunOptions,
    Scenario,
    Tcp,
    load_scenario,
    shipped_scenario,
    simulate,
)
from headway.simcore.engine.network.flow import Flow
from headway.simcore.engine.network.network import SHARING_RULES, network
from headway.simcore.world.airtime import Frame
from headway.traces import Trace

FREE = Frame(overhead_s=0.0)
Profile = Sequence[tuple[float, float]]
"""Pairs of a time, the first 0, and the rate from then on."""


@dataclass(frozen=True)
class Message:
    """Bytes between two devices, by their names, that are sent at a moment."""

    sender: str
    receiver: str
    size_bytes: float = 1e6
    sent_s: float = 0.0


def trace(profile: Profile) -> Trace:
    return Trace([time for time, _ in profile], [rate for _, rate in profile])


def cell(
    stations: Sequence[Profile | None],
    *,
    medium: Profile = ((0.0, 1e9),),
    frame: Frame = FREE,
    cable: Profile = ((0.0, 1e12),),
    nic_up: float | None = None,
) -> Cluster:
    """Stations d0, d1, ... around an access point, with links of these PHY rates, and a server on its cable.

    A station without a rate has that of the medium.
    """
    names = [f"d{i}" for i in range(len(stations))]
    limit = None if nic_up is None else Trace.constant(nic_up)
    radio = [
        Link(name=name, ends=(name, "ap"), bandwidth=None if rates is None else trace(rates), medium="air")
        for name, rates in zip(names, stations, strict=True)
    ]
    devices = [Device(name=name, memory_bytes=1.0, flops=1.0, nic_up=limit) for name in names]
    return Cluster(
        devices=(*devices, Device(name="server", memory_bytes=1.0, flops=1.0)),
        links=(*radio, Link(name="cable", ends=("ap", "server"), bandwidth=trace(cable))),
        source="server",
        relays=("ap",),
        media=(Medium(name="air", bandwidth=trace(medium), frame=frame),),
    )


def ends(cluster: Cluster, messages: Sequence[Message], sharing: str = "airtime") -> list[float]:
    """When messages arrive."""
    env = simpy.Environment()
    net = network(env, cluster, sharing)
    arrivals = [math.nan] * len(messages)

    def arrive(number: int, _: object) -> None:
        arrivals[number] = env.now

    def send(number: int, message: Message) -> None:
        sender, receiver = cluster.names.index(message.sender), cluster.names.index(message.receiver)
        net.send(sender, receiver, message.size_bytes, partial(arrive, number), unexpected)

    for number, message in enumerate(messages):
        at(env, message.sent_s, partial(send, number, message))
    env.run()
    return arrivals


# Closed forms


@pytest.mark.parametrize("rates", [(54e6, 1e6), (54e6, 11e6, 1e6), (1e6, 1e6), (11e6,) * 5])
def test_every_station_gets_what_the_slowest_leaves(rates: Sequence[float]) -> None:
    """The anomaly of Heusse et al.: N stations that send all the time have 1 / (1/r_1 + ... + 1/r_N) each."""
    cluster = cell([((0.0, rate),) for rate in rates])
    messages = [Message(f"d{i}", "server") for i in range(len(rates))]
    each = 1.0 / sum(1.0 / rate for rate in rates)
    assert ends(cluster, messages) == pytest.approx([1e6 / each] * len(rates), rel=1e-12)


def test_a_frame_costs_airtime_whatever_its_rate() -> None:
    """1500 bytes at 54 Mbit/s take 222 us and 98 us beside them: 37.5 of 54 Mbit/s are left."""
    cluster = cell([((0.0, 54e6 / 8),)], frame=Frame())
    (end_s,) = ends(cluster, [Message("d0", "server")])
    assert end_s == pytest.approx(1e6 / 1500.0 * (1500.0 * 8 / 54e6 + 98e-6), rel=1e-12)
    assert 8e6 / end_s == pytest.approx(37.5e6, rel=1e-2)


def test_a_message_between_two_stations_takes_the_airtime_of_both_hops() -> None:
    frame = Frame(size_bytes=1000.0, overhead_s=1e-3)
    cluster = cell([((0.0, 4e6),), ((0.0, 1e6),)], frame=frame)
    per_byte = 1 / 4e6 + 1 / 1e6 + 2 * 1e-3 / 1000.0
    assert ends(cluster, [Message("d0", "d1")]) == pytest.approx([1e6 * per_byte], rel=1e-12)


def test_what_the_cable_keeps_back_is_airtime_for_others() -> None:
    """Max-min over all that is on the way: d0 cannot use more than its interface, d1 takes what is left."""
    cluster = cell([((0.0, 4e6),), ((0.0, 2e6),)])
    slow = replace(
        cluster, devices=(replace(cluster.devices[0], nic_up=Trace.constant(1e6)), *cluster.devices[1:])
    )
    # A quarter of the airtime is that of d0, and three quarters of 2e6 bytes/s are left.
    assert ends(slow, [Message("d0", "server"), Message("d1", "server", 1.5e6)]) == pytest.approx([1.0, 1.0])


def test_a_dead_link_stalls_its_station_only() -> None:
    cluster = cell([((0.0, 0.0), (5.0, 1e6)), ((0.0, 1e6),)])
    assert ends(cluster, [Message("d0", "server"), Message("d1", "server")]) == pytest.approx([6.0, 1.0])


def test_a_dead_medium_stalls_all() -> None:
    cluster = cell([((0.0, 2e6),), None], medium=((0.0, 0.0), (5.0, 2e6)))
    assert ends(cluster, [Message("d0", "server"), Message("d1", "server")]) == pytest.approx([6.0, 6.0])


def test_rates_change_exactly_at_breakpoints() -> None:
    """Two stations at 2e6 have 1e6 each; from 0.5 s on d0 has 0.5e6, and both 0.4e6, until d1 has sent all."""
    cluster = cell([((0.0, 2e6), (0.5, 0.5e6)), ((0.0, 2e6),)])
    both_s = 0.5 + 0.5e6 / 0.4e6
    assert ends(cluster, [Message("d0", "server", 1.5e6), Message("d1", "server")]) == pytest.approx(
        [both_s + 0.5e6 / 0.5e6, both_s], rel=1e-12
    )


def test_a_long_message_alone_passes_over_whole_periods() -> None:
    times, rates = np.arange(0.0, 3.0), [1e6, 0.0, 3e6]
    cluster = cell([((0.0, 1e6),)])
    looping = Trace(times, rates, end="loop", duration=3.0)
    cluster = replace(cluster, links=(replace(cluster.links[0], bandwidth=looping), *cluster.links[1:]))
    assert ends(cluster, [Message("d0", "server", 4e6 * 5000)]) == pytest.approx([15000.0], rel=1e-12)


# Against others


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_where_all_rates_are_the_same_airtime_is_fair(data: st.DataObject) -> None:
    rate = data.draw(st.sampled_from([1e5, 1e6, 3e6]))
    profile = data.draw(st.sampled_from([((0.0, rate),), ((0.0, rate), (0.7, rate / 3.0), (1.9, rate))]))
    stations = [data.draw(st.sampled_from([None, profile])) for _ in range(3)]
    cluster = cell(
        stations, medium=profile, cable=((0.0, data.draw(st.sampled_from([2e5, 1e12]))),), nic_up=4e5
    )
    messages = data.draw(crowds(3))
    np.testing.assert_allclose(ends(cluster, messages), ends(cluster, messages, "fair"), rtol=1e-9)


def crowds(stations: int, most: int = 8) -> st.SearchStrategy[list[Message]]:
    """Messages between any two devices that begin at a few moments."""
    names = st.sampled_from([*(f"d{i}" for i in range(stations)), "server"])
    pairs = st.tuples(names, names).filter(lambda both: both[0] != both[1])
    message = st.builds(
        lambda pair, size, sent: Message(pair[0], pair[1], size, sent),
        pairs,
        st.sampled_from([1e5, 5e5, 1e6]),
        st.sampled_from([0.0, 0.5, 0.75]),
    )
    return st.lists(message, min_size=1, max_size=most)


@st.composite
def profiles(draw: st.DrawFn, *rates: float) -> Profile:
    """Up to three changes among these rates and 0; from 4 s on something flows."""
    changes = draw(
        st.lists(st.tuples(st.sampled_from([0.5, 1.0, 2.0]), st.sampled_from([0.0, *rates])), max_size=3)
    )
    return [
        (0.0, draw(st.sampled_from(rates))),
        *sorted(dict(changes).items()),
        (4.0, draw(st.sampled_from(rates))),
    ]


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_every_message_ends_when_exact_fractions_say(data: st.DataObject) -> None:
    stations = data.draw(st.lists(profiles(131072.0, 720896.0, 7077888.0), min_size=1, max_size=4))
    medium = data.draw(st.one_of(st.just([(0.0, 1e9)]), profiles(524288.0, 7077888.0)))
    cable = data.draw(profiles(262144.0, 16777216.0))
    frame = data.draw(st.sampled_from([FREE, Frame(1024.0, 0.0001220703125)]))
    messages = data.draw(crowds(len(stations)))
    found = ends(cell(stations, medium=medium, cable=cable, frame=frame), messages)
    np.testing.assert_allclose(found, exact(stations, medium, cable, frame, messages), rtol=1e-9)


def exact(
    stations: Sequence[Profile], medium: Profile, cable: Profile, frame: Frame, messages: Sequence[Message]
) -> list[float]:
    """When messages arrive, by the definition: from event to event, all rates anew."""
    frame_s = Fraction(frame.overhead_s) / Fraction(frame.size_bytes)

    def path(message: Message, now: Fraction) -> dict[str, Fraction] | None:
        """What a byte takes of each resource; None while nothing flows."""
        taken = {}
        hops = [name for name in (message.sender, message.receiver) if name != "server"]
        phy_rates = [min(level(stations[int(name[1:])], now), level(medium, now)) for name in hops]
        if not all(phy_rates):
            return None
        taken["air"] = sum((1 / rate + frame_s for rate in phy_rates), Fraction(0))
        if message.sender == "server":
            taken["down"] = Fraction(1)
        if message.receiver == "server":
            taken["up"] = Fraction(1)
        return taken

    def rates(now: Fraction, moving: list[int]) -> list[Fraction]:
        paths = {number: taken for number in moving if (taken := path(messages[number], now)) is not None}
        capacity = {"air": Fraction(1), "up": level(cable, now), "down": level(cable, now)}
        shares = dict(zip(paths, filled(capacity, list(paths.values())), strict=True))
        return [shares.get(number, Fraction(0)) for number in moving]

    changes = {Fraction(time) for profile in (*stations, medium, cable) for time, _ in profile}
    begin = [Fraction(message.sent_s) for message in messages]
    return exact_ends(begin, [Fraction(message.size_bytes) for message in messages], changes, rates)


# Whole runs


@st.composite
def airy(draw: st.DrawFn) -> Scenario:
    """Worlds in a cell whose rates change, under either transport."""
    count = draw(st.integers(1, 4))
    plain = cell([None] * count, medium=((0.0, 1e7),), frame=draw(st.sampled_from([FREE, Frame()])))
    devices = tuple(
        replace(device, memory_bytes=1e15, flops=draw(reals(1e8, 1e10)), disk_bandwidth=1e8)
        for device in plain.devices
    )
    links = tuple(
        replace(link, bandwidth=draw(st.one_of(st.just(link.bandwidth), varying(1e5, 2e7))), latency_s=1e-3)
        for link in plain.links
    )
    cluster = replace(plain, devices=devices, links=links)
    scenario = draw(scenarios(cluster=st.just(cluster), requests=2, most_shards=3, sharing="airtime"))
    return varied(
        scenario,
        transport=draw(st.sampled_from(["ideal", Tcp(connection="persistent")])),
        migration=draw(st.sampled_from(["blocking", "live"])),
    )


@given(airy(), st.integers(0, 100))
@settings(max_examples=15, deadline=None)
def test_sound_runs_pass_the_audit(scenario: Scenario, seed: int) -> None:
    simulate(scenario, Shuffled(seed), options=RunOptions(audit=True))


def wifi_cell(*changes: str) -> Scenario:
    return load_scenario(shipped_scenario("wifi-cell"), changes=["network.sharing=airtime", *changes])


def shortened(scenario: Scenario) -> Scenario:
    return replace(scenario, requests=(replace(scenario.requests[0], output=2),))


def test_the_audit_finds_more_airtime_in_use_than_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    take = Flow.take_airtime

    def cheaply(self: Flow, resource: int, now: float) -> tuple[float, float]:
        airtime, change = take(self, resource, now)
        self.path[self.route.resources.index(resource)] = resource, airtime / 2.0
        return airtime / 2.0, change

    monkeypatch.setattr(Flow, "take_airtime", cheaply)
    with pytest.raises(AuditError, match="airtime of medium 'air'"):
        simulate(shortened(wifi_cell()), Shuffled(1), options=RunOptions(audit=True))


def test_policies_see_the_rate_of_a_message_alone() -> None:
    frame = Frame(size_bytes=1000.0, overhead_s=1e-3)
    scenario = wifi_cell()
    devices = tuple(replace(device, memory_bytes=1e12) for device in cell([None, None]).devices)
    cluster = replace(cell([((0.0, 4e6),), ((0.0, 1e6),)], frame=frame, cable=((0.0, 2e5),)), devices=devices)
    rate = observe(replace(scenario, cluster=cluster)).rate
    assert rate[0, 1] == rate[1, 0] == pytest.approx(1 / (1 / 4e6 + 1 / 1e6 + 2e-6))
    assert rate[0, 2] == 2e5
    assert observe(varied(scenario, cluster=cluster, sharing="fair")).rate[0, 1] == 1e6


def test_the_shipped_cell_loses_what_frames_cost() -> None:
    """8 MB/s twice, and 98 us per frame of 1500 bytes twice: a message has half of 52.3 of 80 Mbit/s."""
    rate = 0.5 / (1 / 1e7 + 98e-6 / 1500)
    assert wifi_cell().cluster.by_airtime.rates(0.0, 0.0)[0, 1] == pytest.approx(rate)
    free = wifi_cell("media.air.frame.overhead=0 s")
    results = [simulate(shortened(one), Shuffled(1)) for one in (free, varied(free, sharing="fair"))]
    one, other = (result.tokens["latency_s"].to_numpy() for result in results)
    np.testing.assert_allclose(one, other, rtol=1e-9)


@pytest.mark.parametrize("command", ["explain", "timeline"])
def test_runs_can_be_looked_into(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home.yaml").write_text("""
model: {shape: {layers: 1, width: 64, heads: 2}}
devices: {pi: {count: 2, memory: 1 GB, compute: 1 GFLOP/s, memory_bandwidth: unlimited}}
relays: [ap]
media: {air: {bandwidth: 8 Mbit/s}}
links:
  near: {connect: [[pi-1, ap]], medium: air}
  far: {connect: [[pi-2, ap]], medium: air, bandwidth: {steps: [[0 s, 0 Mbit/s], [1 s, 1 Mbit/s]]}}
network: {sharing: airtime}
workload: [{prompt: 1, output: 2}]
policies: [round-robin]
""")
    done = CliRunner().invoke(app, [command, "home.yaml"], catch_exceptions=False)
    assert done.exit_code == 0
    if command == "explain":
        assert "airtime of medium" in done.output
        assert "rate 0 for" in done.output


# Files and objects


def test_frames_are_read(tmp_path: Path) -> None:
    path = tmp_path / "home.yaml"
    path.write_text("""
model: {shape: {layers: 1, width: 8, heads: 2}}
devices: {pi: {count: 3, memory: 1 GB, compute: 1 GFLOP/s, memory_bandwidth: unlimited}}
media: {air: {bandwidth: 80 Mbit/s, frame: {size: 1 kB, overhead: 20 us}}}
topology:
  home:
    {kind: cells, cells: [[pi-1], [pi-2]], bandwidth: 8 Mbit/s, frame: {overhead: 0 s}, backbone: {bandwidth: 1 Gbit/s}}
links: {radio: {connect: [[pi-3, home]], medium: air}}
network: {sharing: airtime}
workload: [{prompt: 1, output: 1}]
""")
    media = {medium.name: medium.frame for medium in load_scenario(path).cluster.media}
    assert media == {"air": Frame(1000.0, 20e-6), "home-1": FREE, "home-2": FREE}


@pytest.mark.parametrize("frame", [(0.0, 0.0), (math.inf, 0.0), (1500.0, -1e-6), (1500.0, math.nan)])
def test_frames_in_python_are_checked(frame: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="a frame needs"):
        Frame(*frame)


def test_rules_of_sharing_can_be_sent_to_other_processes() -> None:
    for name in ("airtime", "dedicated", "fair"):
        rule = SHARING_RULES.find(name)
        assert pickle.loads(pickle.dumps(rule)) == rule

"""Flows on shared links with their completion times: a file format, and an independent slow solver for it.

A case is a JSON object with

- `links`: by name, `bandwidth_Bps`, `latency_s`, and `profile`, null or pairs of a time and the bandwidth from then on;
- `routes`: by "a-b" (a < b, host numbers), the names of the links on the way, used in both directions: links are
  half-duplex;
- `flows`: `src`, `dst`, `start_s`, `bytes`, `cancel_s` if it is taken off its way then, unless it has ended; and
  `finish_s`, the answer.

A flow waits for the latencies of its links, then moves; at every moment rates are max-min fair.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import simpy
from simulated import at, unexpected

from headway.simcore import Cluster, Device, Link, Medium
from headway.simcore.engine.network.network import Network, network
from headway.simcore.engine.network.transfer import Transfer
from headway.traces import Trace

Case = dict[str, Any]

MakeNetwork: TypeAlias = Callable[[simpy.Environment, Cluster], Network]


def read_case(path: Path) -> Case:
    case: Case = json.loads(path.read_text())
    return case


def links_of(case: Case, flow: Case) -> list[str]:
    low, high = sorted((flow["src"], flow["dst"]))
    links: list[str] = case["routes"][f"{low}-{high}"]
    return links


def profile_of(link: Case) -> list[tuple[float, float]]:
    """Pairs of a time and the bandwidth from then on, from 0 on."""
    later = [(float(time), float(rate)) for time, rate in link["profile"] or []]
    return later if later and later[0][0] == 0.0 else [(0.0, float(link["bandwidth_Bps"])), *later]


def trace_of(link: Case) -> Trace:
    profile = profile_of(link)
    return Trace([time for time, _ in profile], [rate for _, rate in profile])


def cluster_of(case: Case) -> Cluster:
    """A cluster in which each link of the case is a medium, and each route is pinned over relays of its own."""
    latency_s = {name: link["latency_s"] for name, link in case["links"].items()}
    paths, links = [], []
    for route, names in case["routes"].items():
        relays = [f"{route}.{i}" for i in range(1, len(names))]
        path = [route.partition("-")[0], *relays, route.partition("-")[2]]
        paths.append(tuple(path))
        links += [
            Link(name=f"{a}~{b}", ends=(a, b), medium=name, latency_s=latency_s[name])
            for name, (a, b) in zip(names, pairwise(path), strict=True)
        ]
    hosts = dict.fromkeys(host for path in paths for host in (path[0], path[-1]))
    return Cluster(
        tuple(Device(name=host, memory_bytes=0.0, flops=1.0) for host in hosts),
        tuple(links),
        next(iter(hosts)),
        relays=tuple(relay for path in paths for relay in path[1:-1]),
        media=tuple(Medium(name=name, bandwidth=trace_of(link)) for name, link in case["links"].items()),
        pinned=tuple(paths),
    )


def fair(env: simpy.Environment, cluster: Cluster) -> Network:
    """The network in which messages share their resources."""
    return network(env, cluster, "fair")


def simulated(case: Case, make: MakeNetwork = fair) -> list[float]:
    """When each flow ends, by a network; nan for those that are cancelled before."""
    env, cluster = simpy.Environment(), cluster_of(case)
    net = make(env, cluster)
    ends = [math.nan] * len(case["flows"])

    def send(i: int) -> None:
        flow = case["flows"][i]
        sender, receiver = (cluster.names.index(str(flow[end])) for end in ("src", "dst"))
        transfer = net.send(sender, receiver, flow["bytes"], partial(end, i), unexpected)
        if "cancel_s" in flow:
            at(env, flow["cancel_s"], partial(net.cancel, transfer))

    def end(i: int, _: Transfer) -> None:
        assert math.isnan(ends[i])
        ends[i] = env.now

    for i, flow in enumerate(case["flows"]):
        at(env, flow["start_s"], partial(send, i))
    env.run()
    return ends


def solved(case: Case) -> list[float]:
    """When each flow ends, in exact fractions, by the definition: from event to event, all rates anew.

    nan for those that are cancelled before.
    """
    flows = case["flows"]
    paths = [dict.fromkeys(links_of(case, flow), Fraction(1)) for flow in flows]
    begin = [
        Fraction(flow["start_s"]) + sum(Fraction(case["links"][name]["latency_s"]) for name in path)
        for flow, path in zip(flows, paths, strict=True)
    ]
    cancel = {i: Fraction(flow["cancel_s"]) for i, flow in enumerate(flows) if "cancel_s" in flow}
    profiles = {name: profile_of(link) for name, link in case["links"].items()}

    def rates(now: Fraction, moving: list[int]) -> list[Fraction]:
        capacity = {name: level(profile, now) for name, profile in profiles.items()}
        return filled(capacity, [paths[i] for i in moving])

    moments = {Fraction(time) for profile in profiles.values() for time, _ in profile}
    return exact_ends(begin, [Fraction(flow["bytes"]) for flow in flows], moments, rates, cancel)


def level(profile: Sequence[tuple[float, float]], now: Fraction) -> Fraction:
    """The value at a moment of a profile that begins at 0."""
    return Fraction([rate for time, rate in profile if time <= now][-1])


def exact_ends(
    begin: Sequence[Fraction],
    sizes: Sequence[Fraction],
    changes: Iterable[Fraction],
    rates_of: Callable[[Fraction, list[int]], list[Fraction]],
    cancel: Mapping[int, Fraction] = MappingProxyType({}),
) -> list[float]:
    """When each flow ends; nan for those that are cancelled before.

    Args:
        begin: of each flow, when it starts to move.
        sizes: of each flow.
        changes: all moments at which rates change while the same flows move.
        rates_of: the rates of some flows, which are those that move at a moment.
        cancel: when flows are cancelled, by their numbers.
    """
    left = list(sizes)
    end: list[Fraction | None] = [None] * len(left)
    moments = {*changes, *begin, *cancel.values()}
    now = Fraction(0)
    while there := [i for i in range(len(left)) if end[i] is None and (i not in cancel or cancel[i] > now)]:
        moving = [i for i in there if begin[i] <= now]
        rates = rates_of(now, moving)
        through = [now + left[i] / rate for i, rate in zip(moving, rates, strict=True) if rate > 0]
        until = min([*through, *(moment for moment in moments if moment > now)])
        for i, rate in zip(moving, rates, strict=True):
            left[i] -= rate * (until - now)
            if left[i] == 0:
                end[i] = until
        now = until
    return [math.nan if time is None else float(time) for time in end]


def filled(capacity: Mapping[str, Fraction], paths: Sequence[Mapping[str, Fraction]]) -> list[Fraction]:
    """Max-min fair rates by the bottleneck algorithm: again and again, serve the flows of the scarcest resource.

    Args:
        capacity: by resource.
        paths: for each flow, what a unit of its rate takes of each resource on its way.
    """
    rates: dict[int, Fraction] = {}
    while len(rates) < len(paths):
        shares = {}
        for name, whole in capacity.items():
            open_ = sum(path[name] for i, path in enumerate(paths) if name in path and i not in rates)
            taken = sum(rates[i] * path[name] for i, path in enumerate(paths) if name in path and i in rates)
            if open_:
                shares[name] = (whole - taken) / open_
        scarcest = min(shares, key=lambda name: shares[name])
        rates |= {i: shares[scarcest] for i, path in enumerate(paths) if scarcest in path and i not in rates}
    return [rates[i] for i in range(len(paths))]

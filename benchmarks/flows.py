"""(f) Flows that share links, beside the simplest progressive filling."""

import statistics
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Any, TypeAlias

import numpy as np
import simpy

from benchmarks.measure import Effort, Figures, clock, median_of, seconds_of
from benchmarks.simplest_filling import SimplestNetwork
from benchmarks.workloads import Workload, compiled_end_s
from headway.simcore import Cluster, Device, GraphBuilder, Kind, Link, Payload
from headway.simcore.engine.compiled.world import CompiledWorld
from headway.simcore.engine.events import Load
from headway.simcore.engine.network.network import sent
from headway.traces import Trace

_RATE = 12.5e6
_MEAN_BYTES = 1e6


@dataclass(frozen=True)
class Message:
    """A message of a benchmark: indices of devices, and its size [bytes]."""

    sender: int
    receiver: int
    size_bytes: float


Chain: TypeAlias = list[Message]
"""Messages of which each is sent when the one before it has arrived."""

Rounds: TypeAlias = list[list[Chain]]
"""Chains that run at the same time; a round starts when all chains of the round before it have ended.

Without rounds, errors of rounding would grow by a factor of ten in about 100 flows, and two correct networks would soon
disagree about the end. The flows of a round are too few for that.
"""


def flows(effort: Effort) -> Figures:
    """(f) Flows between random hosts of a star of 20 hosts, beside the simplest filling; other topologies."""
    shapes = {  # flows in flight: rounds, and messages of each chain
        10: effort.choose((100, 20), (8, 20), (2, 2)),
        100: effort.choose((4, 10), (1, 10), (2, 2)),
        1000: effort.choose((1, 10), (1, 2), (2, 2)),
    }
    cluster = star(20)
    figures: Figures = {
        str(in_flight): beside_simplest(
            cluster, messages(20, rounds, effort.choose(in_flight, in_flight, 10), length), effort
        )
        for in_flight, (rounds, length) in shapes.items()
    }
    budget_s = effort.choose(1.0, 0.05, 0.001)
    sizes = effort.choose((10, 100, 1000, 10_000), (10, 100, 1000), (10,))
    hosts = effort.choose(64, 64, 8)
    for name, topology in (("star", star(hosts)), ("mesh", mesh(hosts)), ("tree", tree(hosts, children=4))):
        figures[name] = {
            str(in_flight): {
                "flows_per_s": median_of(effort.repeats, _rate_of(topology, in_flight, budget_s))
            }
            for in_flight in sizes
        }
    return figures


def beside_simplest(cluster: Cluster, rounds: Rounds, effort: Effort) -> Figures:
    """Flows per second and the last arrival.

    With a SimPy process that waits for each flow, under Headway's kernels and under the simplest filling; and of the
    same flows as one graph inside the compiled executor.
    """
    cluster.routes  # noqa: B018 (computed once per cluster, not once per run)
    workload = as_graph(cluster, rounds)
    runs: dict[str, Callable[[], float]] = {
        "": lambda: end_s(cluster, rounds),
        "simplest_": lambda: simplest_end_s(cluster, rounds),
        "compiled_": lambda: compiled_end_s(workload),
    }
    figures: Figures = {"flows": workload.ends}
    for name, run in runs.items():
        untimed_s = None if name == "simplest_" else seconds_of(run)
        measured = [clock(run) for _ in range(effort.repeats)]
        seconds = statistics.median(spent_s for spent_s, _ in measured)
        figures[f"{name}flows_per_s"] = workload.ends / seconds
        figures[f"{name}end_s"] = measured[0][1]
        if untimed_s is not None:
            figures[f"{name}compile_s"] = max(untimed_s - seconds, 0.0)
    return figures


def messages(hosts: int, rounds: int, chains: int, length: int, seed: int = 2) -> Rounds:
    """Messages between random hosts, with exponentially distributed sizes."""
    random, count = np.random.default_rng(seed), rounds * chains * length
    senders = random.integers(0, hosts, count)
    receivers = (senders + random.integers(1, hosts, count)) % hosts
    sizes = random.exponential(_MEAN_BYTES, count)
    one = iter(map(Message, senders.tolist(), receivers.tolist(), sizes.tolist()))
    return [[[next(one) for _ in range(length)] for _ in range(chains)] for _ in range(rounds)]


Send: TypeAlias = Callable[[Message], Generator[simpy.Event, Any, object]]
"""Sends a message and waits for its arrival."""


def end_s(cluster: Cluster, rounds: Rounds) -> float:
    """The last arrival under fair sharing; a SimPy process waits for each message [s]."""
    env = simpy.Environment()
    net = CompiledWorld(env, cluster)
    return _last_arrival_s(env, rounds, lambda one: sent(env, net, one.sender, one.receiver, one.size_bytes))


def simplest_end_s(cluster: Cluster, rounds: Rounds) -> float:
    """The same under the simplest filling [s]."""
    env = simpy.Environment()
    net = SimplestNetwork(env, [resource.bandwidth.value(0.0) for resource in cluster.resources])
    paths = [[() if route is None else route.resources for route in row] for row in cluster.routes]

    def send(one: Message) -> Generator[simpy.Event, Any, None]:
        yield net.send(paths[one.sender][one.receiver], one.size_bytes)

    return _last_arrival_s(env, rounds, send)


def _last_arrival_s(env: simpy.Environment, rounds: Rounds, send: Send) -> float:
    def chain(waiting: Chain) -> Generator[simpy.Event, Any, None]:
        for one in waiting:
            yield from send(one)

    for chains in rounds:
        env.run(env.all_of([env.process(chain(waiting)) for waiting in chains]))
    return float(env.now)


def as_graph(cluster: Cluster, rounds: Rounds) -> Workload:
    """The same messages as nodes of one step graph, for executors of graphs."""
    builder, sizes = GraphBuilder(), list[float]()
    barrier: list[int] = []
    for number, chains in enumerate(rounds):
        ends = []
        for waiting in chains:
            before = barrier
            for one in waiting:
                ends_of, place = (one.sender, one.receiver), {"layer": 0, "stage": number}
                before = [builder.message(*ends_of, Payload.HIDDEN, kind=Kind.HEAD, after=before, **place)]
                sizes.append(one.size_bytes)
            ends += before
        barrier = [builder.join(0, layer=0, stage=number, after=ends)]
        sizes.append(0.0)
    graph = builder.graph()
    nothing = [0.0] * len(graph)
    return Workload(cluster, [(0.0, graph, Load(nothing, nothing, sizes))])


def _rate_of(cluster: Cluster, in_flight: int, budget_s: float) -> Callable[[], float]:
    """A measurement of flows per second over about `budget_s` seconds of wall time, with so many flows in flight."""
    cluster.routes  # noqa: B018 (computed once per cluster, not once per run)

    def rate() -> float:
        env = simpy.Environment()
        net = CompiledWorld(env, cluster)
        arrived = 0

        def chain(pool: Iterator[Message]) -> Generator[simpy.Event, Any, None]:
            nonlocal arrived
            for one in pool:
                yield from sent(env, net, one.sender, one.receiver, one.size_bytes)
                arrived += 1

        [[waiting]] = messages(len(cluster.devices), 1, 1, 20_000)
        pool = cycle(waiting)
        for _ in range(in_flight):
            env.process(chain(pool))
        while not arrived:  # the first shares of all flows
            env.step()
        arrived, start_s = 0, time.perf_counter()
        while (spent_s := time.perf_counter() - start_s) < budget_s or not arrived:
            env.step()
        return arrived / spent_s

    return rate


def star(hosts: int) -> Cluster:
    """Hosts around a switch, without latency."""
    return _cluster(hosts, [(f"d{i}", "switch") for i in range(hosts)], ["switch"])


def mesh(hosts: int) -> Cluster:
    """Hosts with a link between every two of them."""
    return _cluster(hosts, [(f"d{i}", f"d{j}") for j in range(hosts) for i in range(j)], [])


def tree(hosts: int, children: int) -> Cluster:
    """A tree of switches with hosts at its leaves."""
    level, links, switches = [f"d{i}" for i in range(hosts)], list[tuple[str, str]](), list[str]()
    while len(level) > 1:
        parents = [f"s{len(switches) + i}" for i in range(-(-len(level) // children))]
        links += [(node, parents[i // children]) for i, node in enumerate(level)]
        switches += parents
        level = parents
    return _cluster(hosts, links, switches)


def _cluster(hosts: int, ends: list[tuple[str, str]], relays: list[str]) -> Cluster:
    """A cluster in which every link has a constant rate, the same in each direction."""
    random = np.random.default_rng(1)
    devices = tuple(Device(name=f"d{i}", memory_bytes=1.0, flops=1.0) for i in range(hosts))
    links = tuple(
        Link(name=f"{a}-{b}", ends=(a, b), bandwidth=Trace.constant(_RATE * random.uniform(0.5, 1.5)))
        for a, b in ends
    )
    return Cluster(devices, links, "d0", relays=tuple(relays))

"""How fast flows are shared, beside bare SimPy on the same machine in the same run.

    python benchmarks/flows.py [--flows N] [--repeat N]

Fifty devices around a switch, each with an interface that limits it and a link whose rate changes every second;
messages between random pairs, a fixed number of them under way at any time. Prints the wall time, flows per second and
the ratio to bare SimPy timeouts, for 10, 100 and 1,000 at once under fair sharing, and for one at a time under both.
"""

import argparse
import time
from collections.abc import Generator

import numpy as np
import simpy

from headway.simcore import Cluster, Device, Link
from headway.simcore.engine.network.network import network
from headway.simcore.engine.network.transfer import Transfer
from headway.simcore.errors import RunEndedError
from headway.traces import Trace

NODES = 50
BARE_EVENTS = 300_000


def star(seed: int = 1) -> Cluster:
    """Devices around a switch, with links that vary."""
    random = np.random.default_rng(seed)

    def varying(rate: float) -> Trace:
        return Trace(np.arange(60.0), rate * random.uniform(0.5, 1.5, 60), end="loop", duration=60.0)

    devices = tuple(
        Device(name=f"d{i}", memory_bytes=1.0, flops=1.0, nic_up=Trace.constant(125e6)) for i in range(NODES)
    )
    links = tuple(
        Link(name=f"l{i}", ends=(f"d{i}", "switch"), bandwidth=varying(12.5e6), latency_s=1e-3)
        for i in range(NODES)
    )
    return Cluster(devices, links, "d0", relays=("switch",))


def carry(cluster: Cluster, sharing: str, flows: int, at_once: int) -> float:
    """Wall time [s] in which so many flows are carried, so many at once."""
    random = np.random.default_rng(2)
    starts = random.integers(0, NODES, flows)
    ends = (starts + random.integers(1, NODES, flows)) % NODES
    todo = iter(zip(starts.tolist(), ends.tolist(), random.exponential(1e6, flows).tolist(), strict=True))
    env = simpy.Environment()
    carrier = network(env, cluster, sharing)

    def send_next(_: Transfer | None = None) -> None:
        message = next(todo, None)
        if message is not None:
            carrier.send(*message, send_next, fail)

    def fail(error: RunEndedError) -> None:
        raise error

    for _ in range(at_once):
        send_next()
    begun = time.perf_counter()
    env.run()
    return time.perf_counter() - begun


def bare_simpy() -> float:
    """Events per second of one process that does nothing but wait."""
    env = simpy.Environment()

    def wait() -> Generator[simpy.Event, None, None]:
        for _ in range(BARE_EVENTS):
            yield env.timeout(1.0)

    env.process(wait())
    begun = time.perf_counter()
    env.run()
    return BARE_EVENTS / (time.perf_counter() - begun)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--flows", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=1)
    options = parser.parse_args()
    cluster = star()
    cluster.routes  # noqa: B018 (routes are found once per cluster, not once per run)
    bare = max(bare_simpy() for _ in range(options.repeat))
    print(f"bare SimPy timeouts: {bare / 1e6:.2f} M events/s")
    cases: list[tuple[str, int]] = [
        ("dedicated", 1),
        ("fair", 1),
        ("fair", 10),
        ("fair", 100),
        ("fair", 1000),
    ]
    for sharing, at_once in cases:
        spent = min(carry(cluster, sharing, options.flows, at_once) for _ in range(options.repeat))
        rate = options.flows / spent
        print(
            f"{sharing}, {at_once} at once: {options.flows} flows in {spent:.1f} s, {rate:.0f} flows/s "
            f"(a flow costs {bare / rate:.0f} bare events)"
        )


if __name__ == "__main__":
    main()

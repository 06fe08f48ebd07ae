"""How fast Headway simulates, beside bare SimPy on the same machine in the same run.

    python benchmarks/speed.py [--repeat N]

Prints, for each case, the median of N runs (after one that does not count): simulated tokens per second of wall time,
events per second, and that rate as a share of what bare SimPy timeouts reach in one process.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Generator
from dataclasses import replace
from unittest import mock

import numpy as np
import simpy

from headway import policies
from headway.simcore import (
    BlockOptions,
    Cluster,
    Device,
    Link,
    PaperCost,
    Request,
    Scenario,
    load_scenario,
    preset,
    shipped_scenario,
    simulate,
)
from headway.traces import Trace

BARE_EVENTS = 300_000


def paper_world(devices: int = 25, tokens: int = 1000, seed: int = 1) -> Scenario:
    """One layer of 32 heads, a device-to-device mesh of 1-10 Gbit/s, 5-50 GFLOP/s, replanned at every token.

    Background load changes once a second on every device, so that there is something to replan for.
    """
    random = np.random.default_rng(seed)
    model = preset("paper-32x2048")
    machines = tuple(
        Device(
            name=f"d{i}",
            memory_bytes=random.uniform(2e9, 8e9),
            flops=random.uniform(5e9, 50e9),
            availability=Trace(np.arange(60.0), random.uniform(0.3, 1.0, 60), end="loop", duration=60.0),
        )
        for i in range(devices)
    )
    links = tuple(
        Link(
            name=f"d{i}-d{j}",
            ends=(f"d{i}", f"d{j}"),
            bandwidth=Trace.constant(random.uniform(1e9, 10e9) / 8),
            latency_s=1e-3,
        )
        for j in range(devices)
        for i in range(j)
    )
    return Scenario(
        name="paper-25",
        model=model,
        cost=PaperCost(model),
        cluster=Cluster(machines, links, "d0"),
        requests=(Request(prompt=64, output=tokens),),
        blocks=BlockOptions(embed=False, lm_head=False),
    )


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


def measure(scenario: Scenario, policy: str) -> tuple[float, float, float]:
    """Tokens and events per second of wall time, and the policy's share of the time."""
    scenario.cluster.routes  # noqa: B018 (routes are found once per cluster, not once per run)
    counted = count_events(lambda: simulate(scenario, policies.create(policy)))
    begun = time.perf_counter()
    result = simulate(scenario, policies.create(policy))
    spent = time.perf_counter() - begun
    deciding = float(result.timings.decision_wall_s.sum())
    return len(result.tokens) / spent, counted / spent, deciding / spent


def count_events(run: Callable[[], object]) -> int:
    """How many events SimPy processes during `run`."""
    count = 0
    step = simpy.Environment.step

    def counting(self: simpy.Environment) -> None:
        nonlocal count
        count += 1
        step(self)

    with mock.patch.object(simpy.Environment, "step", counting):
        run()
    return count


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args().repeat
    home = load_scenario(shipped_scenario("home-cluster"))
    cases = [
        ("25 devices x 32 heads, 1000 tokens", paper_world(), "resource-aware"),
        ("25 devices x 32 heads, fixed placement", paper_world(), "static"),
        ("home-cluster", home, "resource-aware"),
        ("home-cluster, 1000 tokens", replace(home, requests=(Request(prompt=64, output=1000),)), "static"),
    ]
    bare = statistics.median(bare_simpy() for _ in range(repeat))
    print(f"bare SimPy timeouts: {bare / 1e6:.2f} M events/s")
    for label, scenario, policy in cases:
        measure(scenario, policy)
        tokens, events, deciding = (
            statistics.median(column)
            for column in zip(*(measure(scenario, policy) for _ in range(repeat)), strict=True)
        )
        print(
            f"{label}, {policy}: {tokens:.0f} tokens/s, {events / 1e3:.0f} k events/s "
            f"({events / bare:.0%} of bare SimPy), {deciding:.0%} of the time in the policy"
        )


if __name__ == "__main__":
    main()

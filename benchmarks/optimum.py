"""How long the optimum takes to find: python -m benchmarks.optimum [--repeat N] [--time-limit SECONDS].

The search (`exact`) solves models of one layer, the programme (`exact-milp`) small models of several layers. Prints a
table for docs/policies.md: for each size, the median and the largest wall time over N random worlds of the paper's
kind, replanned for one token; half of them have a random placement in force.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from headway.policies.optimal import exact, exact_milp
from headway.policies.optimal.solution import Solution
from headway.simcore import (
    Kind,
    ModelSpec,
    Observation,
    PaperCost,
    Roofline,
    Step,
    block_table,
    one_sequence,
    preset,
)
from headway.simcore.steps.patterns import PATTERNS
from headway.simcore.steps.step_graphs import StepGraphs

SIZES = (
    ("exact", 1, 5, 8),
    ("exact", 1, 25, 32),
    ("exact", 1, 100, 64),
    ("exact-milp", 1, 5, 8),
    ("exact-milp", 8, 2, 8),
    ("exact-milp", 32, 2, 8),
    ("exact-milp", 4, 3, 8),
    ("exact-milp", 8, 3, 8),
    ("exact-milp", 4, 4, 8),
    ("exact-milp", 4, 5, 8),
)
"""Policy, layers, devices and heads per layer."""

Solver: TypeAlias = Callable[[Observation], Solution]


def paper_instant(devices: int, model: ModelSpec, seed: int) -> Observation:
    """A mesh of 1-10 Gbit/s and 5-50 GFLOP/s, with log-normal memory for twice the model.

    Worlds with odd seeds have a random placement in force.
    """
    random = np.random.default_rng(seed)
    cost, blocks = PaperCost(model), block_table(model, embed=False, lm_head=False)
    graphs = StepGraphs(PATTERNS.find(cost.projection), blocks)
    step, before = cost.step(one_sequence(64, 200)), cost.step(one_sequence(64, 199))
    memory = step.memory_bytes[blocks.kind]
    available = random.lognormal(0.0, 0.5, devices)
    available *= 2.0 * memory.sum() / available.sum()
    rate = random.uniform(1e9, 10e9, (devices, devices)) / 8.0
    rate = np.minimum(rate, rate.T)
    np.fill_diagonal(rate, np.inf)
    flops = random.uniform(5e9, 50e9, devices)
    return Observation(
        time_s=0.0,
        request=0,
        generated=200,
        blocks=blocks,
        step_graphs=graphs,
        device_time=Roofline(),
        device_names=tuple(f"d{i}" for i in range(devices)),
        source=0,
        capacity_bytes=available,
        available_bytes=available,
        reserved_bytes=np.zeros(len(available)),
        flops=flops,
        memory_bandwidth=np.full(devices, 10e9),
        kv_bandwidth=np.full(devices, 10e9),
        overhead_s=np.zeros(devices),
        sync_s=np.zeros(devices),
        disk_bandwidth=np.zeros(devices),
        availability=random.uniform(0.3, 1.0, devices),
        rate=rate,
        latency_s=1e-3 * (1.0 - np.eye(devices)),
        steps=(Step(step, 1),),
        memory_bytes=memory,
        moving_bytes=before.memory_bytes[blocks.kind],
        load_seconds=np.zeros((len(Kind), devices)),
        up=np.ones(devices, dtype=np.bool_),
        lost=np.zeros(len(blocks), dtype=np.bool_),
        placement=random.integers(0, devices, len(blocks)) if seed % 2 else None,
        overflow="fail",
        swap="pinned",
        migration="blocking",
    )


def measure(solve: Solver, worlds: list[Observation]) -> tuple[list[float], list[Solution]]:
    """Wall time of each world, and what was found."""
    seconds, found = [], []
    for observation in worlds:
        begun = time.perf_counter()
        found.append(solve(observation))
        seconds.append(time.perf_counter() - begun)
    return seconds, found


def spread(seconds: list[float]) -> str:
    """Median and largest wall time [s]."""
    return f"{statistics.median(seconds):.3f} | {max(seconds):.3f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeat", type=int, default=6)
    parser.add_argument("--time-limit", type=float, default=30.0)
    given = parser.parse_args()
    print(
        "| policy | layers | devices | heads | median [s] | largest [s] | proven |\n|---|---|---|---|---|---|---|"
    )
    for name, layers, devices, heads in SIZES:
        model = preset("paper-8x512")
        model = replace(model, layers=layers, heads=heads, kv_heads=heads, head_size=model.width // heads)
        worlds = [paper_instant(devices, model, seed) for seed in range(given.repeat)]

        def solved(observation: Observation, name: str = name) -> Solution:
            if name == "exact":
                return exact.solve(observation)
            return exact_milp.solve(observation, given.time_limit)

        seconds, found = measure(solved, worlds)
        proven = sum(one.gap <= 1e-8 for one in found)
        size = f"{layers} | {devices} | {heads}"
        print(f"| `{name}` | {size} | {spread(seconds)} | {proven} of {len(found)} |", flush=True)


if __name__ == "__main__":
    main()

"""How long the optimum takes to find: the exact search, beside the integer programme on the same instances.

    python benchmarks/optimum.py [--repeat N] [--time-limit SECONDS]

Prints, for each size, the median and the 95th percentile of the wall time over N random worlds of the paper's kind,
each with a placement in force and replanned for one token; and how often the programme proved its optimum in time.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from headway.policies.optimal import exact, exact_milp
from headway.policies.optimal.single_layer import Solution
from headway.simcore import Observation, PaperCost, Roofline, Step, block_table, one_sequence, preset
from headway.simcore.steps.patterns import PATTERNS
from headway.simcore.steps.step_graphs import StepGraphs

LARGEST_PROGRAMME = 25
"""Devices beyond which the programme is left out: it has some D^2 binary variables."""

Solver: TypeAlias = Callable[[Observation], Solution]


def paper_instant(devices: int, model_name: str, seed: int, *, settled: bool) -> Observation:
    """One layer on a mesh of 1-10 Gbit/s and 5-50 GFLOP/s, with log-normal memory for twice the model.

    The placement in force is the optimum for other background loads (`settled`), else a random one.
    """
    random = np.random.default_rng(seed)
    model = preset(model_name)
    cost, blocks = PaperCost(model), block_table(model, embed=False, lm_head=False)
    graphs = StepGraphs(PATTERNS.find(cost.projection), blocks)
    step, before = cost.step(one_sequence(64, 200)), cost.step(one_sequence(64, 199))
    memory = step.memory_bytes[blocks.kind]
    available = random.lognormal(0.0, 0.5, devices)
    available *= 2.0 * memory.sum() / available.sum()
    rate = random.uniform(1e9, 10e9, (devices, devices)) / 8.0
    rate = np.minimum(rate, rate.T)
    np.fill_diagonal(rate, np.inf)

    def instant(placement: np.ndarray) -> Observation:
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
            overhead_s=np.zeros(devices),
            disk_bandwidth=np.zeros(devices),
            availability=random.uniform(0.3, 1.0, devices),
            rate=rate,
            latency_s=1e-3 * (1.0 - np.eye(devices)),
            steps=(Step(step, 1),),
            memory_bytes=memory,
            moving_bytes=before.memory_bytes[blocks.kind],
            load_seconds=np.zeros((5, devices)),
            up=np.ones(devices, dtype=np.bool_),
            lost=np.zeros(len(blocks), dtype=np.bool_),
            placement=placement,
            overflow="fail",
            swap="pinned",
            migration="blocking",
        )

    flops = random.uniform(5e9, 50e9, devices)
    observation = instant(random.integers(0, devices, len(blocks)))
    if not settled:
        return observation
    found = exact.solve(observation).devices
    return observation if found is None else instant(found)


def measure(solve: Solver, worlds: list[Observation]) -> tuple[list[float], list[Solution]]:
    """Wall time of each world, and what was found."""
    seconds, found = [], []
    for observation in worlds:
        begun = time.perf_counter()
        found.append(solve(observation))
        seconds.append(time.perf_counter() - begun)
    return seconds, found


def spread(seconds: list[float]) -> str:
    """Median and 95th percentile in words."""
    late = float(np.quantile(seconds, 0.95))
    return f"median {statistics.median(seconds) * 1e3:.1f} ms, p95 {late * 1e3:.1f} ms"


def agreement(best: list[Solution], found: list[Solution]) -> str:
    """How many of the programme's answers are proven, and that none of those differs from the search's."""
    pairs = [(one, other) for one, other in zip(best, found, strict=True) if other.status == "optimal"]
    worst = max((abs(other.objective_s / one.objective_s - 1.0) for one, other in pairs), default=0.0)
    return f"{len(pairs)} of {len(found)} proven, differing by at most {worst:.0e}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeat", type=int, default=40)
    parser.add_argument("--time-limit", type=float, default=10.0)
    given = parser.parse_args()
    for devices, heads, name in (
        (5, 8, "paper-8x512"),
        (25, 32, "paper-32x2048"),
        (100, 64, "paper-64x4096"),
    ):
        for settled in (False, True):
            worlds = [paper_instant(devices, name, seed, settled=settled) for seed in range(given.repeat)]
            label = (
                f"{devices} devices x {heads} heads, {'settled' if settled else 'random'} placement in force"
            )
            seconds, best = measure(exact.solve, worlds)
            fitting = sum(one.devices is not None for one in best)
            print(f"{label}: exact {spread(seconds)} ({fitting} of {len(best)} feasible)")
            if devices > LARGEST_PROGRAMME:
                continue
            few = worlds if devices < LARGEST_PROGRAMME else worlds[:10]
            seconds, found = measure(lambda observation: exact_milp.solve(observation, given.time_limit), few)
            print(f"    exact-milp {spread(seconds)} ({agreement(best[: len(few)], found)})")


if __name__ == "__main__":
    main()

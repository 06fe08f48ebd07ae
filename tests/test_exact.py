"""The optimum: brute force, the integer programme and the exact search agree, and nobody is better."""

from itertools import product

import numpy as np
import pytest

from policies import exact, exact_milp
from policies.onelayer import Solution
from simcore import (
    DecodeCost,
    IntArray,
    ModelSpec,
    Observation,
    PaperCost,
    block_table,
    predict,
    preset,
)
from simcore.observe import Step


def world(
    seed: int,
    *,
    devices: tuple[int, int],
    heads: tuple[int, int],
    share: tuple[float, float] = (0.1, 1.1),
    placed: bool | None = None,
    faults: bool = True,
) -> Observation:
    """A random instant of a world like the paper's: a mesh of 1-10 Gbit/s, 5-50 GFLOP/s, log-normal memory.

    The model takes `share` of all memory; `placed` says whether a random placement is in force (None: by chance).
    Every other world has latencies and overheads, one in six has dead links and devices that are down.
    """
    random = np.random.default_rng(seed)
    count, head_count = (int(random.integers(low, high + 1)) for low, high in (devices, heads))
    model = _model(random, head_count)
    cost = PaperCost(model) if random.random() < 0.5 else DecodeCost(model)
    blocks = block_table(model, embed=random.random() < 0.4, lm_head=random.random() < 0.4)
    prompt, generated = int(random.integers(1, 200)), int(random.integers(0, 3) * random.integers(1, 300))
    steps = [Step(cost.step(prompt, generated), 1)]
    if random.random() < 0.4:
        steps.append(Step(cost.step(prompt, generated + 4), int(random.integers(1, 20))))
    memory = cost.step(prompt, generated + 8).memory_bytes[blocks.kind]
    available = random.lognormal(0.0, 0.5, count)
    available *= memory.sum() / random.uniform(*share) / available.sum()
    rate = random.uniform(1e9, 10e9, (count, count)) / 8.0 * 10.0 ** random.uniform(-3, 1)
    rate = np.minimum(rate, rate.T)
    availability = random.uniform(0.3, 1.0, count)
    if faults and random.random() < 1 / 6:
        rate[random.random((count, count)) < 0.3] = 0.0
        availability[random.random(count) < 0.2] = 0.0
    np.fill_diagonal(rate, np.inf)
    fixed = float(random.random() < 0.5)
    latency = random.uniform(0.0, 1e-3, (count, count)) * fixed
    np.fill_diagonal(latency, 0.0)
    if placed is None:
        placed = random.random() < 0.7
    return Observation(
        time_s=0.0,
        request=0,
        generated=generated,
        blocks=blocks,
        device_names=tuple(f"d{i}" for i in range(count)),
        source=int(random.integers(count)),
        capacity_bytes=available,
        available_bytes=available,
        flops=random.uniform(5e9, 50e9, count),
        memory_bandwidth=random.uniform(5e9, 50e9, count),
        overhead_s=random.uniform(0.0, 1e-4, count) * fixed,
        disk_bandwidth=np.full(count, 1e8),
        availability=availability,
        rate=rate,
        latency_s=latency,
        steps=tuple(steps),
        memory_bytes=memory,
        moving_bytes=cost.step(prompt, max(generated - 1, 0)).memory_bytes[blocks.kind],
        placement=random.integers(0, count, len(blocks)) if placed else None,
        overflow="fail",
    )


def _model(random: np.random.Generator, heads: int) -> ModelSpec:
    base = preset(str(random.choice(["paper-8x512", "paper-16x1024", "paper-32x2048"])))
    size = base.width // heads
    return ModelSpec(
        name="random", layers=1, width=size * heads, heads=heads, kv_heads=heads, head_size=size,
        ffn_width=base.ffn_width, gated_ffn=False, vocabulary=int(random.integers(100, 30000)),
        bytes_per_weight=4.0, bytes_per_kv=4.0, bytes_per_activation=4.0,
    )  # fmt: skip


def brute_force(seen: Observation) -> float | None:
    """The least objective of all placements that fit; None if none does."""
    best: float | None = None
    for choice in product(range(seen.devices), repeat=len(seen.blocks)):
        devices: IntArray = np.array(choice)
        if predict.fits(seen, devices):
            value = predict.objective(seen, devices)
            best = value if best is None else min(best, value)
    return best


def small(seed: int) -> Observation:
    """A world with at most some thousand placements."""
    devices = seed % 4 + 1
    heads = {1: 4, 2: 5, 3: 3, 4: 2}[devices]
    return world(seed, devices=(devices, devices), heads=(1, heads))


@pytest.mark.parametrize("seed", range(4))
def test_the_programme_equals_brute_force(seed: int) -> None:
    for number in range(seed, 80, 4):
        seen = small(number)
        check(seen, brute_force(seen), exact_milp.solve(seen))


def check(seen: Observation, best: float | None, found: Solution) -> None:
    if best is None:
        assert found.devices is None
        return
    assert found.devices is not None
    assert predict.fits(seen, found.devices)
    assert predict.objective(seen, found.devices) == found.objective_s
    assert found.objective_s == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("start", range(4))
def test_the_search_equals_brute_force(start: int) -> None:
    for number in range(start, 400, 4):
        seen = small(number)
        check(seen, brute_force(seen), exact.solve(seen))

"""The optimum of one layer: brute force, the programme and the search agree, and no policy is better."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from worlds import clusters, scenarios, varied

from headway import policies
from headway.policies.optimal import exact, exact_milp, solution
from headway.policies.optimal.exact import Exact
from headway.policies.optimal.exact_milp import ExactMilp
from headway.policies.optimal.solution import Solution
from headway.simcore import (
    BlockTable,
    CostModel,
    Decision,
    DecodeCost,
    Infeasible,
    IntArray,
    Keep,
    ModelSpec,
    Observation,
    PaperCost,
    Placement,
    Policy,
    Roofline,
    Scenario,
    Step,
    block_table,
    predict,
    preset,
    simulate,
)
from headway.simcore.steps.patterns import PATTERNS
from headway.simcore.steps.step_graphs import StepGraphs
from headway.simcore.world.batch import one_sequence


def graphs(cost: CostModel, blocks: BlockTable) -> StepGraphs:
    """Of the pattern that a scenario with this cost model has."""
    return StepGraphs(PATTERNS.find(cost.projection), blocks)


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
    Two in five are the beginning of a longer interval, the prefill and the tokens after it, which other devices may be
    good at. Every other world has latencies and overheads, one in six has dead links and devices that are down.
    """
    random = np.random.default_rng(seed)
    count, head_count = (int(random.integers(low, high + 1)) for low, high in (devices, heads))
    model = _model(random, head_count)
    kind = PaperCost if random.random() < 0.5 else DecodeCost
    cost = kind(model, projection="sharded" if seed % 7 > 4 else "gathered")
    blocks = block_table(model, embed=random.random() < 0.4, lm_head=random.random() < 0.4)
    prompt, generated = int(random.integers(1, 200)), int(random.integers(0, 3) * random.integers(1, 300))
    steps = [Step(cost.step(one_sequence(prompt, generated)), 1)]
    if random.random() < 0.4:
        generated = 0
        steps = [
            Step(cost.step(one_sequence(prompt, 0)), 1),
            Step(cost.step(one_sequence(prompt, 4)), int(random.integers(1, 20))),
        ]
    memory = cost.step(one_sequence(prompt, generated + 8)).memory_bytes[blocks.kind]
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
        step_graphs=graphs(cost, blocks),
        device_time=Roofline(),
        device_names=tuple(f"d{i}" for i in range(count)),
        source=int(random.integers(count)),
        capacity_bytes=available,
        available_bytes=available,
        reserved_bytes=np.zeros(len(available)),
        flops=random.uniform(5e9, 50e9, count),
        memory_bandwidth=random.uniform(5e9, 50e9, count),
        kv_bandwidth=np.full(count, 10e9),
        overhead_s=random.uniform(0.0, 1e-4, count) * fixed,
        sync_s=np.zeros(count),
        disk_bandwidth=np.full(count, 1e8),
        availability=availability,
        rate=rate,
        latency_s=latency,
        steps=tuple(steps),
        memory_bytes=memory,
        moving_bytes=cost.step(one_sequence(prompt, max(generated - 1, 0))).memory_bytes[blocks.kind],
        load_seconds=np.zeros((5, count)),
        up=np.ones(count, dtype=np.bool_),
        lost=np.zeros(len(blocks), dtype=np.bool_),
        placement=random.integers(0, count, len(blocks)) if placed else None,
        overflow="fail",
        swap="pinned",
        migration="blocking",
    )


def _model(random: np.random.Generator, heads: int) -> ModelSpec:
    base = preset(str(random.choice(["paper-8x512", "paper-16x1024", "paper-32x2048"])))
    size = base.width // heads
    return ModelSpec(
        name="random", layers=1, width=size * heads, heads=heads, kv_heads=heads, head_size=size,
        ffn_width=base.ffn_width, gated_ffn=False, vocabulary=int(random.integers(100, 30000)),
        bytes_per_weight=4.0, bytes_per_kv=4.0, bytes_per_activation=4.0,
    )  # fmt: skip


def brute_force(observation: Observation) -> float | None:
    """The least objective of all placements that fit; None if none does."""
    best: float | None = None
    fits = solution.fits if observation.overflow == "swap" else predict.fits
    for choice in product(range(observation.devices), repeat=len(observation.blocks)):
        devices: IntArray = np.array(choice)
        if fits(observation, devices):
            value = predict.objective(observation, devices)
            best = value if best is None else min(best, value)
    return best


def small(seed: int) -> Observation:
    """A world with some thousand placements at most.

    In one of three, devices have the memory that some placement needs, give or take a byte.
    """
    devices = seed % 4 + 1
    heads = {1: 4, 2: 5, 3: 3, 4: 2}[devices]
    observation = world(seed, devices=(devices, devices), heads=(1, heads))
    if seed % 3:
        return observation
    random = np.random.default_rng(seed)
    needed = predict.held_bytes(observation, random.integers(0, devices, len(observation.blocks)))
    return replace(observation, available_bytes=np.maximum(needed + random.integers(-1, 2, devices), 0.0))


def check(observation: Observation, best: float | None, found: Solution) -> None:
    if best is None:
        assert found.devices is None
        return
    assert found.devices is not None
    assert solution.fits(observation, found.devices)
    assert predict.objective(observation, found.devices) == found.objective_s
    assert found.objective_s == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("start", range(4))
def test_the_search_equals_brute_force(start: int) -> None:
    for number in range(start, 320, 4):
        observation = small(number)
        check(observation, brute_force(observation), exact.solve(observation))


def harsh(seed: int) -> Observation:
    """A world with a placement in force, where some devices lack memory, one is down, or no device has a link."""
    observation = world(seed, devices=(2, 3), heads=(1, 4), share=(0.1, 0.8), placed=True)
    assert observation.placement is not None
    random = np.random.default_rng(seed)
    if seed % 3 == 0:
        before = predict.held_bytes(observation, observation.placement)
        room = before + predict.held_bytes(
            observation, random.integers(0, observation.devices, len(observation.blocks))
        )
        room = np.maximum(
            room * random.choice([0.5, 1.0], observation.devices)
            + random.integers(-1, 2, observation.devices),
            0.0,
        )
        observation = replace(observation, available_bytes=room)
    if seed % 4 == 1:
        up = np.arange(observation.devices) != (observation.source + 1) % observation.devices
        observation = replace(
            observation,
            up=up,
            lost=~up[observation.placement],
            available_bytes=np.where(up, observation.available_bytes, 0.0),
            availability=np.where(up, observation.availability, 0.0),
        )
    if seed % 8 == 1:
        # Without links nothing takes a finite time, and memory alone decides.
        observation = replace(
            observation, rate=np.where(np.eye(observation.devices, dtype=bool), np.inf, 0.0)
        )
    return observation


@pytest.mark.parametrize("start", range(4))
def test_the_search_equals_brute_force_where_devices_lack_memory_or_are_down(start: int) -> None:
    for number in range(start, 120, 4):
        observation = harsh(number)
        check(observation, brute_force(observation), exact.solve(observation))


@pytest.mark.parametrize("start", range(4))
def test_the_programme_equals_brute_force_where_devices_lack_memory_or_are_down(start: int) -> None:
    for number in range(120 + start, 160, 4):
        observation = harsh(number)
        check(observation, brute_force(observation), exact_milp.solve(observation))


def unlike(seed: int) -> Observation:
    """The beginning of an interval in which the prefill and the tokens after it suit quite different devices."""
    random = np.random.default_rng(seed)
    observation = world(seed, devices=(2, 3), heads=(3, 5), share=(0.1, 0.7), faults=False)
    cost = DecodeCost(_model(random, observation.blocks.heads.shape[1]))
    blocks, count = block_table(cost.model, embed=False, lm_head=False), observation.devices
    size = cost.step(one_sequence(40, 8)).memory_bytes[blocks.kind]
    return replace(
        observation,
        blocks=blocks,
        step_graphs=graphs(cost, blocks),
        steps=(
            Step(cost.step(one_sequence(40, 0)), 1),
            Step(cost.step(one_sequence(40, 4)), int(random.integers(1, 12))),
        ),
        memory_bytes=size,
        moving_bytes=size * float(random.choice([1e-3, 1e-2])),
        lost=np.zeros(len(blocks), dtype=np.bool_),
        memory_bandwidth=random.uniform(1e9, 1e11, count),
        flops=random.uniform(5e9, 5e11, count),
        rate=observation.rate * 10.0,
        available_bytes=observation.available_bytes * size.sum() / observation.memory_bytes.sum(),
        placement=random.integers(0, count, len(blocks)) if random.random() < 0.7 else None,
    )


def test_the_search_equals_brute_force_where_each_step_has_a_slowest_branch_of_its_own() -> None:
    for number in range(60):
        observation = unlike(number)
        check(observation, brute_force(observation), exact.solve(observation))


def check_programme(numbers: Iterable[int]) -> None:
    for number in numbers:
        observation = world(number, devices=(2, 6), heads=(2, 12), placed=number % 5 > 0)
        found = exact.solve(observation)
        programme = exact_milp.solve(observation)
        check(observation, None if found.devices is None else found.objective_s, programme)
        assert programme.gap <= 1e-8 or programme.devices is None
        assert programme.status in {"optimal", solution.NO_PLACEMENT}


@pytest.mark.slow
@pytest.mark.parametrize("start", range(4))
def test_the_search_equals_the_programme(start: int) -> None:
    check_programme(range(start, 60, 4))


def test_a_feasible_programme_that_presolving_calls_infeasible() -> None:
    check_programme([463])


@pytest.mark.slow
@pytest.mark.parametrize("start", range(60, 660, 60))
def test_the_search_equals_the_programme_in_many_worlds(start: int) -> None:
    check_programme(range(start, start + 60))


def test_under_swap_nothing_is_swapped_to_the_last_byte() -> None:
    """Also where a placement that needs swapping would be faster; staying where blocks are is always allowed."""
    for number in range(20):
        observation = replace(small(number), overflow="swap")
        found = exact.solve(observation)
        check(observation, brute_force(observation), found)
        check(observation, brute_force(observation), exact_milp.solve(observation))
        decision = Exact().decide(observation)
        if isinstance(decision, Keep):
            assert observation.placement is not None
            assert predict.horizon_delay(observation, observation.placement) <= found.objective_s


def taken(observation: Observation, decision: Decision) -> IntArray | None:
    """The placement after a decision, if there is one that fits."""
    if isinstance(decision, Infeasible):
        return None
    devices = observation.placement if isinstance(decision, Keep) else decision.devices
    assert devices is not None
    return devices if predict.fits(observation, devices) else None


@pytest.mark.parametrize("name", [name for name in policies.names() if not name.startswith("exact")])
def test_no_policy_is_better(name: str) -> None:
    """In worlds of up to 12 devices and 16 heads, as `predict` says, with serial moves, which `exact` assumes."""
    for number in range(150):
        observation = world(number, devices=(1, 12), heads=(1, 16))
        assert observation.moves == "serial"
        best = taken(observation, Exact().decide(observation))
        other = taken(observation, policies.create(name).decide(observation))
        if other is not None:
            assert best is not None
            assert predict.objective(observation, best) <= predict.objective(observation, other) * (
                1.0 + 1e-9
            )


@given(scenario=scenarios(cluster=clusters(most=6)))
@settings(max_examples=15, deadline=None)
def test_no_policy_makes_the_first_token_sooner(scenario: Scenario) -> None:
    """In the event simulation of a steady world, replanned at every token."""
    model = replace(scenario.model, layers=1)
    cost = replace(scenario.cost, model=model)  # type: ignore[type-var]
    scenario = varied(scenario, model=model, cost=cost, interval=1, horizon="interval", moves="serial")
    scenario = replace(scenario, placement=np.zeros(len(scenario.block_table), dtype=np.int64))
    first = simulate(scenario, Exact()).tokens.latency_s[0]
    for name in policies.names():
        assert first <= simulate(scenario, policies.create(name)).tokens.latency_s[0] * (1.0 + 1e-9)


@pytest.mark.parametrize("policy", [Exact(), ExactMilp()])
def test_decides_to_stay_exactly_when_nothing_is_better(policy: Policy) -> None:
    kept = 0
    for number in range(40):
        observation = world(number, devices=(1, 4), heads=(1, 6), share=(0.1, 0.8), placed=True)
        best = exact.solve(observation)
        if best.devices is not None:
            # Where the blocks are is the optimum for some of these worlds, and for others not.
            observation = replace(observation, placement=best.devices) if number % 2 else observation
        assert observation.placement is not None
        decision = policy.decide(observation)
        after = taken(observation, decision)
        assert (after is None) == (best.devices is None)
        if isinstance(decision, Placement) and predict.fits(observation, observation.placement):
            assert predict.objective(observation, decision.devices) < predict.horizon_delay(
                observation, observation.placement
            )
        kept += isinstance(decision, Keep)
    assert 5 <= kept <= 35


@pytest.mark.parametrize(("layers", "shards"), [(2, 1), (1, 2), (3, 2)])
def test_the_search_says_what_it_does_not_apply_to(layers: int, shards: int) -> None:
    model = replace(preset("paper-8x512"), layers=layers)
    blocks = block_table(model, embed=False, lm_head=False, ffn_shards=shards)
    size = np.zeros(len(blocks))
    observation = replace(
        small(3), blocks=blocks, step_graphs=graphs(PaperCost(model, ffn_shards=shards), blocks), memory_bytes=size,
        moving_bytes=size, placement=None,
    )  # fmt: skip
    decision = Exact().decide(observation)
    assert isinstance(decision, Infeasible)
    assert decision.reason.startswith("exact solves models")


def test_two_short_moves_replace_a_long_one() -> None:
    """A head must leave d0 and only d2 has room; over d1 both links are quick, the direct one is slow."""
    observation = world(0, devices=(3, 3), heads=(2, 2), faults=False)
    model = replace(preset("paper-8x512"), heads=2, kv_heads=2, head_size=256)
    cost, blocks = PaperCost(model), block_table(model, embed=False, lm_head=False)
    step = cost.step(one_sequence(50, 50))
    size = step.memory_bytes[blocks.kind]
    rate = np.array([[np.inf, 1e9, 1e3], [1e9, np.inf, 1e9], [1e3, 1e9, np.inf]])
    observation = replace(
        observation, blocks=blocks, steps=(Step(step, 1),), memory_bytes=size, moving_bytes=size, rate=rate, source=1,
        available_bytes=np.array([0.0, size.sum() - size[0], size[0]]), placement=np.array([0, 1, 1, 1]),
        lost=np.zeros(4, dtype=np.bool_), step_graphs=graphs(cost, blocks),
    )  # fmt: skip
    for found in (exact.solve(observation), exact_milp.solve(observation)):
        assert found.devices is not None
        assert found.devices.tolist() == [1, 2, 1, 1]


@pytest.mark.slow
@pytest.mark.parametrize("gap", [0.1, 0.5])
def test_the_reported_gap_holds(gap: float) -> None:
    for number in range(12):
        observation = world(number, devices=(3, 6), heads=(4, 12), share=(0.1, 0.7))
        best, found = exact.solve(observation).objective_s, exact_milp.solve(observation, mip_rel_gap=gap)
        if np.isfinite(best):
            assert found.gap <= gap
            assert found.objective_s * (1.0 - found.gap) <= best * (1.0 + 1e-8)
            assert best <= found.objective_s * (1.0 + 1e-9)


def test_out_of_time_the_programme_says_so() -> None:
    observation = world(7, devices=(6, 6), heads=(12, 12), share=(0.2, 0.3), faults=False)
    found = exact_milp.solve(observation, time_limit_s=1e-6)
    assert found.status == "time limit"
    assert found.gap > 0.0
    decision = ExactMilp(time_limit_s=1e-6).decide(observation)
    assert isinstance(decision, Placement | Keep) or decision.reason == "no placement found within 1e-06 s"

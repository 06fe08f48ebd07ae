"""The planners of real systems equal brute force over the plans that they may choose from."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from test_layer_policies import SEEDS, large, plan_of, runs, seconds_of, spread
from worlds import clusters, observe, placed, reals, scenarios, tight, with_memory

from headway.policies.bandwidth_proportional import BandwidthProportional
from headway.policies.common.layer_units import ends_and_layers, units
from headway.policies.common.runs_in_order import cut
from headway.policies.common.transfer_times import over_horizon
from headway.policies.galaxy import shares
from headway.policies.halda import Halda, window_sizes
from headway.policies.parallax import Parallax, fastest_order, fewest
from headway.policies.petals import Petals, balanced_starts, weakest_start
from headway.policies.ram_proportional import RamProportional
from headway.policies.sum_of_stages import SumOfStages
from headway.simcore import Infeasible, Keep, Observation, Payload, Placement, Policy, Scenario, predict

POLICIES: tuple[Policy, ...] = (
    *(RamProportional(), RamProportional(fewest=True), BandwidthProportional(), Halda(), Petals()),
    *(SumOfStages(), SumOfStages(objective="maximum"), Parallax(), Parallax(power="bandwidth")),
)


def sizes_of(observation: Observation) -> np.ndarray:
    return np.array([observation.memory_bytes[rows].sum() for rows in units(observation.blocks)])


def compositions(total: int, parts: int) -> list[tuple[int, ...]]:
    """All ways to write a total as a sum of parts that may be 0."""
    return [c for c in itertools.product(range(total + 1), repeat=parts) if sum(c) == total]


def fitting(sizes: np.ndarray, room: np.ndarray) -> list[tuple[int, ...]]:
    """The numbers of units on each device of all cuts in the order of `room` that fit."""
    ends = np.concatenate(([0.0], np.cumsum(sizes)))
    return [
        counts
        for counts in compositions(len(sizes), len(room))
        if (np.diff(ends[np.concatenate(([0], np.cumsum(counts)))]) <= room * (1 + 1e-12))[
            np.array(counts) > 0
        ].all()
    ]


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
def test_with_one_device_every_planner_agrees(policy: Policy) -> None:
    observation = observe(large(1, 3, 2, seed=0))
    assert set(placed(policy.decide(observation)).tolist()) == {0}
    small = with_memory(observation, observation.memory_bytes.sum(keepdims=True) * 0.9)
    decision = policy.decide(small)
    assert isinstance(decision, Infeasible)
    assert decision.reason


# Runs in a given order


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=5),
    st.lists(st.integers(0, 20), min_size=1, max_size=3),
    SEEDS,
)
@settings(max_examples=60, deadline=None)
def test_a_cut_is_the_cheapest_that_fits(sizes: list[int], room: list[int], seed: int) -> None:
    cost = np.random.default_rng(seed).uniform(size=(len(room), len(sizes) + 1))
    counts = cut(np.array(sizes, dtype=float), np.array(room, dtype=float), cost)
    possible = fitting(np.array(sizes, dtype=float), np.array(room, dtype=float))
    assert (counts is None) == (not possible)
    if counts is not None:
        costs = {each: sum(cost[i, n] for i, n in enumerate(each)) for each in possible}
        assert costs[tuple(counts.tolist())] == pytest.approx(min(costs.values()))


@pytest.mark.parametrize("by", ["memory", "bandwidth"])
@given(st.integers(2, 4), st.integers(2, 4), reals(0.3, 1.1), SEEDS)
@settings(max_examples=40, deadline=None)
def test_proportional_runs_are_nearest_to_the_exact_shares(
    by: str, devices: int, layers: int, share: float, seed: int
) -> None:
    observation = tight(observe(large(devices, layers, 2, seed)), share, seed)
    weight = observation.available_bytes if by == "memory" else observation.memory_bandwidth
    order = np.argsort(-weight)
    decision = (RamProportional() if by == "memory" else BandwidthProportional()).decide(observation)
    exact = len(sizes_of(observation)) * weight[order] / weight.sum()
    possible = fitting(sizes_of(observation), observation.available_bytes[order])
    assert isinstance(decision, Placement) == bool(possible)
    if isinstance(decision, Placement):
        plan = plan_of(observation, decision)
        counts = np.bincount(plan, minlength=devices)[order]
        assert plan == np.repeat(order, counts).tolist()
        least = min(((np.array(each) - exact) ** 2).sum() for each in possible)
        assert ((counts - exact) ** 2).sum() == pytest.approx(least)


@given(st.integers(1, 6), st.integers(1, 40), SEEDS)
@settings(max_examples=40, deadline=None)
def test_without_limits_the_nearest_cut_has_largest_remainders(devices: int, count: int, seed: int) -> None:
    weight = np.random.default_rng(seed).uniform(0.1, 1.0, devices)
    exact = count * weight / weight.sum()
    cost = (np.arange(count + 1) - exact[:, None]) ** 2
    found = cut(np.ones(count), np.full(devices, np.inf), cost)
    assert found is not None
    np.testing.assert_array_equal(found, shares(count, weight))


def test_ram_proportional_takes_the_fewest_devices_when_asked() -> None:
    observation = observe(large(3, 4, 2, seed=1))
    room = np.array([0.2, 0.6, 0.7]) * observation.memory_bytes.sum()
    assert set(plan_of(observation, RamProportional().decide(with_memory(observation, room)))) == {0, 1, 2}
    few = RamProportional(fewest=True)
    assert set(plan_of(observation, few.decide(with_memory(observation, room)))) == {1, 2}
    assert set(plan_of(observation, few.decide(with_memory(observation, room * 1.6)))) == {2}


def test_infinite_bandwidths_share_equally() -> None:
    observation = observe(large(3, 5, 2, seed=1))
    some = replace(observation, memory_bandwidth=np.array([np.inf, 1e9, np.inf]))
    assert np.bincount(plan_of(some, BandwidthProportional().decide(some))).tolist() == [3, 0, 3]


# Stages


def longest(observation: Observation, plan: list[int]) -> float:
    """The longest stage of a plan: computing and sending its output on; or the transfer to the first stage."""
    hop, token = over_horizon(observation, Payload.HIDDEN), over_horizon(observation, Payload.TOKEN)
    last, prompt = over_horizon(observation, Payload.LAST_HIDDEN), over_horizon(observation, Payload.PROMPT)
    parts = units(observation.blocks)
    longest_s, stage = float(prompt[observation.source, plan[0]]), 0.0
    for number, (rows, device) in enumerate(zip(parts, plan, strict=True)):
        stage += float(seconds_of(observation, rows)[device])
        following = plan[number + 1] if number + 1 < len(plan) else observation.source
        sent = token if number + 1 == len(parts) else last if number + 2 == len(parts) else hop
        if following != device or number + 1 == len(parts):
            longest_s, stage = max(longest_s, stage + float(sent[device, following])), 0.0
    return longest_s


@pytest.mark.parametrize("objective", ["sum", "maximum"])
@given(st.integers(2, 4), st.integers(2, 5), reals(0.3, 0.9), SEEDS)
@settings(max_examples=25, deadline=None)
def test_stages_are_the_best_over_subsets_order_and_cuts(
    objective: str, devices: int, layers: int, share: float, seed: int
) -> None:
    observation = tight(observe(large(devices, layers, 2, seed)), share, seed)
    decision = SumOfStages(objective=objective).decide(observation)  # type: ignore[arg-type]

    def cost(plan: list[int]) -> float:
        return (
            predict.horizon_delay(observation, spread(observation, plan))
            if objective == "sum"
            else longest(observation, plan)
        )

    sizes = sizes_of(observation)
    possible = [
        plan
        for plan in runs(len(sizes), devices)
        if (np.bincount(plan, sizes, devices) <= observation.available_bytes).all()
    ]
    assert isinstance(decision, Placement) == bool(possible)
    if isinstance(decision, Placement):
        assert cost(plan_of(observation, decision)) == pytest.approx(min(map(cost, possible)), rel=1e-9)


@pytest.mark.parametrize("objective", ["sum", "maximum"])
@given(st.integers(2, 4), st.integers(2, 5), reals(0.0, 0.9), SEEDS)
@settings(max_examples=25, deadline=None)
def test_stages_are_replaced_only_for_a_gain_and_the_first_layer_stays(
    objective: Literal["sum", "maximum"], devices: int, layers: int, gain: float, seed: int
) -> None:
    """A new plan is the best one with the first layer where it is; it counts if it gains more than the share."""
    before = observe(large(devices, layers, 2, seed))
    plans = list(runs(len(units(before.blocks)), devices))
    now = plans[seed % len(plans)]
    observation = replace(before, placement=spread(before, now))
    decision = SumOfStages(objective=objective, least_gain=gain).decide(observation)

    def cost(plan: list[int]) -> float:
        if objective == "maximum":
            return longest(observation, plan)
        return predict.horizon_delay(observation, spread(observation, plan))

    best = min(cost(plan) for plan in plans if plan[0] == now[0])
    worth = best / cost(now)
    assume(abs(worth - (1.0 - gain)) > 1e-9)
    assert isinstance(decision, Placement) == (worth < 1.0 - gain)
    if isinstance(decision, Placement):
        assert cost(plan_of(observation, decision)) == pytest.approx(best, rel=1e-9)


def test_stages_with_a_least_gain_start_from_the_pinned_placement_if_it_fits() -> None:
    observation = observe(large(2, 3, 2, seed=1))
    pinned = spread(observation, [0, 1, 1, 1][: len(units(observation.blocks))])
    policy = SumOfStages(least_gain=0.5)
    assert (placed(policy.decide(replace(observation, pinned=pinned))) == pinned).all()
    down = replace(observation, pinned=pinned, up=np.array([True, False]))
    assert set(placed(policy.decide(down)).tolist()) == {0}
    assert not (placed(SumOfStages().decide(replace(observation, pinned=pinned))) == pinned).all()


# Windows on a ring


@given(st.integers(1, 4), st.integers(1, 6), SEEDS)
@settings(max_examples=30, deadline=None)
def test_windows_have_the_least_sum_of_times(devices: int, layers: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    seconds, most = random.uniform(0.1, 9.0, devices), random.integers(0, 5, devices)
    sizes = window_sizes(seconds, most, layers)
    possible = [c for c in compositions(layers, devices) if c[0] >= 1 and (np.array(c) <= most).all()]
    assert (sizes is None) == (not possible)
    if sizes is not None:
        seconds[0] /= 1.01
        assert seconds @ sizes == pytest.approx(min(float(seconds @ np.array(c)) for c in possible))


def ring_of_three() -> Observation:
    """Six layers; the devices hold four with embedding and output head, three and two layers."""
    observation = observe(large(3, 6, 2, seed=4))
    ends, layers = ends_and_layers(observation.blocks)
    room = np.array([4.1, 3.1, 2.1]) * observation.memory_bytes[layers[0]].sum()
    room[0] += observation.memory_bytes[ends].sum()
    return with_memory(observation, room)


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_windows_repeat_in_rounds_and_the_head_device_has_the_ends(rounds: int) -> None:
    observation = ring_of_three()
    devices = placed(Halda(rounds=rounds).decide(observation))
    assert observation.blocks.embed is not None
    assert observation.blocks.lm_head is not None
    assert (
        devices[observation.blocks.embed]
        == devices[observation.blocks.lm_head]
        == devices[0]
        == observation.source
    )
    plan = [int(devices[rows[-1]]) for rows in units(observation.blocks)[:-1]]
    assert plan == plan[: 6 // rounds] * rounds
    assert predict.fits(observation, devices)


def test_one_round_is_never_slower_than_several_and_rounds_must_divide_the_layers() -> None:
    observation = ring_of_three()
    delays = [
        predict.horizon_delay(observation, placed(Halda(rounds=k).decide(observation))) for k in (1, 2, 3)
    ]
    assert delays[0] == min(delays)
    assert isinstance(Halda(rounds=4).decide(observation), Infeasible)


def test_devices_with_an_empty_window_are_left_out() -> None:
    observation = observe(large(4, 6, 2, seed=4))
    assert len(set(placed(Halda().decide(observation)).tolist())) <= 2, "the source and the fastest"


# Pipelines of the fewest devices


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_the_fewest_devices_leave_out_large_ones(capacity: list[int], needed: int) -> None:
    """Of all subsets of the least size that hold the layers, the last one in the order of decreasing capacity."""
    held = np.array(sorted(capacity, reverse=True))
    subsets = itertools.chain.from_iterable(
        itertools.combinations(range(len(held)), size) for size in range(1, len(held) + 1)
    )
    enough = [subset for subset in subsets if held[list(subset)].sum() >= needed]
    if enough:
        least = min(map(len, enough))
        best = max(subset for subset in enough if len(subset) == least)
        assert tuple(fewest(held, needed, least)) == best


@given(st.integers(2, 5), SEEDS)
@settings(max_examples=15, deadline=None)
def test_the_order_of_a_pipeline_is_the_fastest(devices: int, seed: int) -> None:
    observation = observe(large(devices, 2, 2, seed))
    hop = over_horizon(observation, Payload.HIDDEN)

    def way(order: tuple[int, ...]) -> float:
        return sum(
            float(hop[pair]) for pair in itertools.pairwise((observation.source, *order, observation.source))
        )

    chosen = np.arange(1, devices)
    found = tuple(fastest_order(observation, chosen).tolist())
    assert way(found) == pytest.approx(min(map(way, itertools.permutations(chosen.tolist()))))


@given(st.integers(2, 4), st.integers(3, 5), SEEDS)
@settings(max_examples=25, deadline=None)
def test_a_pipeline_is_filled_to_the_water_level(devices: int, layers: int, seed: int) -> None:
    """Fewest devices that fit in their fastest order, and of their cuts the one with the least sum of n^2 / power."""
    observation = observe(large(devices, layers, 2, seed))
    random = np.random.default_rng(seed)
    observation = with_memory(observation, random.uniform(0.4, 0.9, devices) * observation.memory_bytes.sum())
    decision = Parallax().decide(observation)
    assume(isinstance(decision, Placement))
    plan = plan_of(observation, decision)
    order = list(dict.fromkeys(plan))
    power = observation.flops[order]
    counts = np.bincount(plan, minlength=devices)[order]
    possible = [c for c in fitting(sizes_of(observation), observation.available_bytes[order]) if all(c)]
    least = min((np.array(c) ** 2 / power).sum() for c in possible)
    assert (counts**2 / power).sum() == pytest.approx(least)


# Ranges of servers


@given(st.lists(st.integers(0, 3), min_size=1, max_size=8), st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_a_server_joins_where_the_swarm_is_weakest(throughput: list[int], length: int) -> None:
    length = min(length, len(throughput))
    starts = range(len(throughput) - length + 1)
    best = min((sorted(throughput[i : i + length]), i) for i in starts)[1]
    assert weakest_start(np.array(throughput, dtype=float), length) == best


@given(st.lists(st.tuples(st.integers(1, 6), reals(0.1, 9.0)), min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_after_balancing_no_server_has_a_better_range_and_all_blocks_are_served(
    servers: list[tuple[int, float]],
) -> None:
    length, rate = np.array([n for n, _ in servers]), np.array([r for _, r in servers])
    blocks = 6
    starts = balanced_starts(length, rate, blocks)
    throughput = np.zeros(blocks)
    for start, size, each in zip(starts, length, rate, strict=True):
        throughput[start : start + size] += each
    assert throughput.all() == (length.sum() >= blocks)
    for start, size, each in zip(starts, length, rate, strict=True):
        without = throughput.copy()
        without[start : start + size] -= each * 1.001
        assert weakest_start(without, int(size)) == start


@given(scenarios(cluster=clusters(most=3), most_shards=1), reals(0.3, 0.9), SEEDS)
@settings(max_examples=40, deadline=None)
def test_the_path_of_a_client_is_within_memory_and_stable(
    scenario: Scenario, share: float, seed: int
) -> None:
    observation = tight(observe(scenario), share, seed)
    decision = Petals().decide(observation)
    if isinstance(decision, Placement):
        assert predict.fits(observation, decision.devices)
        assert Petals().decide(replace(observation, placement=decision.devices)) == Keep()


@given(st.integers(2, 4), st.integers(2, 4), SEEDS)
@settings(max_examples=20, deadline=None)
def test_with_ample_memory_the_path_is_the_fastest_of_all(devices: int, layers: int, seed: int) -> None:
    """Then every server has every block. A path takes the times of its servers and a hidden vector for each hop."""
    observation = observe(large(devices, layers, 2, seed))
    ends, rows = ends_and_layers(observation.blocks)
    hop_s = over_horizon(observation, Payload.HIDDEN)
    layer_s = [observation.seconds_together(each) for each in rows]

    def path_s(plan: Sequence[int]) -> float:
        hops = list(itertools.pairwise([observation.source, *plan, observation.source]))
        own_s = sum(float(of[server]) for of, server in zip(layer_s, plan, strict=True))
        return own_s + sum(float(hop_s[hop]) for hop in hops)

    chosen = placed(Petals().decide(observation))
    assert set(chosen[ends]) == {observation.source}
    best_s = min(map(path_s, itertools.product(range(devices), repeat=layers)))
    assert path_s([int(chosen[each[0]]) for each in rows]) == pytest.approx(best_s, rel=1e-9)


def test_a_swarm_moves_below_its_balance_quality_only() -> None:
    observation = observe(large(2, 6, 2, seed=2))
    ends, _ = ends_and_layers(observation.blocks)
    fast = placed(Petals().decide(observation))
    worker = next((d for d in fast.tolist() if d != observation.source), observation.source)
    slower = replace(observation, placement=fast, availability=np.where(np.arange(2) == worker, 0.9, 1.0))
    assert Petals().decide(slower) == Keep()
    other = np.full(len(fast), 1 - worker)
    other[ends] = observation.source
    now = replace(observation, placement=other)
    far = replace(
        now, flops=np.where(np.arange(2) == worker, 1e12, 1e8), memory_bandwidth=np.array([1e12, 1e12])
    )
    assert isinstance(Petals().decide(far), Placement)
    assert Petals(balance_quality=0.0).decide(far) == Keep()

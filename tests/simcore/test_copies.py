"""Laws of warm copies: a device that keeps the weights of a block receives its cache only."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import Returning, clusters, scenarios, small_world, varied, with_devices

from headway.simcore import (
    Decision,
    IntArray,
    Keep,
    Observation,
    Placement,
    Request,
    RunOptions,
    Scenario,
    predict,
    simulate,
)
from headway.simcore.engine.placement.copies import WarmCopies
from headway.traces import Trace, on_off

SEEDS = st.integers(0, 2**32 - 1)
HEAD, FFN, CACHE_PER_TOKEN = 8 * 4 * 3, 2 * 8 * 8, 2 * 4
HOME, AWAY = np.array([0, 0, 0, 0]), np.array([1, 0, 0, 0])
AUDITED = RunOptions(audit=True)


def world(*, devices: int = 2, up: Trace | None = None, **changes: Any) -> Scenario:
    """Equal devices, links of 100 bytes/s between all pairs; the last may be away; blocks head0, head1, proj, ffn."""
    names = "abc"[:devices]
    away = {} if up is None else {names[-1]: up}
    changes = {"requests": (Request(prompt=2, output=6),)} | changes
    return small_world(names, device={"disk_bandwidth": 40.0}, up=away, **changes)


class Copying:
    """Returns placements one after another, the first one with copies; keeps the last one."""

    name = "copying"

    def __init__(self, placements: Sequence[IntArray], pairs: Sequence[tuple[int, int]] = ()) -> None:
        self._placements = list(placements)
        self._pairs = pairs
        self.observations: list[Observation] = []

    def decide(self, observation: Observation) -> Decision:
        self.observations.append(observation)
        if not self._placements:
            return Keep()
        copies = np.zeros((len(observation.blocks), observation.devices), dtype=np.bool_)
        for block, device in self._pairs:
            copies[block, device] = True
        return Placement(self._placements.pop(0), copies)


@pytest.mark.parametrize("migration", ["blocking", "live"])
def test_a_block_that_comes_back_sends_its_cache_only(migration: str) -> None:
    output = Request(prompt=2, output=20)
    policy = Copying([HOME, AWAY, HOME])
    result = simulate(world(migration=migration, requests=(output,)), policy, AUDITED)
    sent = result.migrations.size_bytes - result.migrations.caught_up_bytes
    assert sent[0] > HEAD
    assert sent[1] == (result.migrations.token[1] + 1) * CACHE_PER_TOKEN
    assert policy.observations[2].copies.tolist() == [[True, False], *[[False, False]] * 3]


def test_without_warm_copies_it_sends_all() -> None:
    policy = Copying([HOME, AWAY, HOME], [(0, 1)])
    result = simulate(world(warm_copies=False), policy, AUDITED)
    assert result.migrations.size_bytes.tolist() == [HEAD + 2 * CACHE_PER_TOKEN, HEAD + 3 * CACHE_PER_TOKEN]
    assert not any(observation.copies.any() or observation.warm_copies for observation in policy.observations)


def test_a_copy_in_memory_needs_no_load_from_disk() -> None:
    result = simulate(world(weights_on_disk=True), Copying([HOME, AWAY], [(0, 1)]), AUDITED)
    row = result.migrations.iloc[0]
    assert (row.size_bytes, row.load_s) == (2 * CACHE_PER_TOKEN, 0.0)
    assert row.duration_s == pytest.approx(2 * CACHE_PER_TOKEN / 100.0)


@given(scenario=scenarios(cluster=clusters(most=5), most_tokens=6), seed=SEEDS, share=st.floats(1.0, 8.0))
@settings(max_examples=60, deadline=None)
def test_copies_change_nothing_but_the_bytes_and_times_of_moves(
    scenario: Scenario, seed: int, share: float
) -> None:
    """Even where memory is scarce: copies use free memory only, and never make a migration longer."""
    scenario = varied(scenario, interval=1, overflow="swap")
    largest = scenario.cost.idle_memory_bytes[scenario.block_table.kind].sum()
    scenario = with_devices(scenario, memory_bytes=share * largest)
    warm, cold = (
        simulate(varied(scenario, warm_copies=allowed), Returning(seed), AUDITED) for allowed in (True, False)
    )
    assert warm.placements.equals(cold.placements)
    memory = ["held_bytes", "available_bytes", "swapped_bytes"]
    assert warm.devices[memory].equals(cold.devices[memory])
    assert warm.decisions.outcome.equals(cold.decisions.outcome)
    # Moves end, and are recorded, in another order.
    sent, all_sent = (one.migrations.sort_values(["token", "block"]).size_bytes for one in (warm, cold))
    assert (sent.to_numpy() <= all_sent.to_numpy()).all()
    assert (warm.tokens.migration_s <= cold.tokens.migration_s + 1e-12).all()
    for column in ("compute_s", "disk_s", "transfer_s"):
        np.testing.assert_allclose(warm.tokens[column], cold.tokens[column], rtol=1e-9, atol=1e-12)


def test_a_lost_block_is_restored_from_a_copy_without_a_transfer() -> None:
    down = on_off([(2.0, np.inf)])
    scenario = world(devices=3, up=down, requests=(Request(prompt=2, output=8),), interval=8)
    lost, safe = np.array([0, 0, 0, 2]), np.array([0, 0, 0, 1])
    for pairs, size in (((), FFN), (((3, 1),), 0.0)):
        policy = Copying([lost, safe], pairs)
        result = simulate(scenario, policy, AUDITED)
        row = result.migrations.iloc[0]
        assert (row.block, row.from_device, row.to_device, row.size_bytes) == ("L0.ffn", "a", "b", size)
        predicted_s = predict.migration_delay(policy.observations[1], safe)
        assert predicted_s == pytest.approx(size / 100.0)
        assert row.duration_s == pytest.approx(predicted_s)


def test_a_device_that_goes_down_loses_its_copies() -> None:
    """Although no step needs it."""
    scenario = world(devices=3, up=on_off([(3.0, 3.2)]), requests=(Request(prompt=2, output=8),), interval=1)
    policy = Copying([HOME, HOME], [(0, 1), (0, 2)])
    simulate(scenario, policy, AUDITED)
    first, last = (policy.observations[i].copies[0].tolist() for i in (1, -1))
    assert (first, last) == ([False, True, True], [False, True, False])


def test_copies_are_dropped_when_caches_need_their_memory() -> None:
    """Before a step lacks memory, and those of the last blocks first."""
    scenario = world(requests=(Request(prompt=2, output=40),))
    activations = scenario.cost.step(()).activation_bytes + scenario.model.vocabulary
    room = 2 * (HEAD + 20 * CACHE_PER_TOKEN) + HEAD + FFN + activations
    scenario = varied(with_devices(scenario, "b", memory_bytes=room), horizon="interval")
    policy = Copying([np.array([1, 1, 0, 0]), np.array([1, 1, 0, 0])], [(2, 1), (3, 1)])
    result = simulate(scenario, policy, AUDITED)
    assert result.runs.status[0] == "out-of-memory"
    has = np.array([observation.copies[2:, 1] for observation in policy.observations[1:]]).astype(int)
    assert has[0].tolist() == [1, 1]
    assert has[-1].tolist() == [0, 0]
    assert (np.diff(has, axis=0) <= 0).all()
    assert (has[:, 0] >= has[:, 1]).all()


def test_copies_of_the_last_blocks_are_dropped_first() -> None:
    copies = WarmCopies(True, np.array([4.0, 0.0, 3.0, 2.0]), 2)
    copies.ask(np.ones((4, 2), dtype=np.bool_))
    assert copies.held[1].tolist() == [False, False]  # nothing is gained by a copy without bytes
    copies.fit(np.array([8.0, 3.9]))
    assert copies.held.tolist() == [[True, False], [False, False], [True, False], [False, False]]


@pytest.mark.parametrize(
    "copies", ["all", np.ones((4, 2)), np.ones((2, 4), dtype=np.bool_), [[True, True]] * 4]
)
def test_copies_that_are_no_array_of_truth_values_make_a_decision_infeasible(copies: object) -> None:
    class Wrong(Copying):
        def decide(self, observation: Observation) -> Decision:
            return Placement(HOME, copies)  # type: ignore[arg-type]

    result = simulate(world(), Wrong([]))
    assert result.runs.status[0] == "infeasible"
    assert result.decisions.reason.tolist() == ["copies must be an array of (4, 2) truth values"]


def test_copies_of_a_later_placement_are_ignored() -> None:
    class Late(Copying):
        def decide(self, observation: Observation) -> Decision:
            self.observations.append(observation)
            first = observation.placement is None
            return Placement(HOME, None if first else np.ones((4, 2), dtype=np.bool_))

    policy = Late([])
    simulate(world(), policy, AUDITED)
    assert not any(observation.copies.any() for observation in policy.observations)

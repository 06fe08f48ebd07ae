"""Laws of migration: blocking or live, weights sent or on disk, on random worlds."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import Scripted, Shuffled, clusters, scenarios, small_world, varied, with_devices, with_links

from headway.simcore import (
    DecodeCost,
    IntArray,
    Observation,
    Payload,
    Placement,
    Request,
    Result,
    Scenario,
    simulate,
)
from headway.simcore.engine.placement.deployment import Deployment
from headway.simcore.world.batch import after, one_sequence
from headway.simcore.world.options import Migration
from headway.traces import Trace

SEEDS = st.integers(0, 2**32 - 1)
HEAD_WEIGHTS, CACHE_PER_TOKEN = 8 * 4 * 3, 2 * 4
AT_HOME, HEAD_AWAY, FFN_AWAY = np.array([0, 0, 0, 0]), np.array([1, 0, 0, 0]), np.array([0, 0, 0, 1])


def world(**changes: Any) -> Scenario:
    """Two equal devices and a link of 100 bytes/s; one layer of two heads, a projection and a feed-forward network."""
    return small_world(device={"disk_bandwidth": 40.0}, **changes)


def inference_bytes(scenario: Scenario, result: Result) -> float:
    """What is sent for tokens, recounted from the placements of a world in which every message crosses one link."""
    blocks, source = scenario.block_table, scenario.cluster.source_index
    index = {name: i for i, name in enumerate(scenario.cluster.names)}
    total, where = 0.0, np.array([])
    changes = {
        (request, token): np.array([index[name] for name in rows.device])
        for (request, token), rows in result.placements.groupby(["request", "token"], sort=False)
    }
    for request, token in result.tokens[["request", "token"]].to_numpy().tolist():
        where = changes.get((request, token), where)
        cost = scenario.cost.step(one_sequence(scenario.requests[request].prompt, token))
        # (heads, proj, ffn) of one layer, without embedding and output head, not sharded.
        heads, proj, ffn = where[blocks.heads[0]], where[blocks.proj[0]], where[blocks.ffn[0]]
        size = cost.message_bytes.tolist()
        total += sum(size[Payload.HIDDEN] for host in set(heads.tolist()) if host != source)
        total += size[Payload.HEAD_OUTPUT] * int((heads != proj).sum())
        total += size[Payload.HIDDEN] * (proj != ffn) + size[Payload.LAST_HIDDEN] * (ffn != source)
    return total


def plain(scenario: Scenario, migration: Migration, on_disk: bool) -> Scenario:
    """A scenario whose traffic `inference_bytes` can recount, with a decision before every token."""
    model = replace(scenario.model, layers=1)
    return varied(
        scenario, model=model, cost=DecodeCost(model), embed=False, lm_head=False, interval=1,
        migration=migration, weights_on_disk=on_disk,
    )  # fmt: skip


MODES = [("blocking", False), ("blocking", True), ("live", False), ("live", True)]
LONG = st.integers(4, 12)


@pytest.mark.parametrize(("migration", "on_disk"), MODES)
@given(
    scenario=scenarios(cluster=clusters(most=5, steady=False, mesh=True, fixed_times=False), requests=2),
    seed=SEEDS,
    output=LONG,
)
@settings(max_examples=25, deadline=None)
def test_the_table_of_migrations_holds_all_traffic_but_that_of_tokens(
    migration: Migration, on_disk: bool, scenario: Scenario, seed: int, output: int
) -> None:
    scenario = plain(scenario, migration, on_disk)
    scenario = replace(scenario, requests=tuple(replace(r, output=output) for r in scenario.requests))
    if migration == "live":
        # A last request long after all others, so that no migration is cut off by the end of the run.
        scenario = replace(
            scenario, requests=(*scenario.requests, Request(prompt=1, output=1, arrival_s=1e6))
        )
    result = simulate(scenario, Calm(seed, until=output * 2))
    assert result.runs.status[0] == "complete"
    assert set(result.migrations.outcome) <= {"moved"}
    sent = result.migrations.size_bytes.sum()
    np.testing.assert_allclose(
        result.links.size_bytes.sum() - inference_bytes(scenario, result), sent, rtol=1e-9, atol=1e-6
    )


class Calm(Shuffled):
    """As `Shuffled`, but decides nothing new for the last request, so that all moves end."""

    def __init__(self, seed: int, until: int) -> None:
        super().__init__(seed)
        self._last: IntArray | None = None

    def decide(self, observation: Observation) -> Placement:
        if observation.time_s < 1e6 or observation.placement is None:
            return Placement(self._random.integers(0, observation.devices, len(observation.blocks)))
        return Placement(observation.placement)


@pytest.mark.parametrize("on_disk", [False, True])
@given(scenario=scenarios(cluster=clusters(most=5, steady=False)), seed=SEEDS, output=LONG)
@settings(max_examples=30, deadline=None)
def test_a_live_migration_loses_no_byte_and_sends_none_twice(
    on_disk: bool, scenario: Scenario, seed: int, output: int
) -> None:
    """For one sequence: the bytes sent of a block, copy and rest, are what it holds at the switch."""
    requests = (Request(prompt=scenario.requests[0].prompt, output=output),)
    scenario = varied(
        scenario, requests=requests, migration="live", weights_on_disk=on_disk, interval=1, warm_copies=False
    )
    result = simulate(scenario, Shuffled(seed))
    moved = result.migrations[result.migrations.outcome == "moved"]
    switches = result.placements.token.unique()[1:]
    decided = sorted(moved.token.unique())
    assert len(switches) == len(decided)
    names = {name: i for i, name in enumerate(scenario.block_table.names)}
    idle = scenario.cost.idle_memory_bytes
    for token, switch in zip(decided, switches, strict=True):
        assert token < switch
        for row in moved[moved.token == token].itertuples():
            kind = scenario.block_table.kind[names[str(row.block)]]
            holding = scenario.cost.step(one_sequence(requests[0].prompt, int(switch) - 1)).memory_bytes[kind]
            assert row.size_bytes == pytest.approx(holding - idle[kind] * on_disk)
            assert 0.0 <= row.caught_up_bytes <= row.size_bytes * (1 + 1e-12)
            assert row.load_s == 0.0 or on_disk


@given(scenario=scenarios(cluster=clusters(steady=False)), seed=SEEDS, output=LONG)
@settings(max_examples=30, deadline=None)
def test_until_the_switch_tokens_cost_the_same_as_without_a_move(
    scenario: Scenario, seed: int, output: int
) -> None:
    """Under dedicated links nothing contends; after the switch the world is another."""
    scenario = varied(scenario, requests=(Request(prompt=4, output=output),), migration="live", interval=1)
    random = np.random.default_rng(seed)
    first, second = random.integers(0, len(scenario.cluster.devices), (2, len(scenario.block_table)))
    still, moving = simulate(scenario, Scripted(first)), simulate(scenario, Scripted(first, second))
    changes = moving.placements.token.unique()
    until = int(changes[1]) if len(changes) > 1 else output
    assert until >= 2
    for column in ("start_s", "latency_s"):
        assert (
            moving.tokens[column].tolist()[:until][: until - 1] == still.tokens[column].tolist()[: until - 1]
        )
    pause_s = moving.tokens.migration_s
    assert (pause_s[:until] == 0.0).all()


def test_a_live_migration_by_hand() -> None:
    """A head goes from a to b at token 1, while a token takes 0.688 s or a little more."""
    result = simulate(world(migration="live"), Scripted(AT_HOME, HEAD_AWAY))
    tokens, row = result.tokens, result.migrations.iloc[0]
    copied = HEAD_WEIGHTS + 2 * CACHE_PER_TOKEN  # after token 0 the cache holds the prompt
    began_s = tokens.start_s[1]
    assert row.start_s == began_s
    copied_s = began_s + copied / 100.0
    switch = int(np.searchsorted(tokens.start_s, copied_s))
    assert result.placements.token.unique().tolist() == [0, switch]
    assert 1 < switch < 8
    gained = (switch - 1) * CACHE_PER_TOKEN
    assert (row.size_bytes, row.caught_up_bytes) == (copied + gained, gained)
    assert tokens.migration_s[switch] == pytest.approx(gained / 100.0)
    assert tokens.migration_s.drop(switch).sum() == 0.0
    assert row.duration_s == pytest.approx((copied + gained) / 100.0)


def test_weights_load_beside_the_sending_of_the_cache() -> None:
    """96 bytes from a disk of 40 bytes/s outlast 16 bytes over a link of 100 bytes/s, a faster disk does not."""
    result = simulate(world(weights_on_disk=True), Scripted(AT_HOME, HEAD_AWAY))
    row = result.migrations.iloc[0]
    assert (row.size_bytes, row.load_s) == (2 * CACHE_PER_TOKEN, pytest.approx(HEAD_WEIGHTS / 40.0))
    assert [row.duration_s, result.tokens.migration_s[1]] == pytest.approx([HEAD_WEIGHTS / 40.0] * 2)
    fast = with_devices(world(weights_on_disk=True), disk_bandwidth=1e6)
    assert simulate(fast, Scripted(AT_HOME, HEAD_AWAY)).tokens.migration_s[1] == pytest.approx(0.16)


def test_nothing_is_asked_while_blocks_move_and_a_move_outlives_its_request() -> None:
    """The second request begins under the old placement; the cache that was copied is of no use to it."""
    requests = (Request(prompt=2, output=2), Request(prompt=4, output=3))
    policy = Scripted(AT_HOME, HEAD_AWAY)
    slow = with_links(world(requests=requests, migration="live"), bandwidth=Trace.constant(60.0))
    result = simulate(slow, policy)
    changes = result.placements[["request", "token"]].drop_duplicates().to_numpy().tolist()
    assert changes == [[0, 0], [1, 1]]
    assert [(observation.request, observation.generated) for observation in policy.observations] == [
        (0, 0),
        (0, 1),
        (1, 1),
        (1, 2),
    ]
    row = result.migrations.iloc[0]
    # In vain: the cache of the first prompt; caught up: that of the second one, whose first token has been made.
    assert row.size_bytes == HEAD_WEIGHTS + 2 * CACHE_PER_TOKEN + 4 * CACHE_PER_TOKEN
    assert row.caught_up_bytes == 4 * CACHE_PER_TOKEN


def test_a_move_that_the_end_of_the_run_cuts_off_is_recorded_as_abandoned() -> None:
    short = world(requests=(Request(prompt=2, output=2),), migration="live")
    result = simulate(short, Scripted(AT_HOME, np.array([1, 1, 0, 0])))
    assert result.runs.status[0] == "complete"
    assert result.migrations[["block", "outcome"]].to_numpy().tolist() == [["L0.head0", "abandoned"]]
    assert len(result.placements) == 4


@given(scenario=scenarios(cluster=clusters(most=4)), seed=SEEDS, output=LONG)
@settings(max_examples=30, deadline=None)
def test_room_is_held_at_both_ends_while_blocks_move(scenario: Scenario, seed: int, output: int) -> None:
    """Recount the ledger: the placement, and on their new devices the blocks that are under way."""
    scenario = varied(scenario, requests=(Request(prompt=4, output=output),), migration="live", interval=1)
    result = simulate(scenario, Shuffled(seed))
    names = {name: i for i, name in enumerate(scenario.cluster.names)}
    where, coming = np.array([]), np.array([], dtype=np.int64)
    changes = {token: [names[d] for d in rows.device] for token, rows in result.placements.groupby("token")}
    answers = Shuffled(seed)
    asked = set(result.decisions.token.tolist())
    moving = np.array([], dtype=bool)
    for token in range(output):
        if token in changes:
            where, moving = np.array(changes[token]), np.zeros(len(scenario.block_table), dtype=bool)
        if token in asked:
            coming = answers._random.integers(0, len(names), len(scenario.block_table))
            moving = coming != where
        step = scenario.cost.step(one_sequence(4, token))
        memory = step.memory_bytes[scenario.block_table.kind]
        held = np.bincount(where, weights=memory, minlength=len(names)).astype(np.float64)
        held += np.bincount(coming[moving], weights=memory[moving], minlength=len(names))
        held[[*where, *coming[moving]]] += step.activation_bytes
        rows = result.devices[result.devices.token == token]
        np.testing.assert_allclose(rows.held_bytes, held)


@given(scenario=scenarios(cluster=clusters(most=4)), seed=SEEDS)
@settings(max_examples=30, deadline=None)
def test_what_is_deployed_is_released_to_the_last_byte(scenario: Scenario, seed: int) -> None:
    """Whatever was moved, reserved and freed in between, and however blocks grew."""
    random = np.random.default_rng(seed)
    devices, blocks = len(scenario.cluster.devices), len(scenario.block_table)
    deployment = Deployment(scenario)
    deployment.place(random.integers(0, devices, blocks))
    for generated in range(4):
        deployment.keep(after(one_sequence(3, generated)))
        deployment.move(int(random.integers(blocks)), int(random.integers(devices)))
        some, there = random.integers(0, blocks, 3), random.integers(0, devices, 3)
        deployment.reserve(some, there)
        assert (deployment.ledger.held() >= 0.0).all()
        deployment.free(some, there)
        assert deployment.placement is not None
        recount = np.bincount(
            deployment.placement, weights=deployment.holding[scenario.block_table.kind], minlength=devices
        )
        np.testing.assert_allclose(deployment.ledger.held(), recount)
    deployment.release()
    assert (deployment.ledger.held() == 0.0).all()
    assert deployment.placement is None


def test_weights_on_disk_need_a_disk() -> None:
    with pytest.raises(ValueError, match="weights_on_disk needs a disk"):
        small_world(weights_on_disk=True)

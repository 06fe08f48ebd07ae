"""Laws of caches in a migration: blocks send them, or the next step computes all of them again."""

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import (
    Scripted,
    clusters,
    model_of_bytes,
    scenarios,
    small_world,
    varied,
    with_devices,
)

from headway.simcore import (
    Kind,
    Request,
    RunOptions,
    Scenario,
    simulate,
)
from headway.simcore.world.batch import one_sequence
from headway.simcore.world.options import Caches, TriggerOptions

SEEDS = st.integers(0, 2**32 - 1)
AUDITED = RunOptions(audit=True)
MODEL = model_of_bytes(ffn_width=8, bytes_per_kv=16)
HEAD, CACHE_PER_TOKEN = 8 * 4 * 3, 2 * 4 * 16


def world(rate: float, **changes: Any) -> Scenario:
    """Two equal devices and a link; a prompt of 50 tokens."""
    values: dict[str, Any] = {"requests": (Request(prompt=50, output=4),), "interval": 1} | changes
    return small_world(model=MODEL, rate=rate, device={"flops": 1e5}, **values)


def head_away(scenario: Scenario) -> Scripted:
    """A head moves before the second token."""
    first, second = np.zeros((2, len(scenario.block_table)), dtype=np.int64)
    second[0] = 1
    return Scripted(first, second)


@pytest.mark.parametrize(("rate", "recomputes"), [(1e2, True), (1e6, False)])
def test_over_a_slow_link_it_is_faster_to_recompute_caches_than_to_send_them(
    rate: float, recomputes: bool
) -> None:
    scenario = world(rate, caches="faster")
    result = simulate(scenario, head_away(scenario), AUDITED)
    assert result.decisions.recomputes_caches.tolist() == [False, recomputes, False, False]
    cache = 50 * CACHE_PER_TOKEN
    assert result.migrations.size_bytes.tolist() == [HEAD + (0 if recomputes else cache)]


def test_a_migration_of_blocks_without_caches_drops_none() -> None:
    scenario = world(1e2, caches="recompute")
    first, second = np.zeros((2, len(scenario.block_table)), dtype=np.int64)
    second[-1] = 1
    result = simulate(scenario, Scripted(first, second), AUDITED)
    assert len(result.migrations) == 1
    assert not result.decisions.recomputes_caches.any()


@pytest.mark.parametrize(("spare_bytes", "recomputes"), [(100, False), (1000, True)])
def test_caches_are_sent_where_a_device_lacks_the_memory_to_recompute(
    spare_bytes: int, recomputes: bool
) -> None:
    """Two heads change places. The activations of one token take 10 bytes, those of 51 tokens 408."""
    scenario = world(1e2, caches="recompute", requests=(Request(prompt=1, output=52),), horizon="interval")
    end = scenario.cost.step(one_sequence(1, 51)).memory_bytes[[Kind.HEAD, Kind.PROJ, Kind.FFN]].sum()
    scenario = with_devices(scenario, "a", memory_bytes=end + spare_bytes)
    before, after = np.array([0, 1, 0, 0]), np.array([1, 0, 0, 0])
    result = simulate(scenario, Scripted(*[before] * 50, after), AUDITED)
    assert result.runs.status[0] == "complete"
    assert len(result.migrations) == 2
    assert result.decisions.recomputes_caches.any() == recomputes


@given(scenario=scenarios(cluster=clusters(most=5), most_tokens=5), seed=SEEDS)
@settings(max_examples=40, deadline=None)
def test_the_faster_way_is_never_slower_than_the_other(scenario: Scenario, seed: int) -> None:
    """In a steady world with dedicated links, until the first token after one migration."""
    random = np.random.default_rng(seed)
    shape = 2, len(scenario.block_table)
    first, second = random.integers(0, len(scenario.cluster.devices), shape)
    scenario = varied(scenario, interval=1, requests=(Request(prompt=int(random.integers(1, 40)), output=2),))
    seconds = {
        caches: simulate(varied(scenario, caches=caches), Scripted(first, second), AUDITED).runs.end_s[0]
        for caches in get_args(Caches)
    }
    assert seconds["faster"] <= min(seconds["send"], seconds["recompute"]) * (1 + 1e-9)


def test_a_step_that_recomputes_caches_is_no_misprediction() -> None:
    scenario = world(1e2, caches="recompute", triggers=TriggerOptions(misprediction=0.5))
    scenario = varied(scenario, interval=10, requests=(Request(prompt=50, output=20),))
    result = simulate(scenario, head_away(scenario))
    assert result.decisions.recomputes_caches.any()
    assert set(result.decisions.trigger) == {"interval"}

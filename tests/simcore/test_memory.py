"""Memory: what devices hold beside blocks, and what is read from disk when they hold too much."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from worlds import model_of_bytes, small_world, varied, with_devices

from headway.simcore import (
    Cluster,
    Decision,
    DecodeCost,
    Device,
    Link,
    Observation,
    PaperCost,
    Placement,
    Request,
    Result,
    RunOptions,
    Scenario,
    load_scenario,
    simulate,
)
from headway.simcore.world.batch import one_sequence
from headway.simcore.world.memory import swapped_share
from headway.traces import Trace

MODEL = model_of_bytes(ffn_width=32, bytes_per_activation=2)
HEAD, PROJ, FFN = 8 * 4 * 3, 8 * 8, 2 * 8 * 32
"""Weights [bytes]."""
WEIGHTS = 2 * HEAD + PROJ + FFN
TOKEN = 2 * 2 * 4
"""K/V cache of a token in both heads [bytes]."""
WIDE = 32 * 2
"""Activations of a token at the widest place, between the two matrices of the feed-forward network [bytes]."""


class AtOne:
    """Everything on the first device; remembers what it saw."""

    name = "at-one"

    def __init__(self) -> None:
        self.observations: list[Observation] = []

    def decide(self, observation: Observation) -> Decision:
        self.observations.append(observation)
        return Placement(np.zeros(len(observation.blocks), dtype=np.int64))


def world(memory_bytes: float = 1e6, runtime_bytes: float = 0.0, **changes: Any) -> Scenario:
    """A device of 1000 FLOP/s with a disk of 100 bytes/s, and another that is not used; a prompt of 3, 2 tokens."""
    one = Device(
        name="one", memory_bytes=memory_bytes, runtime_bytes=runtime_bytes, flops=1e3, disk_bandwidth=100.0
    )
    other = Device(name="other", memory_bytes=1e6, runtime_bytes=500.0, flops=1e3, disk_bandwidth=100.0)
    link = Link(name="link", ends=("one", "other"), bandwidth=Trace.constant(100.0))
    cluster = Cluster((one, other), (link,), "one")
    requests = (Request(prompt=3, output=2),)
    return varied(small_world(model=MODEL, cluster=cluster, requests=requests), **changes)


def run(scenario: Scenario) -> Result:
    return simulate(scenario, AtOne(), RunOptions(audit=True))


def test_devices_hold_weights_cache_activations_and_runtime_where_there_are_blocks() -> None:
    """The prefill has activations of three positions, the decode step of one; the other device runs nothing."""
    devices = run(world(runtime_bytes=300.0)).devices
    held = [WEIGHTS + 3 * TOKEN + 3 * WIDE + 300.0, 0.0, WEIGHTS + 4 * TOKEN + WIDE + 300.0, 0.0]
    assert devices.held_bytes.tolist() == held


def test_what_a_run_needs_is_just_enough() -> None:
    """The prefill needs most; a byte less, of which one is always allowed, and a device lacks it."""
    needed = WEIGHTS + 3 * TOKEN + 3 * WIDE + 300.0
    assert run(world(needed, 300.0)).runs.status[0] == "complete"
    short = run(world(needed - 2.0, 300.0)).runs.iloc[0]
    assert (short.status, short.tokens) == ("out-of-memory", 0)
    assert "'one' lacks 2 bytes for token 0 of request 0" in short.detail


def test_logits_are_activations_where_they_are_the_widest() -> None:
    model = replace(MODEL, vocabulary=1000)
    step = DecodeCost(model).step(one_sequence(3, 0))
    assert step.activation_bytes == 1000 * 2
    assert DecodeCost(model).step((one_sequence(3, 0)[0]._replace(tokens=2),)).activation_bytes == 2 * WIDE


def test_in_the_papers_cost_model_blocks_hold_their_activations() -> None:
    assert PaperCost(MODEL).step(one_sequence(3, 0)).activation_bytes == 0.0


def test_a_policy_sees_the_room_for_blocks() -> None:
    policy = AtOne()
    simulate(world(2000.0, 300.0), policy)
    first, second = policy.observations
    assert first.available_bytes.tolist() == [2000.0 - 300.0 - 3 * WIDE, 1e6 - 500.0 - 3 * WIDE]
    assert second.available_bytes.tolist() == [2000.0 - 300.0 - WIDE, 1e6 - 500.0 - WIDE]
    assert first.capacity_bytes.tolist() == [2000.0, 1e6]


def swapping(swap: str, lack_bytes: float, **changes: object) -> Result:
    """All on the first device, which lacks so much for a single token."""
    needed = WEIGHTS + 3 * TOKEN + 3 * WIDE + 300.0
    request = (Request(prompt=3, output=1),)
    return run(world(needed - lack_bytes, 300.0, requests=request, overflow="swap", swap=swap, **changes))


COMPUTED_S = [2 * (2 * 3 * HEAD + 4 * 4 * 9 / 2) / 1e3, 2 * 3 * PROJ / 1e3, 2 * 3 * FFN / 1e3]
"""Of the prefill: both heads, which also attend to 9 / 2 pairs, the projection, and the feed-forward network."""
HELD = [2 * HEAD + 3 * TOKEN, PROJ, FFN]


@pytest.mark.parametrize("lack_bytes", [2.0, 100.0, 1e3])
def test_how_long_is_read_by_hand(lack_bytes: float) -> None:
    """Per task: what does not fit of it, all of it, or what of that computing does not hide."""
    share = min(1.0, lack_bytes / sum(HELD))
    pinned, lru, prefetch = (swapping(swap, lack_bytes) for swap in ("pinned", "lru", "prefetch"))
    assert pinned.tokens.disk_s[0] == pytest.approx(share * sum(HELD) / 100.0)
    assert lru.tokens.disk_s[0] == pytest.approx(sum(HELD) / 100.0)
    tasks = list(zip(HELD, COMPUTED_S, strict=True))
    hidden = sum(max(0.0, share * held / 100.0 - computed) for held, computed in tasks)
    assert prefetch.tokens.disk_s[0] == pytest.approx(hidden)
    for result in (pinned, lru, prefetch):
        assert result.tokens.compute_s[0] == pytest.approx(sum(COMPUTED_S))
        assert result.devices.swapped_bytes[0] == min(lack_bytes, sum(HELD))


@pytest.mark.parametrize("swap", ["pinned", "lru", "prefetch"])
def test_what_fits_is_not_read(swap: str) -> None:
    assert swapping(swap, 0.0).tokens.disk_s[0] == 0.0


def test_a_slow_device_hides_more_of_its_reading() -> None:
    """At a tenth of its speed computing takes longer than reading, and nothing else does."""
    busy = world(
        WEIGHTS + 3 * TOKEN + 3 * WIDE - 100.0,
        requests=(Request(prompt=3, output=1),),
        overflow="swap",
        swap="prefetch",
    )
    tokens = run(with_devices(busy, "one", availability=Trace.constant(0.1))).tokens
    assert (tokens.disk_s[0], tokens.latency_s[0]) == (0.0, pytest.approx(10 * sum(COMPUTED_S)))


def test_with_swapping_a_policy_may_choose_a_placement_that_is_too_large() -> None:
    """Also a later one, and also where an infeasible decision ends the run; each step then reads from disk."""

    class Alternating(AtOne):
        def decide(self, observation: Observation) -> Decision:
            self.observations.append(observation)
            return Placement(np.full(len(observation.blocks), len(self.observations) % 2))

    requests = (Request(prompt=3, output=3),)
    scenario = world(WEIGHTS / 2, overflow="swap", interval=1, on_infeasible="fail", requests=requests)
    result = simulate(scenario, Alternating(), RunOptions(audit=True))
    assert result.runs.status[0] == "complete"
    assert result.decisions.outcome.tolist() == ["adopted"] * 3
    assert (result.tokens.disk_s > 0.0).tolist() == [False, True, False]
    failing = replace(scenario, memory=replace(scenario.memory, overflow="fail"))
    result = simulate(failing, Alternating(), RunOptions(audit=True))
    assert result.decisions.outcome.tolist() == ["adopted", "infeasible"]
    assert "bytes too many on 'one'" in result.decisions.reason[1]


def test_a_share_is_of_blocks_however_little_room_there_is() -> None:
    blocks, room = np.array([0.0, 100.0, 100.0, 100.0]), np.array([-50.0, 150.0, 25.0, -50.0])
    assert swapped_share(blocks, room, "pinned").tolist() == [0.0, 0.0, 0.75, 1.0]
    assert swapped_share(blocks, room, "prefetch").tolist() == [0.0, 0.0, 0.75, 1.0]
    assert swapped_share(blocks, room, "lru").tolist() == [0.0, 0.0, 1.0, 1.0]


FILE = """\
model: {shape: {layers: 1, width: 64, heads: 4}}
source: one
devices:
  one: {memory: 1 GB, runtime_memory: 300 MB, compute: 1 GFLOP/s, memory_bandwidth: unlimited, disk: 100 MB/s}
workload: [{prompt: 4, output: 2}]
memory: {overflow: swap, swap: lru}
"""


def test_a_file_names_the_mode_and_the_runtime(tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    path.write_text(FILE)
    scenario = load_scenario(path)
    assert (scenario.memory.overflow, scenario.memory.swap) == ("swap", "lru")
    assert scenario.cluster.devices[0].runtime_bytes == 300e6

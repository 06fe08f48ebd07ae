"""Laws of the pattern `pipeline`: bytes by hop, ways of messages, and micro-batches."""

import math
from typing import Any

import numpy as np
import pytest
from engines import with_latency
from worlds import Scripted, model_of_bytes, small_world

from headway.simcore import DecodeCost, IntArray, Payload, Request, Result, RunOptions, Scenario, simulate
from headway.simcore.steps.patterns.pipeline import Pipeline
from headway.simcore.world.batch import one_sequence
from headway.simcore.world.blocks import BlockTable
from headway.simcore.world.decode_cost import WireFormat


def stages(blocks: BlockTable, devices: int) -> IntArray:
    """Layers in equal parts, the embedding with the first one, the output head with the last one."""
    return np.clip(blocks.layer, 0, blocks.layers - 1) * devices // blocks.layers


def world(pattern: Pipeline, devices: int, *, prompt: int = 1, **changes: Any) -> Scenario:
    """Twelve layers of two heads; hidden states have 8 numbers of 1 byte, the vocabulary has 10 entries."""
    model = model_of_bytes(layers=12)
    values: dict[str, Any] = {
        "cost": DecodeCost(model, wire=WireFormat(logits=4.0)),
        "embed": True,
        "lm_head": True,
        "requests": (Request(prompt=prompt, output=3),),
    }
    return small_world("abcd"[:devices], model=model, execution=pattern, **values | changes)


def run(scenario: Scenario, placement: IntArray | None = None) -> Result:
    if placement is None:
        placement = stages(scenario.block_table, len(scenario.cluster.devices))
    return simulate(scenario, Scripted(placement), options=RunOptions(audit=True))


def sent(result: Result, tokens: int = 3) -> dict[str, float]:
    """Bytes of a token from device to device, such as `ab`."""
    columns = (result.links[name].tolist() for name in ("from_device", "to_device", "size_bytes"))
    return {start + end: size / tokens for start, end, size in zip(*columns, strict=True)}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (Pipeline(), {"ab": 8, "bc": 8, "cd": 8, "da": 4}),
        (Pipeline(result=Payload.LOGITS), {"ab": 8, "bc": 8, "cd": 8, "da": 40}),
        (Pipeline(back="chain"), {"ab": 8, "bc": 8, "cd": 8, "dc": 4, "cb": 4, "ba": 4}),
        (Pipeline(hops="source"), {"ab": 8, "ba": 8, "ac": 8, "ca": 8, "ad": 8, "da": 4}),
    ],
)
def test_one_vector_for_each_hop(pattern: Pipeline, expected: dict[str, float]) -> None:
    """Then the token returns, or 4 * 10 bytes of scores."""
    assert sent(run(world(pattern, 4))) == expected


@pytest.mark.parametrize("pattern", [Pipeline(), Pipeline(back="chain")])
def test_a_result_at_the_source_does_not_travel(pattern: Pipeline) -> None:
    """The output head is at the source, to which the last stage sends the last hidden state."""
    scenario = world(pattern, 3)
    placement = stages(scenario.block_table, 3)
    placement[-1] = 0
    assert sent(run(scenario, placement)) == {"ab": 8, "bc": 8, "ca": 8}


def test_the_ten_best_scores_by_hand() -> None:
    """Three scores of 4 bytes, each with a token id of 4 bytes."""
    scenario = world(Pipeline(result=Payload.LOGITS), 2)
    cost = DecodeCost(scenario.model, wire=WireFormat(logits=4.0, top_k=3))
    scenario = world(Pipeline(result=Payload.LOGITS), 2, cost=cost)
    assert sent(run(scenario)) == {"ab": 8, "ba": 24}


@pytest.mark.parametrize(
    ("pattern", "hops"),
    [(Pipeline(), 4), (Pipeline(hops="source"), 6), (Pipeline(back="chain"), 6)],
)
def test_delays_and_syncs_of_a_token_by_hand(pattern: Pipeline, hops: int) -> None:
    """Messages take 1 s and no time for their bytes, and each costs its sender 0.5 s."""
    device = {"flops": math.inf, "sync_s": 0.5}
    scenario = with_latency(world(pattern, 4, device=device, rate=1e15))
    np.testing.assert_allclose(run(scenario).tokens.latency_s, 1.5 * hops, rtol=1e-9)


@pytest.mark.parametrize(
    ("devices", "pieces", "share"),
    [
        (2, 1, 1), (2, 2, 3 / 4), (2, 4, 5 / 8), (2, 8, 9 / 16),
        (3, 1, 1), (3, 2, 2 / 3), (3, 4, 1 / 2), (3, 8, 5 / 12),
        (4, 1, 1), (4, 2, 5 / 8), (4, 4, 7 / 16), (4, 8, 11 / 32),
    ],
)  # fmt: skip
def test_a_pipeline_fills_and_drains(devices: int, pieces: int, share: float) -> None:
    """A prefill in M pieces on N equal stages takes (M + N - 1) / (M N) of the time on one device."""
    changes: dict[str, Any] = {"embed": False, "lm_head": False, "rate": 1e15, "prompt": 8}
    alone = run(world(Pipeline(), 1, **changes)).tokens.latency_s
    divided = run(world(Pipeline(micro_batch=8 // pieces), devices, **changes)).tokens.latency_s
    assert divided[0] == pytest.approx(share * alone[0], rel=1e-9)
    # Each token after the first is one piece, which goes through all stages.
    np.testing.assert_allclose(divided[1:], alone[1:], rtol=1e-9)


@pytest.mark.parametrize("prompt", [1, 7, 8])
def test_a_short_prefill_is_one_piece(prompt: int) -> None:
    whole, divided = (
        run(world(pattern, 3, prompt=prompt)).tokens.latency_s
        for pattern in (Pipeline(), Pipeline(micro_batch=8))
    )
    np.testing.assert_array_equal(whole, divided)


@pytest.mark.parametrize(("prompt", "pieces"), [(8, 1), (9, 2), (16, 2), (17, 3)])
def test_pieces_of_a_prompt(prompt: int, pieces: int) -> None:
    """Micro-batches of at most 8 positions: each sends its share of the hidden states, and the token returns once."""
    scenario = world(Pipeline(micro_batch=8), 2, prompt=prompt)
    links = run(scenario).links.set_index("from_device")
    # The prefill, and two further tokens.
    assert links.messages.to_dict() == {"a": pieces + 2, "b": 3}
    assert links.size_bytes.to_dict() == pytest.approx({"a": 8 * (prompt + 2), "b": 12})


def test_a_device_sends_before_it_computes_its_own_part() -> None:
    """Each device has a head of 2 * 96 FLOP and attention of 4 * 4 / 2 FLOP, which takes 0.2 s at 1000 FLOP/s.

    The hidden state of 8 bytes takes 0.08 s, and the output of b's head 0.04 s. The projection has 2 * 64 FLOP, and the
    network 2 * 128 FLOP.
    """
    scenario = small_world(execution=Pipeline(), requests=(Request(prompt=1, output=1),))
    result = run(scenario, np.array([0, 1, 0, 0]))
    assert result.tokens.latency_s[0] == pytest.approx(0.08 + 0.2 + 0.04 + 0.128 + 0.256, rel=1e-12)


def test_a_step_ends_when_all_of_its_micro_batches_have_ended() -> None:
    """The network of the last layer is in two shards, so the output of each micro-batch is gathered by a message.

    The tasks of all micro-batches add up to the blocks.
    """
    model = model_of_bytes()
    pattern = Pipeline(micro_batch=1)
    scenario = small_world(
        model=model, execution=pattern, cost=DecodeCost(model, ffn_shards=2), device={"flops": math.inf}
    )
    placement = np.array([0, 0, 0, 0, 1])
    graph, cost = scenario.step_graphs.of(placement, 0, 3), scenario.cost.step(one_sequence(3, 0))
    assert np.flatnonzero(np.diff(graph.first_successor) == 0).tolist() == [len(graph) - 1]
    count, kind = graph.count[graph.tasks], graph.kind[graph.tasks]
    for of_block in (cost.work_flop, cost.weight_bytes, cost.kv_bytes):
        total = (count * of_block[kind]).sum()
        assert total == pytest.approx(of_block[scenario.block_table.kind].sum(), rel=1e-12)

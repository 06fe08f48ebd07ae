"""Bytes that the execution patterns of real engines send, by the tables of distributed-llama and by hand.

q(n) is the size of n numbers on the wire, N the number of devices.
"""

import math
from collections import Counter

import numpy as np
import pytest
from engines import F32, Q80, SHIPPED, TENSOR, WIDE, cluster_of, run
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import Scripted, model_of_bytes, models, small_world

from headway.simcore import DecodeCost, ModelSpec, Request, Result, preset, simulate
from headway.simcore.world.decode_cost import WireFormat

SIZES = (1, 2, 3, 4, 8)


def traffic(result: Result, tokens: int = 3) -> tuple[float, float]:
    """Bytes that the root sends and receives for one token."""
    links = result.links
    ends = (links.size_bytes[links[end] == "a"].sum() / tokens for end in ("from_device", "to_device"))
    sent, received = ends
    return float(sent), float(received)


@pytest.mark.parametrize("wire", [Q80, F32], ids=["q80", "f32"])
@pytest.mark.parametrize("devices", SIZES)
@pytest.mark.parametrize("name", TENSOR)
def test_bytes_of_a_token_at_the_root_by_formula(name: str, devices: int, wire: WireFormat) -> None:
    """For each worker and layer, and once a token under patterns without a root in the layers."""
    m, n, workers = WIDE, devices, devices - 1

    def q(numbers: float) -> float:
        return numbers * (34 / 32 if wire is Q80 else 4.0)

    d, attended, kv, h = m.width, m.heads * m.head_size, m.kv_heads * m.head_size, m.ffn_width
    rounds = math.ceil(math.log2(n)) if n & (n - 1) == 0 else math.floor(math.log2(n)) + 1
    sent, received = {
        "star-4": (
            workers * (2 * q(d) + q(attended) + workers * q(h / n)),
            workers * (q(attended / n) + 2 * q(kv / n) + 2 * q(d / n) + q(h / n)),
        ),
        "star-3": (
            workers * (2 * q(d) + workers * q(h / n)),
            workers * (q(d) + q(h / n) + q(d / n)),
        ),
        "star-2": (workers * 2 * q(d), workers * 2 * q(d)),
        "mesh-2": (workers * 2 * q(d), workers * 2 * q(d)),
        "ring": (2 * 2 * workers / n * q(d), 2 * 2 * workers / n * q(d)),
        "recursive-doubling": (2 * rounds * q(d), 2 * rounds * q(d)),
    }[name]
    once = (0.0, 0.0) if name.startswith("star") else (workers * 4 * d, workers * 4 * m.vocabulary / n)
    expected = (m.layers * sent + once[0], m.layers * received + once[1])
    assert traffic(run(cluster_of(name, n, wire=wire))) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "model", "devices", "sent", "received"),
    [
        # 32 layers; q(4096) = 4352, q(2048) = 2176, q(1024) = 1088 bytes.
        # The feed-forward network: q(11008 / 2) = 5848, q(11008 / 4) = 2924, and of Llama 3 q(14336 / 2) = 7616 bytes.
        # Keys and values of Llama 3 have 1024 numbers: q(1024 / 2) = 544 bytes.
        ("star-4", "llama-2-7b", 2, 32 * (3 * 4352 + 5848), 32 * (3 * 2176 + 2 * 2176 + 5848)),
        ("star-4", "llama-2-7b", 4, 32 * 3 * (3 * 4352 + 3 * 2924), 32 * 3 * (3 * 1088 + 2 * 1088 + 2924)),
        ("star-4", "llama-3-8b", 2, 32 * (3 * 4352 + 7616), 32 * (3 * 2176 + 2 * 544 + 7616)),
        ("star-3", "llama-2-7b", 2, 32 * (2 * 4352 + 5848), 32 * (4352 + 5848 + 2176)),
        ("star-2", "llama-2-7b", 4, 32 * 3 * 2 * 4352, 32 * 3 * 2 * 4352),
        # The embedding row of 4 * 4096 bytes to each worker, and 4 * 32000 / 4 or 4 * 128256 / 4 bytes of scores back.
        ("mesh-2", "llama-2-7b", 4, 32 * 3 * 2 * 4352 + 3 * 16384, 32 * 3 * 2 * 4352 + 3 * 32000),
        ("mesh-2", "llama-3-8b", 4, 32 * 3 * 2 * 4352 + 3 * 16384, 32 * 3 * 2 * 4352 + 3 * 128256),
    ],
)
def test_bytes_of_a_token_of_llama_by_hand(
    name: str, model: str, devices: int, sent: float, received: float
) -> None:
    assert traffic(run(cluster_of(name, devices, preset(model)))) == pytest.approx(
        (sent, received), rel=1e-12
    )


@pytest.mark.parametrize(("devices", "messages"), [(2, 2), (3, 4), (4, 8), (5, 10), (8, 24)])
def test_messages_of_a_sum_by_recursive_doubling(devices: int, messages: int) -> None:
    """N log2 N; with 3 devices 1 + 2 + 1, and with 5 devices 1 + 4 * 2 + 1, each with the whole sum."""
    scenario = cluster_of("recursive-doubling", devices, model_of_bytes(kv_heads=40, heads=40, ffn_width=40))
    links = run(scenario).links
    # Two sums in the only layer of each of three tokens; the root sends the embedding, the others their scores.
    assert links.messages.sum() == 3 * (2 * messages + 2 * (devices - 1))


@pytest.mark.parametrize("name", SHIPPED)
@given(model=models(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=5)
def test_links_carry_the_messages_of_the_graph(name: str, model: ModelSpec, seed: int) -> None:
    """With a link between every two devices, each message crosses one link."""
    scenario = small_world(
        "abc", model=model, device={"memory_bytes": 1e15}, embed=True, lm_head=True,
        execution=SHIPPED[name], cost=DecodeCost(model, projection=SHIPPED[name].projection),
        requests=(Request(prompt=5, output=1),),
    )  # fmt: skip
    placement = np.random.default_rng(seed).integers(0, 3, len(scenario.block_table))
    policy = Scripted(placement)
    result = simulate(scenario, policy)
    step = policy.observations[0].steps[0]
    graph = scenario.step_graphs.of(placement, 0, step.pieces)
    size, count = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for node in graph.messages:
        ends = "abc"[graph.device[node]], "abc"[graph.receiver[node]]
        size[ends] += graph.message_bytes(step.cost)[node]
        count[ends] += 1
    rows = {(row.from_device, row.to_device): row for row in result.links.itertuples()}
    assert {ends: row.messages for ends, row in rows.items()} == count
    assert {ends: row.size_bytes for ends, row in rows.items()} == pytest.approx(size, rel=1e-12)

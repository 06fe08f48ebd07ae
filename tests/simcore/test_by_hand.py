"""One small world, worked out by hand from docs/model.md with nothing of Headway: TTFT and every TPOT to 1e-12.

One layer of two heads. Device a has the prompt, head 0 and the feed-forward network; device b has head 1 and the
projection. While a computes its head, b's input is on its way; a's output follows it over the same link, and in the
prefill the two meet there.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from headway.simcore import Decision, Observation, Placement, RunOptions, load_scenario, simulate

Cost = Callable[[int, str], float]
"""The latency [s] of a token after so many others, under a kind of sharing."""

D, HEADS, SIZE, F, BYTES = 64, 2, 32, 256, 2.0
PROMPT, OUTPUT = 5, 4
SPEED, READS, OVERHEAD = {"a": 1e8, "b": 5e7}, {"a": 1e7, "b": 4e6}, {"a": 1e-4, "b": 2e-4}
LATENCY, RATE = 3e-3, 1e6 / 8

SCENARIO = """
model:
  shape: {layers: 1, width: 64, heads: 2, ffn_width: 256}
  bytes_per_weight: 2
  bytes_per_kv: 2
  bytes_per_activation: 2
cost: {model: COST}
blocks: {embed: false, lm_head: false}
devices:
  a: {memory: 1 GB, compute: 100 MFLOP/s, memory_bandwidth: 10 MB/s, overhead: 0.1 ms, discipline: DISCIPLINE}
  b: {memory: 1 GB, compute: 50 MFLOP/s, memory_bandwidth: 4 MB/s, overhead: 0.2 ms, discipline: DISCIPLINE}
links: {wire: {connect: all, bandwidth: 1 Mbit/s, latency: 2 ms, overhead: 1 ms}}
network: {sharing: SHARING}
controller: {interval: 4}
workload: [{prompt: 5, output: 4}]
"""


class Pinned:
    """Head 0 and the feed-forward network on a, head 1 and the projection on b."""

    name = "pinned"

    def decide(self, observation: Observation) -> Decision:
        where = {"L0.head0": 0, "L0.head1": 1, "L0.proj": 1, "L0.ffn": 0}
        return Placement(np.array([where[name] for name in observation.blocks.names]))


def arrivals(first: tuple[float, float], then: tuple[float, float], sharing: str) -> tuple[float, float]:
    """When two messages have arrived whose bytes begin to flow, in this order, from a to b."""
    (s0, b0), (s1, b1) = first, then
    alone = s0 + b0 / RATE, s1 + b1 / RATE
    if sharing == "dedicated" or alone[0] <= s1:
        return alone
    left = b0 - (s1 - s0) * RATE
    both = s1 + 2 * min(left, b1) / RATE
    return both + max(left - b1, 0.0) / RATE, both + max(b1 - left, 0.0) / RATE


def token(head: dict[str, float], proj: float, ffn: float, wide: float, narrow: float, sharing: str) -> float:
    """A token of these computations [s], and messages of D numbers and of a head's [bytes]."""
    at_b, head_at_b = arrivals((LATENCY, wide), (head["a"] + LATENCY, narrow), sharing)
    return max(at_b + head["b"], head_at_b) + proj + LATENCY + wide / RATE + ffn


def decode(made: int, sharing: str) -> float:
    length, tokens = PROMPT + made, 1 if made else PROMPT
    attention = 4 * length * SIZE if made else 4 * SIZE * PROMPT**2 / 2
    weights = D * SIZE * 3 * BYTES
    head = {
        x: max(
            (tokens * 2 * D * SIZE * 3 + attention) / SPEED[x],
            (weights + 2 * length * SIZE * BYTES) / READS[x],
        )
        + OVERHEAD[x]
        for x in "ab"
    }
    square = HEADS * SIZE * D
    proj = max(tokens * 2 * square / SPEED["b"], square * BYTES / READS["b"]) + OVERHEAD["b"]
    ffn = max(tokens * 4 * D * F / SPEED["a"], 2 * D * F * BYTES / READS["a"]) + OVERHEAD["a"]
    return token(head, proj, ffn, tokens * D * BYTES, tokens * SIZE * BYTES, sharing)


def paper(made: int, sharing: str) -> float:
    length = PROMPT + made
    head = {x: (3 * length * D * SIZE + length**2 * SIZE) / SPEED[x] + OVERHEAD[x] for x in "ab"}
    proj, ffn = length * D**2 / SPEED["b"] + OVERHEAD["b"], 8 * length * D**2 / SPEED["a"] + OVERHEAD["a"]
    return token(head, proj, ffn, length * D * BYTES, length * SIZE * BYTES, sharing)


@pytest.mark.parametrize("discipline", ["fifo", "ps"])
@pytest.mark.parametrize("sharing", ["dedicated", "fair"])
@pytest.mark.parametrize("cost", [decode, paper])
def test_every_latency_is_what_it_is_by_hand(
    cost: Cost, sharing: str, discipline: str, tmp_path: Path
) -> None:
    file = tmp_path / "small.yaml"
    words = {"COST": cost.__name__, "SHARING": sharing, "DISCIPLINE": discipline}
    text = SCENARIO
    for word, value in words.items():
        text = text.replace(word, value)
    file.write_text(text)
    result = simulate(load_scenario(file), Pinned(), options=RunOptions(audit=True))
    assert result.tokens["latency_s"].tolist() == pytest.approx(
        [cost(made, sharing) for made in range(OUTPUT)], rel=1e-12
    )


@pytest.mark.parametrize("cost", [decode, paper])
def test_the_two_messages_meet_under_fair_sharing(cost: Cost) -> None:
    assert cost(0, "fair") > cost(0, "dedicated") * 1.05

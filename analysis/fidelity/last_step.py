"""The last step of a request in a world: simulated, or predicted from its graph.

In a world that does not change, both take equally long (`simcore.steps.makespan`). The prediction is faster, because
steps before the last one are not made, and graphs are kept.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from headway import policies
from headway.analysis.fidelity.worlds import World
from headway.simcore import StepGraph, one_sequence, simulate
from headway.simcore.instrument import Instrument
from headway.simcore.scenario import Scenario
from headway.simcore.steps.makespan import shared_makespan
from headway.simcore.steps.step_graphs import Pattern
from headway.simcore.world.batch import Batch
from headway.simcore.world.blocks import Kind, block_table
from headway.simcore.world.device_time import Roofline
from headway.simcore.world.model import ModelSpec


class LastStep(NamedTuple):
    """The step that makes the last token of a request.

    Attributes:
        total_s: its duration.
        compute_s: of it, time in which the root computes.
        longest_s: the longest time in which a device is busy.
        sent_bytes: that the root sends.
        received_bytes: that the root receives.
    """

    total_s: float
    compute_s: float
    longest_s: float
    sent_bytes: float
    received_bytes: float


Measure: TypeAlias = Callable[[World, int, int], LastStep]
"""A function that gives the last step of a request with a prompt and an output of so many tokens."""


def simulated(world: World, prompt: int, output: int) -> LastStep:
    """The last step in a simulation of the request."""
    meter = _Meter()
    result = simulate(world.scenario(prompt, output), policies.create("pinned"), instrument=meter)
    total_s = float(result.tokens.latency_s.iloc[-1])
    longest_s = max(meter.busy_s.values(), default=0.0)
    return LastStep(total_s, meter.compute_s, longest_s, meter.sent_bytes, meter.received_bytes)


def predicted(world: World, prompt: int, output: int) -> LastStep:
    """The last step by its graph; by a simulation if devices read from disk."""
    if world.swap:
        return simulated(world, prompt, output)
    scenario = world.scenario(prompt, output)
    batch = one_sequence(prompt, output - 1)
    graph, cluster = _graph_of(scenario, batch), scenario.cluster
    cost = scenario.cost.step(batch)
    fixed_s = graph.task_seconds(*Roofline().times(cost, cluster))
    sent = graph.messages
    root_works = (graph.device[graph.tasks] == 0) & (graph.kind[graph.tasks] != Kind.SYNC)
    compute_s = float(fixed_s[graph.tasks][root_works].sum())
    longest_s = float(np.bincount(graph.device[graph.tasks], fixed_s[graph.tasks]).max())
    fixed_s[sent] = cluster.latencies(0.0, 0.0)[graph.device[sent], graph.receiver[sent]]
    size = graph.message_bytes(cost)
    crossings = cluster.crossings(0.0, 0.0)
    total_s = shared_makespan(graph, fixed_s, size, crossings, len(cluster.devices))
    sent_bytes, received_bytes = (float(size[ends == 0].sum()) for ends in (graph.device, graph.receiver))
    return LastStep(total_s, compute_s, longest_s, sent_bytes, received_bytes)


@dataclass
class _Meter(Instrument):
    """Of the last step: seconds in which the root computed and each device was busy, and bytes of the root."""

    compute_s: float = 0.0
    busy_s: dict[int, float] = field(default_factory=dict)
    sent_bytes: float = 0.0
    received_bytes: float = 0.0

    def step_begins(self, attempt: object) -> None:
        """A new step."""
        self.compute_s = self.sent_bytes = self.received_bytes = 0.0
        self.busy_s = {}

    def task_done(
        self, batch: Batch, graph: StepGraph, node: int, submitted_s: float, start_s: float, disk_s: float,
        end_s: float, nominal_s: float,
    ) -> None:  # fmt: skip
        """A task has ended."""
        device = int(graph.device[node])
        self.busy_s[device] = self.busy_s.get(device, 0.0) + end_s - start_s
        if graph.device[node] == 0 and graph.kind[node] != Kind.SYNC:
            self.compute_s += end_s - start_s

    def message_arrived(
        self, batch: Batch, graph: StepGraph, node: int, size_bytes: float, sent_s: float, flow_s: float,
        wire_bytes: float, arrived_s: float,
    ) -> None:  # fmt: skip
        """A message has arrived."""
        if graph.device[node] == 0:
            self.sent_bytes += size_bytes
        if graph.receiver[node] == 0:
            self.received_bytes += size_bytes


def _graph_of(scenario: Scenario, batch: Batch) -> StepGraph:
    graphs, model, placement = scenario.step_graphs, scenario.model, scenario.placement
    assert placement is not None
    shape = (model.layers, model.heads, model.kv_heads, scenario.cost.ffn_shards)
    key: Any = graphs.pattern  # all shipped patterns can be hashed
    return _kept_graph(key, *shape, placement.tobytes(), graphs.pieces(batch))


@lru_cache(maxsize=512)
def _kept_graph(
    pattern: Pattern, layers: int, heads: int, kv_heads: int, shards: int, placement: bytes, pieces: int
) -> StepGraph:
    # A graph depends on the numbers of blocks only, and not on their sizes.
    model = ModelSpec(
        name="", layers=layers, width=1, heads=heads, kv_heads=kv_heads, head_size=1, ffn_width=shards,
        gated_ffn=True, vocabulary=1,
    )  # fmt: skip
    build = pattern.graphs(block_table(model, ffn_shards=shards))
    others = () if pieces == 1 else (pieces,)
    return build(np.frombuffer(placement, dtype=np.int64), 0, *others)

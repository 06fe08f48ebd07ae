"""A custom execution pattern: the hub of each room adds partial sums before it sends them to the other room."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from headway import policies
from headway.simcore import (
    BlockTable,
    Chain,
    Cluster,
    DecodeCost,
    Device,
    GraphBuilder,
    IntArray,
    Link,
    Request,
    Scenario,
    Stage,
    StepGraph,
    preset,
    simulate,
)
from headway.simcore.steps.patterns import PATTERNS
from headway.simcore.world.cost import Projection
from headway.traces import Trace

NOTHING = {"kind": -1, "layer": -1}  # no block computes the first message of the source


@dataclass(frozen=True)
class TwoLevelStar:
    """As `sharded`, but each message between rooms passes the hub of the remote room, once for all its devices.

    Attributes:
        hub_of: for each device, the device that is the hub of its room.
    """

    name: ClassVar[str] = "two-level-star"
    projection: ClassVar[Projection] = "sharded"

    hub_of: tuple[int, ...]

    def chain(self, blocks: BlockTable) -> Chain:
        """The stages that policies see: those of `sharded`."""
        return PATTERNS.find("sharded").chain(blocks)

    def graphs(self, blocks: BlockTable) -> Callable[[IntArray, int], StepGraph]:
        chain = self.chain(blocks)

        def build(placement: IntArray, source: int) -> StepGraph:
            step, holder, before, last = GraphBuilder(), source, NOTHING, list[int]()
            for number, stage in enumerate(chain.stages):
                last = self._add(step, number, stage, placement, holder, before, last)
                holder, before = int(placement[stage.gathers]), {"kind": stage.kind, "layer": stage.layer}
            step.message(holder, source, chain.result, **before, stage=number, after=last)
            return step.graph()

        return build

    def _add(
        self,
        step: GraphBuilder,
        number: int,
        stage: Stage,
        placement: IntArray,
        start: int,
        before: dict[str, int],
        ready: list[int],
    ) -> list[int]:
        """Add a stage whose inputs and outputs pass the hubs; returns its last messages."""
        own, end = {"kind": stage.kind, "layer": stage.layer}, int(placement[stage.gathers])
        devices, counts = np.unique(placement[list(stage.rows)], return_counts=True)
        inputs, outputs = dict[int, int](), defaultdict[int, list[int]](list)
        for device, count in zip(devices.tolist(), counts.tolist(), strict=True):
            hub = self.hub_of[device]
            near = start if hub == self.hub_of[start] else hub
            if near not in inputs:
                inputs[near] = step.message(start, near, stage.input, **before, stage=number, after=ready)
            came = step.message(near, device, stage.input, **before, stage=number, after=[inputs[near]])
            task = step.task(device, stage.kind, count, layer=stage.layer, stage=number, after=[came])
            meets = end if hub == self.hub_of[end] else hub
            outputs[meets].append(
                step.message(device, meets, stage.output, **own, stage=number, after=[task])
            )
        return [
            step.message(hub, end, stage.output, **own, stage=number, after=sums)
            for hub, sums in outputs.items()
        ]


MODEL = replace(preset("tinyllama-1.1b"), layers=4)
BOARDS = tuple(
    Device(name=f"{room}-{i}", memory_bytes=4e9, flops=30e9, memory_bandwidth=8e9)
    for room in "AB"
    for i in range(4)
)
WIRE, BRIDGE = Trace.constant(940e6 / 8), Trace.constant(20e6 / 8)
LINKS = (
    Link(name="bridge", ends=("A-0", "B-0"), bandwidth=BRIDGE, latency_s=2e-3),
    *(
        Link(
            name=f"{room}-0 to {room}-{i}", ends=(f"{room}-0", f"{room}-{i}"), bandwidth=WIRE, latency_s=2e-4
        )
        for room in "AB"
        for i in range(1, 4)
    ),
)
WORLD = Scenario(
    name="two-rooms",
    model=MODEL,
    cost=DecodeCost(MODEL, projection="sharded"),
    cluster=Cluster(BOARDS, LINKS, "A-0"),
    requests=(Request(prompt=8, output=10),),
)


# The heads of every layer are spread over both rooms; A-0 has all other blocks.
PLACEMENT = np.arange(len(WORLD.block_table)) % len(BOARDS)
PLACEMENT[WORLD.block_table.proj] = PLACEMENT[WORLD.block_table.ffn] = 0

for execution in ("sharded", TwoLevelStar(hub_of=(0, 0, 0, 0, 4, 4, 4, 4))):
    result = simulate(replace(WORLD, placement=PLACEMENT, execution=execution), policies.create("pinned"))
    crossed = result.links[result.links.link == "bridge"].size_bytes.sum()
    name = execution if isinstance(execution, str) else execution.name
    print(
        f"{name}: {1e3 * result.tokens.latency_s.median():.1f} ms a token, {crossed / 1e3:.0f} kB over the bridge"
    )

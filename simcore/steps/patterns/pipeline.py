"""Layer pipelines: consecutive layers are on one device, which sends one hidden state to the next one.

A step goes through the stages of `gathered`, under any placement. Messages go from device to device, or through the
source, as in engines whose client moves all data. The result returns to the source directly, or through all devices in
reverse. A prefill may be processed in micro-batches: these follow each other through the devices, and each takes an
equal share of the time of the step. On N equal devices, M micro-batches take (M + N - 1) / (M N) of the time on one.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal, TypeAlias

import numpy as np

from headway.simcore.arrays import IntArray
from headway.simcore.steps.fork_join import Chain, Stage
from headway.simcore.steps.graph import NONE, GraphBuilder, StepGraph
from headway.simcore.steps.patterns.gathered import decoder
from headway.simcore.world.batch import Batch
from headway.simcore.world.blocks import BlockTable, Kind
from headway.simcore.world.cost import Payload, Projection

Way: TypeAlias = Literal["direct", "source"]
Back: TypeAlias = Literal["direct", "chain"]


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """See the module.

    Attributes:
        hops: messages between devices go `direct`, or through the `source`. The source then also drives the devices:
            it begins with a micro-batch when it has passed the one before to the last device.
        back: the result returns `direct`, or through the devices of the `chain` in reverse.
        result: `TOKEN` or `LOGITS`.
        micro_batch: most positions of a micro-batch; None: a step is never divided.
        delays: one-way delays that each message between devices takes. Protocols whose requests wait for responses take
            several: the others are of empty messages before it, in alternating directions.
        stage_syncs: time that a device needs to begin its part of a step, as a multiple of its time per message.
    """

    name: ClassVar[str] = "pipeline"
    projection: ClassVar[Projection] = "gathered"

    hops: Way = "direct"
    back: Back = "direct"
    result: Payload = Payload.TOKEN
    micro_batch: int | None = None
    delays: int = 1
    stage_syncs: float = 0.0

    def chain(self, blocks: BlockTable) -> Chain:
        """See `Pattern.chain`."""
        return decoder(blocks, heads_send=Payload.HEAD_OUTPUT)

    def pieces(self, batch: Batch) -> int:
        """The number of micro-batches of a step, by its longest sequence."""
        if self.micro_batch is None:
            return 1
        longest = max((one.tokens for one in batch), default=1)
        return max(1, math.ceil(longest / self.micro_batch))

    def graphs(self, blocks: BlockTable) -> Callable[..., StepGraph]:
        """See `Pattern.graphs`."""
        chain = self.chain(blocks)

        def build(placement: IntArray, source: int, pieces: int = 1) -> StepGraph:
            return _Steps(self, chain, placement, source, pieces).graph()

        return build


class _Steps:
    """Builds the graph of a step, micro-batch by micro-batch."""

    def __init__(
        self, pattern: Pipeline, chain: Chain, placement: IntArray, source: int, pieces: int
    ) -> None:
        self._pattern, self._chain, self._placement, self._source = pattern, chain, placement, source
        self._share = 1.0 / pieces
        self._pieces = pieces
        self._step = GraphBuilder()
        # The last node of the micro-batch before on each device; on a device, micro-batches do not overtake.
        self._before: dict[int, list[int]] = {}
        # The device of the last task, and the nodes after which a driving source begins with the next micro-batch.
        self._at = NONE
        self._passed: list[int] = []
        self._last = int(placement[[s for s in chain.stages if s.kind != Kind.LM_HEAD][-1].gathers])

    def graph(self) -> StepGraph:
        for piece in range(self._pieces):
            self._piece(last=piece == self._pieces - 1)
        return self._step.graph()

    def _piece(self, *, last: bool) -> None:
        driven = self._pattern.hops == "source"
        holder, ready, kind = self._source, list(self._passed) if driven else [], NONE
        self._at = NONE
        path, present = [self._source], dict[int, list[int]]()
        stages = [s for s in self._chain.stages if last or s.kind != Kind.LM_HEAD]
        for number, stage in enumerate(stages):
            share = 1.0 if stage.kind == Kind.LM_HEAD else self._share
            ready = self._stage(number, stage, holder, ready, kind, share, present)
            holder, kind = int(self._placement[stage.gathers]), stage.kind
            if holder != path[-1]:
                path.append(holder)
        if last:
            self._return(path, ready, kind, len(stages))
        else:
            present[holder] = [*present[holder], *ready]
            self._before = {**self._before, **present}

    def _stage(
        self,
        number: int,
        stage: Stage,
        holder: int,
        ready: list[int],
        kind: int,
        share: float,
        present: dict[int, list[int]],
    ) -> list[int]:
        """Add a stage; returns the nodes that the next one waits for."""
        devices, counts = np.unique(self._placement[list(stage.rows)], return_counts=True)
        end, outputs = int(self._placement[stage.gathers]), list[int]()
        numbers = {"layer": stage.layer, "stage": 3 * number}
        # A device sends before it computes its own part.
        arrived = [
            self._hop(holder, device, stage.input, share, kind, ready, numbers) for device in devices.tolist()
        ]
        for device, count, came in zip(devices.tolist(), counts.tolist(), arrived, strict=True):
            if device == self._last and device not in present and came is not ready:
                self._passed = came
            entering = [] if device in present else self._before.get(device, [])
            before = self._begin(device, [*came, *entering], numbers)
            task = self._step.task(
                device, stage.kind, count * share, **numbers | {"stage": 3 * number + 1}, after=before
            )
            present[device] = [task]
            times = share * (count if stage.output == Payload.HEAD_OUTPUT else 1)
            leaving = numbers | {"stage": 3 * number + 2}
            outputs += self._hop(device, end, stage.output, times, stage.kind, [task], leaving)
        return outputs

    def _begin(self, device: int, after: list[int], numbers: dict[str, int]) -> list[int]:
        """The start of the part of a device in the step; returns the nodes that its first task waits for."""
        moved, self._at = device != self._at, device
        if not moved or self._pattern.stage_syncs == 0.0:
            return after
        return [self._step.task(device, Kind.SYNC, self._pattern.stage_syncs, **numbers, after=after)]

    def _hop(
        self,
        start: int,
        end: int,
        payload: Payload,
        times: float,
        kind: int,
        after: list[int],
        numbers: dict[str, int],
    ) -> list[int]:
        """Send a payload from device to device; returns the nodes after which it has arrived."""
        if start == end:
            return after
        through = [start, end]
        if self._pattern.hops == "source" and self._source not in through:
            through.insert(1, self._source)
        for sender, receiver in pairwise(through):
            for left in range(self._pattern.delays, 0, -1):
                a, b = (sender, receiver) if left % 2 else (receiver, sender)
                carried = times if left == 1 else 0.0
                sync = self._step.task(a, Kind.SYNC, **numbers, after=after)
                after = [self._step.message(a, b, payload, carried, kind=kind, **numbers, after=[sync])]
        return after

    def _return(self, path: list[int], ready: list[int], kind: int, number: int) -> None:
        """Send the result to the source; the last node of the graph is a join there."""
        has_output_head = self._chain.result == Payload.TOKEN
        payload = self._pattern.result if has_output_head else self._chain.result
        numbers = {"layer": self._chain.stages[-1].layer, "stage": 3 * number}
        way = path[::-1]
        way = way[: way.index(self._source) + 1] if self._pattern.back == "chain" else [way[0], self._source]
        for start, end in pairwise(way):
            ready = self._hop(start, end, payload, 1.0, kind, ready, numbers)
        self._step.join(self._source, layer=numbers["layer"], stage=3 * number + 1, after=ready)

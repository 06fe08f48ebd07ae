"""One token, as events.

Layer by layer: the device with the layer's input sends it to every device that hosts a head; each computes its heads
and sends their outputs to the projection, which starts when the last has come; the projection sends to every device
that hosts a shard of the feed-forward network (of which there is one, unless it is cut into several); their sums meet
at the first shard and stay there as the next layer's input. In the end the output head computes and the token returns
to the source.
"""

from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import simpy

from simcore.arrays import FloatArray, IntArray
from simcore.engine.compute import Processor
from simcore.engine.network.network import Network
from simcore.instrument import Compute, Message, Probe
from simcore.world.blocks import BlockTable, Kind
from simcore.world.cost import Stage, StepCost

Events: TypeAlias = Generator[simpy.Event, Any, None]


@dataclass
class Parts:
    """Where the time of a token went, along the chain of tasks and messages that ended last."""

    compute_s: float = 0.0
    disk_s: float = 0.0
    transfer_s: float = 0.0
    wait_s: float = 0.0

    def add(self, other: "Parts") -> None:
        """Lengthen the chain by another one."""
        self.compute_s += other.compute_s
        self.disk_s += other.disk_s
        self.transfer_s += other.transfer_s
        self.wait_s += other.wait_s


@dataclass(frozen=True)
class Layer:
    """Where one layer lives.

    Attributes:
        heads: how many heads are on which device, as pairs of device and count.
        proj: device of the projection.
        shards: how many shards of the feed-forward network are on which device, likewise.
        ffn: device of the first shard, which holds the layer's output.
    """

    heads: tuple[tuple[int, int], ...]
    proj: int
    shards: tuple[tuple[int, int], ...]
    ffn: int


@dataclass(frozen=True)
class Pipeline:
    """A placement as a token meets it. `embed` and `lm_head` are None when they are not blocks."""

    source: int
    embed: int | None
    layers: tuple[Layer, ...]
    lm_head: int | None


def pipeline(blocks: BlockTable, devices: IntArray, source: int) -> Pipeline:
    """The way of a token under the placement `devices`, shape (blocks,)."""
    layers = []
    for heads, proj, shards in zip(blocks.heads, blocks.proj, blocks.shards, strict=True):
        layers.append(
            Layer(
                heads=_counted(devices[heads]),
                proj=int(devices[proj]),
                shards=_counted(devices[shards]),
                ffn=int(devices[shards[0]]),
            )
        )
    return Pipeline(
        source=source,
        embed=None if blocks.embed is None else int(devices[blocks.embed]),
        layers=tuple(layers),
        lm_head=None if blocks.lm_head is None else int(devices[blocks.lm_head]),
    )


def _counted(devices: IntArray) -> tuple[tuple[int, int], ...]:
    return tuple(sorted(Counter(devices.tolist()).items()))


@dataclass(frozen=True, eq=False)
class Decoder:
    """What a token needs of the simulated world.

    Attributes:
        env: the SimPy environment.
        network: carries the messages.
        processors: one per device.
        probe: is told of every computation and message, if there is one.
    """

    env: simpy.Environment
    network: Network
    processors: Sequence[Processor]
    probe: Probe | None = None

    def token(
        self, way: Pipeline, cost: StepCost, nominal_s: FloatArray, disk_s: FloatArray, parts: Parts
    ) -> Events:
        """Make one token.

        Args:
            way: where the blocks are.
            cost: what the step costs.
            nominal_s: seconds of a block of each kind on each fully available device, shape (5, devices).
            disk_s: seconds that a block of each kind waits for the disk of each device, shape (5, devices).
            parts: receives the time of the critical chain.
        """
        step = _Step(self, cost, nominal_s.tolist(), disk_s.tolist())
        holder = way.source
        if way.embed is not None:
            yield from step.send(way.source, way.embed, cost.prompt_bytes, parts)
            yield from step.compute(way.embed, Kind.EMBED, 1, parts)
            holder = way.embed
        attention, feed_forward = cost.attention, cost.feed_forward
        for number, layer in enumerate(way.layers):
            step.layer = number
            yield from step.side_by_side(attention, holder, layer.heads, layer.proj, parts)
            yield from step.compute(layer.proj, Kind.PROJ, 1, parts)
            yield from step.side_by_side(feed_forward, layer.proj, layer.shards, layer.ffn, parts)
            holder = layer.ffn
        last = Kind.FFN
        if way.lm_head is not None:
            step.layer = len(way.layers)
            yield from step.send(holder, way.lm_head, step.out[Kind.FFN], parts)
            yield from step.compute(way.lm_head, Kind.LM_HEAD, 1, parts)
            holder, last = way.lm_head, Kind.LM_HEAD
        yield from step.send(holder, way.source, step.out[last], parts)


class _Step:
    """The moves of one step, with its costs at hand as plain numbers."""

    def __init__(
        self, decoder: Decoder, cost: StepCost, nominal_s: list[list[float]], disk_s: list[list[float]]
    ) -> None:
        self.env = decoder.env
        self.network = decoder.network
        self.processors = decoder.processors
        self.probe = decoder.probe
        self.layer = -1
        self.out: list[float] = cost.out_bytes.tolist()
        self.nominal_s = nominal_s
        self.disk_s = disk_s

    def side_by_side(
        self, stage: Stage, start: int, hosts: tuple[tuple[int, int], ...], end: int, parts: Parts
    ) -> Events:
        """All blocks of a stage, in parallel on their devices, until the last output has come to `end`."""
        if len(hosts) == 1:
            yield from self.branch(stage, start, *hosts[0], end, parts)
            return
        chains = [Parts() for _ in hosts]
        branches = [
            self.branch(stage, start, device, count, end, chain)
            for (device, count), chain in zip(hosts, chains, strict=True)
        ]
        ends = [self.env.process(branch) for branch in branches]
        for one in ends:
            one.defused = True  # what goes wrong on one branch is told here, where all are waited for
        try:
            arrivals = (yield self.env.all_of(ends)).values()
        finally:
            for branch in branches:
                branch.close()
        _, critical = max(zip(arrivals, chains, strict=True), key=lambda pair: pair[0])
        parts.add(critical)

    def branch(
        self, stage: Stage, start: int, device: int, count: int, end: int, parts: Parts
    ) -> Generator[simpy.Event, Any, float]:
        """The blocks of a stage on one device; returns when their outputs have come to `end`."""
        yield from self.send(start, device, stage.input_bytes, parts)
        yield from self.compute(device, stage.kind, count, parts)
        yield from self.send(device, end, count * stage.block_bytes + stage.sum_bytes, parts)
        return self.env.now

    def compute(self, device: int, kind: Kind, count: int, parts: Parts) -> Events:
        """`count` blocks of one kind, one after another."""
        begin = self.env.now
        nominal_s = count * self.nominal_s[kind][device]
        delays = yield self.processors[device].submit(nominal_s, count * self.disk_s[kind][device])
        parts.wait_s += delays.wait_s
        parts.disk_s += delays.disk_s
        parts.compute_s += self.env.now - begin - delays.wait_s - delays.disk_s
        if self.probe is not None:
            start, end = begin + delays.wait_s, self.env.now
            self.probe(Compute(device, kind, self.layer, count, begin, start, delays.disk_s, end, nominal_s))

    def send(self, start: int, end: int, size_bytes: float, parts: Parts) -> Events:
        """One message."""
        if start == end:
            return
        begin = self.env.now
        flow = yield from self.network.send(start, end, size_bytes)
        parts.transfer_s += self.env.now - begin
        if self.probe is not None and flow is not None:
            self.probe(Message(start, end, size_bytes, begin, *flow, self.env.now))

"""One token, as events.

Layer by layer: the device with the layer's input sends it to every device that hosts a head; each computes its heads
and sends their outputs to the projection, which starts when the last has come; the projection sends to the
feed-forward network, where the result stays as the next layer's input. In the end the output head computes and the
token returns to the source.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import simpy

from simcore.arrays import FloatArray, IntArray
from simcore.blocks import BlockTable, Kind
from simcore.compute import FifoProcessor
from simcore.cost import StepCost
from simcore.network import Network

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
    """Where one layer lives: how many heads on which device, the projection, the feed-forward network."""

    heads: tuple[tuple[int, int], ...]
    proj: int
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
    for heads, proj, ffn in zip(blocks.heads, blocks.proj, blocks.ffn, strict=True):
        hosts: dict[int, int] = {}
        for device in devices[heads].tolist():
            hosts[device] = hosts.get(device, 0) + 1
        layers.append(Layer(tuple(sorted(hosts.items())), int(devices[proj]), int(devices[ffn])))
    return Pipeline(
        source=source,
        embed=None if blocks.embed is None else int(devices[blocks.embed]),
        layers=tuple(layers),
        lm_head=None if blocks.lm_head is None else int(devices[blocks.lm_head]),
    )


@dataclass(frozen=True, eq=False)
class Decoder:
    """What a token needs of the simulated world.

    Attributes:
        env: the SimPy environment.
        network: carries the messages.
        processors: one per device.
    """

    env: simpy.Environment
    network: Network
    processors: Sequence[FifoProcessor]

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
        for layer in way.layers:
            yield from step.attention(holder, layer, parts)
            yield from step.compute(layer.proj, Kind.PROJ, 1, parts)
            yield from step.send(layer.proj, layer.ffn, step.out[Kind.PROJ], parts)
            yield from step.compute(layer.ffn, Kind.FFN, 1, parts)
            holder = layer.ffn
        last = Kind.FFN
        if way.lm_head is not None:
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
        self.out: list[float] = cost.out_bytes.tolist()
        self.input_bytes = cost.input_bytes
        self.nominal_s = nominal_s
        self.disk_s = disk_s

    def attention(self, holder: int, layer: Layer, parts: Parts) -> Events:
        """All heads of a layer, in parallel on their devices, until the last output is at the projection."""
        if len(layer.heads) == 1:
            yield from self.branch(holder, *layer.heads[0], layer.proj, parts)
            return
        chains = [Parts() for _ in layer.heads]
        ends = [
            self.env.process(self.branch(holder, device, heads, layer.proj, chain))
            for (device, heads), chain in zip(layer.heads, chains, strict=True)
        ]
        arrivals = (yield self.env.all_of(ends)).values()
        _, critical = max(zip(arrivals, chains, strict=True), key=lambda pair: pair[0])
        parts.add(critical)

    def branch(
        self, holder: int, device: int, heads: int, proj: int, parts: Parts
    ) -> Generator[simpy.Event, Any, float]:
        """The heads of one layer on one device; returns when their outputs have reached the projection."""
        yield from self.send(holder, device, self.input_bytes, parts)
        yield from self.compute(device, Kind.HEAD, heads, parts)
        yield from self.send(device, proj, heads * self.out[Kind.HEAD], parts)
        return self.env.now

    def compute(self, device: int, kind: Kind, count: int, parts: Parts) -> Events:
        """`count` blocks of one kind, one after another."""
        begin = self.env.now
        disk_s = count * self.disk_s[kind][device]
        end, wait_s = self.processors[device].submit(count * self.nominal_s[kind][device], disk_s)
        yield end
        parts.wait_s += wait_s
        parts.disk_s += disk_s
        parts.compute_s += self.env.now - begin - wait_s - disk_s

    def send(self, start: int, end: int, size_bytes: float, parts: Parts) -> Events:
        """One message."""
        if start == end:
            return
        begin = self.env.now
        yield from self.network.send(start, end, size_bytes)
        parts.transfer_s += self.env.now - begin

"""Steps of tensor-parallel engines: every device works on its part of every layer.

The devices of a step are the source, which is the root of the engine, and all others with heads or shards of
feed-forward networks. A builder keeps, for each of them, the nodes that its next task or message waits for.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from headway.simcore.arrays import IntArray
from headway.simcore.steps.graph import NONE, GraphBuilder, StepGraph
from headway.simcore.world.blocks import BlockTable, Kind
from headway.simcore.world.cost import Payload


@dataclass(frozen=True)
class Share:
    """The part of a device in a layer.

    Attributes:
        heads: key/value heads on it.
        of_heads: their share of all heads of the layer.
        shards: blocks of the feed-forward network on it.
        of_shards: their share of all shards of the layer.
    """

    heads: int
    of_heads: float
    shards: int
    of_shards: float


@dataclass
class TensorStep:
    """The graph of a step, built layer by layer.

    Attributes:
        blocks: of the model.
        placement: device of each block, shape (blocks,).
        root: the device with the prompt.
        devices: all devices of the step, in order.
        layer: the present layer; -1 before the first one.
    """

    blocks: BlockTable
    placement: IntArray
    root: int
    devices: list[int] = field(init=False)
    layer: int = -1
    _ready: dict[int, list[int]] = field(init=False)
    _connection: dict[tuple[int, int], tuple[int, ...]] = field(default_factory=dict)
    _graph: GraphBuilder = field(default_factory=GraphBuilder)
    _kind: int = NONE
    _stages: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        rows = np.concatenate((self.blocks.heads.ravel(), self.blocks.shards.ravel()))
        self.devices = sorted({self.root, *self.placement[rows].tolist()})
        self._ready = {device: [] for device in self.devices}

    @property
    def workers(self) -> list[int]:
        """All devices but the root."""
        return [device for device in self.devices if device != self.root]

    def shares(self) -> dict[int, Share]:
        """The part of each device in the present layer."""
        heads, shards = (self.placement[rows[self.layer]] for rows in (self.blocks.heads, self.blocks.shards))
        of = {}
        for device in self.devices:
            n_heads, n_shards = int((heads == device).sum()), int((shards == device).sum())
            of[device] = Share(n_heads, n_heads / len(heads), n_shards, n_shards / len(shards))
        return of

    def work(self, device: int, kind: Kind, blocks: float = 1.0) -> None:
        """A task on a device, if it has any part of it."""
        if blocks > 0.0:
            self._ready[device] = [
                self._graph.task(
                    device, kind, blocks, layer=self.layer, stage=self._stage(), after=self._ready[device]
                )
            ]
            self._kind = kind if kind != Kind.SYNC else self._kind

    def exchange(self, messages: Iterable[tuple[int, int, Payload, float]]) -> None:
        """Send messages at the same time; each receiver then waits for all that it receives.

        A message waits for the one before it from the same sender to the same receiver: they share a connection.

        Args:
            messages: sender, receiver, payload, and how many times it is carried. Those within a device, and those that
                carry nothing, are left out.
        """
        sent = [one for one in messages if one[0] != one[1] and one[3] > 0.0]
        for sender in sorted({one[0] for one in sent}):
            self.work(sender, Kind.SYNC, sum(one[0] == sender for one in sent))
        stage, arriving = self._stage(), dict[int, list[int]]()
        for sender, receiver, payload, times in sent:
            after = [*self._ready[sender], *self._connection.get((sender, receiver), ())]
            message = self._graph.message(
                sender, receiver, payload, times, kind=self._kind, layer=self.layer, stage=stage, after=after
            )
            self._connection[sender, receiver] = (message,)
            arriving.setdefault(receiver, []).append(message)
        for receiver, nodes in arriving.items():
            self._ready[receiver] = [*self._ready[receiver], *nodes]

    def broadcast(self, payload: Payload, times: float = 1.0) -> None:
        """The root sends a payload to every worker."""
        self.exchange((self.root, worker, payload, times) for worker in self.workers)

    def embed(self) -> None:
        """The embedding, whose output is at the root."""
        if self.blocks.embed is None:
            return
        device = int(self.placement[self.blocks.embed])
        self._ready.setdefault(device, [])
        self.exchange([(self.root, device, Payload.PROMPT, 1.0)])
        self.work(device, Kind.EMBED)
        self.exchange([(device, self.root, Payload.HIDDEN, 1.0)])

    def output_at_root(self) -> StepGraph:
        """The output head on its device, for the last layer's output at the root; the token returns to the root."""
        self.layer = self.blocks.layers
        if self.blocks.lm_head is not None:
            device = int(self.placement[self.blocks.lm_head])
            self._ready.setdefault(device, [])
            self.exchange([(self.root, device, Payload.LAST_HIDDEN, 1.0)])
            self.work(device, Kind.LM_HEAD)
            self.exchange([(device, self.root, Payload.TOKEN, 1.0)])
        return self._end()

    def output_of_all(self) -> StepGraph:
        """The output head, split over the vocabulary; each device has its input, and sends its scores to the root.

        The work of the output head is split as the shards of the last feed-forward network are. Its memory is counted
        on the device of its block.
        """
        parts = self.shares()
        self.layer = self.blocks.layers
        if self.blocks.lm_head is not None:
            for device, share in parts.items():
                self.work(device, Kind.LM_HEAD, share.of_shards)
            self.exchange(
                (device, self.root, Payload.LOGITS, share.of_shards) for device, share in parts.items()
            )
        return self._end()

    def _end(self) -> StepGraph:
        """The graph; its last node is a join at the root."""
        everything = [node for nodes in self._ready.values() for node in nodes]
        self._graph.join(self.root, layer=self.layer, stage=self._stage(), after=everything)
        return self._graph.graph()

    def _stage(self) -> int:
        return next(self._stages)

"""Patterns of a root that broadcasts to its workers and gathers their outputs.

They are those of distributed-llama, by the number of round trips in each layer: `star-4` (versions 0.1 to 0.3),
`star-3` (0.5 to 0.7.0) and `star-2` (0.7.1 to 0.10). The root is the source. It also does `Kind.LAYER` once per layer.
The output head is where its block is.

Under `star-4` the root computes the attention of all heads. The memory of their caches is still counted on the devices
of the heads.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from headway.simcore.arrays import IntArray
from headway.simcore.steps.fork_join import Chain
from headway.simcore.steps.graph import StepGraph
from headway.simcore.steps.patterns.sharded import Sharded
from headway.simcore.steps.patterns.tensor import TensorStep
from headway.simcore.world.blocks import BlockTable, Kind
from headway.simcore.world.cost import Payload, Projection


@dataclass(frozen=True)
class Star:
    """See the module.

    Attributes:
        round_trips: in each layer: 2, 3 or 4.
    """

    projection: ClassVar[Projection] = "sharded"

    round_trips: int

    @property
    def name(self) -> str:
        """The name in scenarios."""
        return f"star-{self.round_trips}"

    def chain(self, blocks: BlockTable) -> Chain:
        """See `Pattern.chain`: policies see the stages of `sharded`."""
        return Sharded().chain(blocks)

    def graphs(self, blocks: BlockTable) -> Callable[[IntArray, int], StepGraph]:
        """See `Pattern.graphs`."""
        attend = _attend_at_root if self.round_trips == 4 else partial(_add_sums, kind=Kind.HEAD)
        feed_forward = partial(_add_sums, kind=Kind.FFN) if self.round_trips == 2 else _gather_inner

        def build(placement: IntArray, source: int) -> StepGraph:
            step = TensorStep(blocks, placement, source)
            step.embed()
            for step.layer in range(blocks.layers):
                step.work(source, Kind.LAYER)
                attend(step)
                feed_forward(step)
            return step.output_at_root()

        return build


def _attend_at_root(step: TensorStep) -> None:
    """Workers compute queries, keys and values of their heads; the root attends; workers have rows of W_O each."""
    parts = step.shares()
    step.broadcast(Payload.HIDDEN)
    for device, share in parts.items():
        step.work(device, Kind.QKV, share.heads)
    step.exchange((device, step.root, Payload.QKV, share.heads) for device, share in parts.items())
    heads = sum(share.heads for share in parts.values())
    step.work(step.root, Kind.ATTENTION, heads)
    step.broadcast(Payload.HEAD_OUTPUT, heads)
    for device, share in parts.items():
        step.work(device, Kind.OUT, share.heads)
    step.exchange((device, step.root, Payload.HIDDEN, share.of_heads) for device, share in parts.items())


def _add_sums(step: TensorStep, kind: Kind) -> None:
    """Workers compute their heads or their shards and send partial sums, which the root adds."""
    parts = step.shares().items()
    blocks = {device: share.heads if kind == Kind.HEAD else share.shards for device, share in parts}
    step.broadcast(Payload.HIDDEN)
    for device, count in blocks.items():
        step.work(device, kind, count)
    step.exchange(
        (device, step.root, Payload.PARTIAL_SUM, float(count > 0)) for device, count in blocks.items()
    )


def _gather_inner(step: TensorStep) -> None:
    """The root gathers the inner numbers of all shards and sends each worker those of the others."""
    parts, root = step.shares(), step.root
    step.broadcast(Payload.HIDDEN)
    for device, share in parts.items():
        step.work(device, Kind.FFN_UP, share.shards)
    step.exchange((device, root, Payload.INNER, share.of_shards) for device, share in parts.items())
    step.exchange((root, device, Payload.INNER, 1.0 - parts[device].of_shards) for device in step.workers)
    for device, share in parts.items():
        step.work(device, Kind.FFN_DOWN, share.shards)
    step.exchange((device, root, Payload.HIDDEN, share.of_shards) for device, share in parts.items())

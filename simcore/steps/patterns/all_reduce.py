"""Patterns in which all devices add their partial sums twice per layer, so that each has the result.

- `mesh-2`: each device sends its whole sum to every other, as distributed-llama does since 0.11.
- `ring`: in 2 (N - 1) rounds, each device sends 1 / N of the sum to the next one: first the parts are added up, then
  the results go round (Patarasuk and Yuan, Journal of Parallel and Distributed Computing 69(2), 2009).
- `recursive-doubling`: in log2 N rounds, each device exchanges its whole sum with a partner at twice the distance of
  the round before (Thakur, Rabenseifner and Gropp, International Journal of High Performance Computing Applications
  19(1), 2005). If N is not a power of two, the last devices first add their sums to those of others, and receive the
  result at the end.

First the source sends the input of the first layer to all. Every device does `Kind.LAYER` in each layer. The output
head is split over the vocabulary, and its scores are sent to the source.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from headway.simcore.arrays import IntArray
from headway.simcore.steps.fork_join import Chain
from headway.simcore.steps.graph import StepGraph
from headway.simcore.steps.patterns.sharded import Sharded
from headway.simcore.steps.patterns.tensor import TensorStep
from headway.simcore.world.blocks import BlockTable, Kind
from headway.simcore.world.cost import Payload, Projection


@dataclass(frozen=True)
class AllReduce:
    """See the module.

    Attributes:
        name: in scenarios.
        add: exchanges the partial sums of all devices of a step.
    """

    projection: ClassVar[Projection] = "sharded"

    name: str
    add: Callable[[TensorStep], None]

    def chain(self, blocks: BlockTable) -> Chain:
        """See `Pattern.chain`: policies see the stages of `sharded`."""
        return Sharded().chain(blocks)

    def graphs(self, blocks: BlockTable) -> Callable[[IntArray, int], StepGraph]:
        """See `Pattern.graphs`."""

        def build(placement: IntArray, source: int) -> StepGraph:
            step = TensorStep(blocks, placement, source)
            step.embed()
            step.broadcast(Payload.EMBEDDING)
            for step.layer in range(blocks.layers):
                parts = step.shares()
                for device, share in parts.items():
                    step.work(device, Kind.LAYER)
                    step.work(device, Kind.HEAD, share.heads)
                self.add(step)
                for device, share in parts.items():
                    step.work(device, Kind.FFN, share.shards)
                self.add(step)
            return step.output_of_all()

        return build


def to_all(step: TensorStep) -> None:
    """Each device sends its sum to every other."""
    step.exchange((a, b, Payload.PARTIAL_SUM, 1.0) for a in step.devices for b in step.devices)


def around_ring(step: TensorStep) -> None:
    """Parts of the sum go round the ring twice."""
    devices, n = step.devices, len(step.devices)
    for _ in range(2 * (n - 1)):
        step.exchange(
            (device, devices[(i + 1) % n], Payload.PARTIAL_SUM, 1.0 / n) for i, device in enumerate(devices)
        )


def by_doubling(step: TensorStep) -> None:
    """Pairs of devices exchange their sums, at distances 1, 2, 4, ..."""
    devices = step.devices
    whole = 1 << (len(devices).bit_length() - 1)
    others = [(last, devices[i]) for i, last in enumerate(devices[whole:])]
    step.exchange((last, first, Payload.PARTIAL_SUM, 1.0) for last, first in others)
    distance = 1
    while distance < whole:
        step.exchange((devices[i], devices[i ^ distance], Payload.PARTIAL_SUM, 1.0) for i in range(whole))
        distance *= 2
    step.exchange((first, last, Payload.PARTIAL_SUM, 1.0) for last, first in others)

"""The pattern of Megatron-LM (Shoeybi et al., arXiv 1909.08053): each head carries its rows of W_O.

A step is as in `gathered`, but a device sends one partial sum for all its heads together instead of their outputs, and
the block of the projection only adds them up.
"""

from dataclasses import dataclass
from typing import ClassVar

from headway.simcore.steps.fork_join import Chain, ForkJoin
from headway.simcore.steps.patterns.gathered import decoder
from headway.simcore.world.blocks import BlockTable
from headway.simcore.world.cost import Payload, Projection


@dataclass(frozen=True)
class Sharded:
    """Devices send one partial sum for all their heads."""

    name: ClassVar[str] = "sharded"
    projection: ClassVar[Projection] = "sharded"

    def chain(self, blocks: BlockTable) -> Chain:
        """See `Pattern.chain`."""
        return decoder(blocks, heads_send=Payload.PARTIAL_SUM)

    def graphs(self, blocks: BlockTable) -> ForkJoin:
        """See `Pattern.graphs`."""
        return ForkJoin(self.chain(blocks))

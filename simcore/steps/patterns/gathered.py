"""The pattern of the paper: the outputs of all heads of a layer are gathered at its output projection.

From the prompt to the token, under any placement:

1. The source sends the token ids to the device of the embedding, if that is a block.
2. In each layer, the device with the layer's input sends it to every device that hosts a head of the layer. Each
   computes its heads and sends their outputs, as one message, to the output projection.
3. The projection computes when the last output has come, and sends its own to every device with a shard of the
   feed-forward network, of which there is one unless it is cut into several.
4. The device of the first shard adds the partial sums and keeps the result, which is the input of the next layer.
5. After the last layer the output head computes, if it is a block, and the token returns to the source.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from headway.simcore.steps.fork_join import Chain, ForkJoin, Stage
from headway.simcore.world.blocks import BlockTable, Kind
from headway.simcore.world.cost import Payload, Projection


@dataclass(frozen=True)
class Gathered:
    """Heads send their outputs to a projection that holds W_O."""

    name: ClassVar[str] = "gathered"
    projection: ClassVar[Projection] = "gathered"

    def chain(self, blocks: BlockTable) -> Chain:
        """See `Pattern.chain`."""
        return decoder(blocks, heads_send=Payload.HEAD_OUTPUT)

    def graphs(self, blocks: BlockTable) -> ForkJoin:
        """See `Pattern.graphs`."""
        return ForkJoin(self.chain(blocks))


def decoder(blocks: BlockTable, heads_send: Payload) -> Chain:
    """A decoder in which devices with heads send `heads_send` to the projection."""
    result = Payload.LAST_HIDDEN if blocks.lm_head is None else Payload.TOKEN
    return Chain(tuple(_stages(blocks, heads_send)), result)


def _stages(blocks: BlockTable, heads_send: Payload) -> Iterator[Stage]:
    hidden = Payload.HIDDEN
    if blocks.embed is not None:
        yield Stage(Kind.EMBED, -1, (blocks.embed,), Payload.PROMPT, hidden, gathers=blocks.embed)
    for layer in range(blocks.layers):
        heads, proj, shards = (rows[layer].tolist() for rows in (blocks.heads, blocks.proj, blocks.shards))
        yield Stage(Kind.HEAD, layer, tuple(heads), hidden, heads_send, gathers=proj)
        yield Stage(Kind.PROJ, layer, (proj,), heads_send, hidden, gathers=proj)
        yield Stage(Kind.FFN, layer, tuple(shards), hidden, Payload.PARTIAL_SUM, gathers=shards[0])
    if blocks.lm_head is not None:
        inputs = Payload.LAST_HIDDEN
        yield Stage(
            Kind.LM_HEAD, blocks.layers, (blocks.lm_head,), inputs, Payload.TOKEN, gathers=blocks.lm_head
        )

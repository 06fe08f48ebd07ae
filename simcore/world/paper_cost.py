"""The cost model of *Large Language Model Partitioning for Low-Latency Inference at the Edge* (arXiv 2505.02533)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from headway.simcore.arrays import FloatArray
from headway.simcore.world.batch import Batch, Totals, totals
from headway.simcore.world.blocks import Kind
from headway.simcore.world.cost import TOKEN_ID_BYTES, Projection, StepCost, check_shards, columns
from headway.simcore.world.model import ModelSpec


@dataclass(frozen=True)
class PaperCost:
    """The paper's cost of one decoder layer, one FLOP per multiply-accumulate, as its author's published code counts.

    The cache of one head is counted over the full width and only for generated tokens; it costs memory and saves no
    work. Activations are part of what blocks hold. The embedding and the output head do not exist in that model and
    cost nothing here.

    Attributes:
        model: one or more layers; `bytes_per_activation` is the paper's bytes per number.
        ffn_factor: work of the feed-forward network in units of L * D^2. Two D x 4D matrices give 8; the author's code
            has 0.8, kept reachable so that its influence on the paper's claims can be shown.
        ffn_shards: as in `DecodeCost`; beyond the paper.
        projection: as in `DecodeCost`; beyond the paper.
    """

    name: ClassVar[str] = "paper"

    model: ModelSpec
    ffn_factor: float = 8.0
    ffn_shards: int = 1
    projection: Projection = "gathered"

    def __post_init__(self) -> None:
        check_shards(self.ffn_shards, self.model)

    @property
    def idle_memory_bytes(self) -> FloatArray:
        """The weights that the paper counts: W_Q, W_K and W_V of each head, shape (kinds,)."""
        m = self.model
        head = 3.0 * m.width * self._head_width * m.bytes_per_activation
        return np.array([head if kind in (Kind.HEAD, Kind.QKV) else 0.0 for kind in Kind])

    def step(self, batch: Batch) -> StepCost:
        """The cost of one step, see `CostModel.step`."""
        return self.of_totals(totals(batch))

    def of_totals(self, of: Totals) -> StepCost:
        """The cost of one step, or of several."""
        m, b = self.model, self.model.bytes_per_activation
        weights = 3.0 * m.width * self._head_width * b
        activation_bytes = 3.0 * (of.cached * self._head_width * b)
        cache_bytes = of.generated * m.width * b * m.group
        head_bytes = activation_bytes + cache_bytes
        held_bytes = of.cached * m.width * b
        full_bytes = of.lengths * m.width * b
        qkv_flop = 3.0 * of.lengths * m.width * self._head_width
        attention_flop = of.squares * self._head_width
        out_flop = of.lengths * self._head_width * m.width
        head_flop = qkv_flop + attention_flop
        proj_flop = of.lengths * m.width * m.width
        ffn_flop = self.ffn_factor * proj_flop / self.ffn_shards
        nothing = 0.0 * of.tokens
        if self.projection == "sharded":
            head_flop, proj_flop = head_flop + out_flop, nothing
        parts = qkv_flop, attention_flop, out_flop, ffn_flop / 2.0, ffn_flop / 2.0
        ffn_bytes = 4.0 * held_bytes / self.ffn_shards
        return StepCost(
            memory_bytes=columns(
                *(weights + head_bytes, held_bytes, ffn_bytes, nothing, nothing),
                *(weights + activation_bytes, cache_bytes, nothing, ffn_bytes / 2.0, ffn_bytes / 2.0),
                *(nothing, nothing),
            ),
            work_flop=columns(head_flop, proj_flop, ffn_flop, nothing, nothing, *parts, nothing, nothing),
            weight_bytes=columns(*len(Kind) * (nothing,)),
            kv_bytes=columns(*len(Kind) * (nothing,)),
            message_bytes=columns(
                TOKEN_ID_BYTES * of.lengths,
                full_bytes,
                of.lengths * self._head_width * b,
                full_bytes,
                full_bytes,
                TOKEN_ID_BYTES * of.new_tokens,
                3.0 * of.lengths * self._head_width * b,
                4.0 * full_bytes,
                full_bytes,
                nothing,
            ),
            activation_bytes=nothing,
        )

    @property
    def _head_width(self) -> float:
        return self.model.width / self.model.kv_heads

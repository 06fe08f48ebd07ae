"""The cost model of a decoder with a K/V cache, as a real engine runs it."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from headway.simcore.arrays import FloatArray, sealed
from headway.simcore.world.batch import Batch, Totals, Windows, totals
from headway.simcore.world.cost import TOKEN_ID_BYTES, Projection, StepCost, check_shards, columns
from headway.simcore.world.model import ModelSpec


@dataclass(frozen=True, kw_only=True)
class WireFormat:
    """Bytes of one number in messages, by what they carry; None: `bytes_per_activation` of the model.

    Quantised numbers travel in blocks: 32 numbers of 8 bits with a 16-bit scale take 34 / 32 bytes each.

    Attributes:
        hidden: hidden states and the outputs of heads, also before their projection.
        partial_sum: partial sums of hidden states.
        embedding: the input of the first layer.
        logits: scores of the vocabulary.
        top_k: number of scores that are sent, each with a token id; None: all.
    """

    hidden: float | None = None
    partial_sum: float | None = None
    embedding: float | None = None
    logits: float | None = None
    top_k: int | None = None


@dataclass(frozen=True, kw_only=True)
class EngineWork:
    """The work of an inference engine in addition to that of an ideal decoder.

    Attributes:
        layer_bytes: bytes that `Kind.LAYER` reads per layer, position and number of the hidden state.
        lm_head_reads: how often the output head reads its weights.
        attention_work: factor on the work of attention: engines reach a lower speed in it than in matrices.
        expert_reads: factor on the bytes of weights that experts read: small matrices, chosen token by token, are read
            at a lower rate than large ones.
        expert_work: factor on the work of experts.
    """

    layer_bytes: float = 0.0
    lm_head_reads: float = 1.0
    attention_work: float = 1.0
    expert_reads: float = 1.0
    expert_work: float = 1.0


@dataclass(frozen=True)
class DecodeCost:
    """New tokens of a K/V-cached decoder; one multiply-accumulate is 2 FLOP.

    Normalisation, residual and rotary terms are negligible and left out. Every block works on all positions of the step
    with its weights read once; the output head works on the last position of each sequence that gets a token.

    Attributes:
        model: the decoder.
        ffn_shards: into how many blocks of columns each feed-forward network is cut; each has its share of the weights
            and gives a partial sum.
        projection: `gathered`, heads send their outputs to a projection that holds W_O; or `sharded`, each head carries
            its rows of W_O, devices send partial sums, and the projection block only adds them up (Shoeybi et al.,
            arXiv 1909.08053).
        wire: bytes of numbers in messages.
        engine: work of the inference engine beyond that of the decoder.
    """

    name: ClassVar[str] = "decode"

    model: ModelSpec
    ffn_shards: int = 1
    projection: Projection = "gathered"
    wire: WireFormat = WireFormat()
    engine: EngineWork = EngineWork()

    def __post_init__(self) -> None:
        check_shards(self.ffn_shards, self.model)

    @property
    def idle_memory_bytes(self) -> FloatArray:
        """Weights alone, shape (kinds,)."""
        return sealed(np.array(self._held_weights) * self.model.bytes_per_weight)

    @property
    def windows(self) -> Windows:
        """The attention windows of the model."""
        return self.model.windows

    def step(self, batch: Batch) -> StepCost:
        """The cost of one step, see `CostModel.step`."""
        return self.of_totals(totals(batch, self.windows))

    def of_totals(self, of: Totals) -> StepCost:
        """The cost of one step, or of several."""
        m, nothing = self.model, 0.0 * of.tokens
        held = [each * m.bytes_per_weight + nothing for each in self._held_weights]
        position_bytes = m.cache_numbers * m.bytes_per_kv
        cache_bytes, read_bytes = position_bytes * of.mean_cached, position_bytes * of.mean_lengths
        scores = m.score_flop * self.engine.attention_work * of.mean_pairs
        head, proj, _, _, lm_head, qkv, _, out, *_ = self._held_weights
        read, active = self._ffn_weights(of)
        per_weight = m.bytes_per_weight
        up = self._up_share
        return StepCost(
            memory_bytes=columns(held[0] + cache_bytes, *held[1:6], held[6] + cache_bytes, *held[7:]),
            work_flop=columns(
                2.0 * head * of.tokens + scores,
                2.0 * proj * of.tokens,
                2.0 * active * of.tokens,
                nothing,
                2.0 * lm_head * of.new_tokens,
                2.0 * qkv * of.tokens,
                scores,
                2.0 * out * of.tokens,
                up * 2.0 * active * of.tokens,
                (1.0 - up) * 2.0 * active * of.tokens,
                nothing,
                nothing,
            ),
            weight_bytes=columns(
                held[0],
                held[1],
                read * per_weight,
                m.width * per_weight * of.tokens,
                lm_head * per_weight * self.engine.lm_head_reads * (of.new_tokens > 0.0),
                held[5],
                nothing,
                held[7],
                up * read * per_weight,
                (1.0 - up) * read * per_weight,
                self.engine.layer_bytes * m.width * of.tokens,
                nothing,
            ),
            kv_bytes=columns(read_bytes, *5 * (nothing,), read_bytes, *5 * (nothing,)),
            message_bytes=self._messages(of),
            activation_bytes=m.bytes_per_activation
            * np.maximum(of.tokens * self._widest, of.new_tokens * m.vocabulary),
        )

    def _messages(self, of: Totals) -> FloatArray:
        """Bytes by payload."""
        m, wire = self.model, self.wire
        hidden, partial_sum, embedding, logits = (
            m.bytes_per_activation if own is None else own
            for own in (wire.hidden, wire.partial_sum, wire.embedding, wire.logits)
        )
        scores = m.vocabulary * logits
        if wire.top_k is not None:
            scores = wire.top_k * (logits + TOKEN_ID_BYTES)
        return columns(
            TOKEN_ID_BYTES * of.tokens,
            m.width * hidden * of.tokens,
            m.group * m.head_size * hidden * of.tokens,
            m.width * partial_sum * of.tokens,
            m.width * hidden * of.new_tokens,
            TOKEN_ID_BYTES * of.new_tokens,
            m.head_size * (m.group + 2) * hidden * of.tokens,
            m.ffn_width * hidden * of.tokens,
            m.width * embedding * of.tokens,
            scores * of.new_tokens,
        )

    @property
    def _widest(self) -> int:
        """Numbers per position at the widest point of a layer."""
        m = self.model
        return max(m.heads * m.head_size, m.ffn_width, m.width)

    @property
    def _held_weights(self) -> tuple[float, ...]:
        """Weights of each kind, in numbers."""
        m, up = self.model, self._up_share
        qkv, out = float(m.head_weights), float(m.out_weights)
        head, proj = (qkv + out, 0.0) if self.projection == "sharded" else (qkv, out * m.kv_heads)
        ffn, vocabulary = m.ffn_weights / self.ffn_shards, float(m.vocabulary * m.width)
        return head, proj, ffn, vocabulary, vocabulary, qkv, 0.0, out, up * ffn, (1.0 - up) * ffn, 0.0, 0.0

    def _ffn_weights(self, of: Totals) -> tuple[Any, Any]:
        """Weights that a shard reads, and those that it uses per position, in numbers."""
        m, nothing = self.model, 0.0 * of.tokens
        read = m.ffn_read_weights(of.tokens) / self.ffn_shards
        active = m.ffn_active_weights / self.ffn_shards
        if m.experts is not None:
            read, active = read * self.engine.expert_reads, active * self.engine.expert_work
        return read + nothing, active + nothing

    @property
    def _up_share(self) -> float:
        """Share of the weights of a feed-forward network before its inner numbers."""
        return 2.0 / 3.0 if self.model.gated_ffn else 0.5

"""Cost models of blocks: two models with one interface.

`DecodeCost` counts what a K/V-cached decoder computes for one new token. `PaperCost` counts as *Large Language Model
Partitioning for Low-Latency Inference at the Edge* (arXiv 2505.02533) does: the whole sequence is recomputed and
shipped at every token. Both return a `StepCost`, so the rest of the project does not depend on the model.

A *step* is one pass of a batch of sequences through the model: one token of each sequence that is decoded, the prompt
or a part of it of each that is prefilled. Work, reads of the cache and messages add up over the sequences; weights are
read once.
"""

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, ClassVar, Literal, Protocol, TypeAlias

import numpy as np

from headway.simcore.arrays import FloatArray, sealed
from headway.simcore.registry import Registry
from headway.simcore.world.batch import NO_WINDOWS, Batch, Totals, Windows, later, totals, totals_of_stretch
from headway.simcore.world.blocks import Kind
from headway.simcore.world.model import ModelSpec

TOKEN_ID_BYTES = 4.0

Projection: TypeAlias = Literal["gathered", "sharded"]


class Payload(IntEnum):
    """What a message carries. All messages with one payload cost the same, so sizes are an array indexed by payload."""

    PROMPT = 0
    """Token ids of the positions that the step processes."""
    HIDDEN = 1
    """The hidden states of those positions: the input of a stage."""
    HEAD_OUTPUT = 2
    """The output of one head; a message carries one for each head of its sender."""
    PARTIAL_SUM = 3
    """The partial sum of the hidden states from the blocks on one device."""
    LAST_HIDDEN = 4
    """The output of the last layer, as the output head needs it."""
    TOKEN = 5
    """The id of the token that was made."""
    QKV = 6
    """Queries, keys and values of one head, for the positions of the step; one for each head of the sender."""
    INNER = 7
    """The numbers between the matrices of a feed-forward network; a message carries the share of its sender."""
    EMBEDDING = 8
    """The hidden states that go into the first layer."""
    LOGITS = 9
    """The scores of the vocabulary for the token to be made, or of its best entries."""


PER_BLOCK = frozenset({Payload.HEAD_OUTPUT, Payload.QKV})
"""Payloads that a message carries once per block."""


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
        attention_work: how often attention does its work: engines reach a lower speed in it than in matrices.
        expert_reads: how often feed-forward networks with experts read their weights: small matrices, chosen token by
            token, are read at a lower rate than large ones.
        expert_work: how often they do their work.
    """

    layer_bytes: float = 0.0
    lm_head_reads: float = 1.0
    attention_work: float = 1.0
    expert_reads: float = 1.0
    expert_work: float = 1.0


@dataclass(frozen=True, eq=False)
class StepCost:
    """The cost of one step. Arrays by kind have shape (kinds,) and are indexed by `Kind`.

    The costs of several steps have the same form, with shapes (steps, kinds), (steps, payloads) and (steps,).

    Attributes:
        memory_bytes: memory of a block at the end of the step, by kind; of the kinds of tasks, the part of a block's
            memory that they read.
        work_flop: floating-point work of a block, by kind.
        weight_bytes: weights that a block reads from memory, by kind.
        kv_bytes: K/V cache that a block reads from memory, by kind.
        message_bytes: size of a message, or of its part for each block, shape (payloads,), indexed by `Payload`.
        activation_bytes: the largest intermediate result of the model, which every device with blocks reserves during
            the step.
    """

    memory_bytes: FloatArray
    work_flop: FloatArray
    weight_bytes: FloatArray
    kv_bytes: FloatArray
    message_bytes: FloatArray
    activation_bytes: Any = 0.0

    def at(self, step: int) -> "StepCost":
        """The cost of one of several steps."""
        return StepCost(*(sealed(np.asarray(getattr(self, field.name)[step])) for field in fields(self)))

    @property
    def read_bytes(self) -> FloatArray:
        """Bytes that a block reads from memory, by kind, shape (kinds,)."""
        return sealed(self.weight_bytes + self.kv_bytes)


class CostModel(Protocol):
    """Memory, work and traffic of each kind of block."""

    @property
    def ffn_shards(self) -> int:
        """Number of blocks of each feed-forward network."""
        ...

    @property
    def projection(self) -> Projection:
        """Which blocks hold the output projection W_O: one of its own in each layer, or the heads."""
        ...

    @property
    def idle_memory_bytes(self) -> FloatArray:
        """Memory of a block while no sequence is served, shape (kinds,)."""
        ...

    def step(self, batch: Batch) -> StepCost:
        """The cost of one step of a batch."""
        ...


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
        _check_shards(self.ffn_shards, self.model)

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
        cache = m.cache_numbers * m.bytes_per_kv
        scores = m.score_flop * self.engine.attention_work * of.scored
        qkv, out, read, active = self._parts(of)
        head, proj = (qkv + out, nothing) if self.projection == "sharded" else (qkv, out * m.kv_heads)
        per_weight = m.bytes_per_weight
        lm_head = float(m.vocabulary * m.width)
        up = self._up_share
        return StepCost(
            memory_bytes=_columns(
                held[0] + cache * of.kept, *held[1:6], held[6] + cache * of.kept, *held[7:]
            ),
            work_flop=_columns(
                2.0 * head * of.tokens + scores,
                2.0 * proj * of.tokens,
                2.0 * active * of.tokens,
                nothing,
                2.0 * lm_head * of.made,
                2.0 * qkv * of.tokens,
                scores,
                2.0 * out * of.tokens,
                up * 2.0 * active * of.tokens,
                (1.0 - up) * 2.0 * active * of.tokens,
                nothing,
                nothing,
            ),
            weight_bytes=_columns(
                head * per_weight,
                proj * per_weight,
                read * per_weight,
                m.width * per_weight * of.tokens,
                lm_head * per_weight * self.engine.lm_head_reads * (of.made > 0.0),
                qkv * per_weight,
                nothing,
                out * per_weight,
                up * read * per_weight,
                (1.0 - up) * read * per_weight,
                self.engine.layer_bytes * m.width * of.tokens,
                nothing,
            ),
            kv_bytes=_columns(cache * of.read, *5 * (nothing,), cache * of.read, *5 * (nothing,)),
            message_bytes=self._messages(of),
            activation_bytes=m.bytes_per_activation
            * np.maximum(of.tokens * self._widest, of.made * m.vocabulary),
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
        return _columns(
            TOKEN_ID_BYTES * of.tokens,
            m.width * hidden * of.tokens,
            m.group * m.head_size * hidden * of.tokens,
            m.width * partial_sum * of.tokens,
            m.width * hidden * of.made,
            TOKEN_ID_BYTES * of.made,
            m.head_size * (m.group + 2) * hidden * of.tokens,
            m.ffn_width * hidden * of.tokens,
            m.width * embedding * of.tokens,
            scores * of.made,
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

    def _parts(self, of: Totals) -> tuple[Any, Any, Any, Any]:
        """Weights of W_Q, W_K and W_V of a head, and its rows of W_O; those that a shard reads, and uses per position.

        In numbers.
        """
        m, nothing = self.model, 0.0 * of.tokens
        read = m.ffn_read_weights(of.tokens) / self.ffn_shards
        active = m.ffn_active_weights / self.ffn_shards
        if m.experts is not None:
            read, active = read * self.engine.expert_reads, active * self.engine.expert_work
        return m.head_weights + nothing, m.out_weights + nothing, read + nothing, active + nothing

    @property
    def _up_share(self) -> float:
        """Share of the weights of a feed-forward network before its inner numbers."""
        return 2.0 / 3.0 if self.model.gated_ffn else 0.5


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
        _check_shards(self.ffn_shards, self.model)

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
        activation_bytes = 3.0 * (of.held * self._head_width * b)
        cache_bytes = of.generated * m.width * b * m.group
        head_bytes = activation_bytes + cache_bytes
        held_bytes = of.held * m.width * b
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
            memory_bytes=_columns(
                weights + head_bytes,
                held_bytes,
                ffn_bytes,
                nothing,
                nothing,
                weights + activation_bytes,
                cache_bytes,
                nothing,
                ffn_bytes / 2.0,
                ffn_bytes / 2.0,
                nothing,
                nothing,
            ),
            work_flop=_columns(head_flop, proj_flop, ffn_flop, nothing, nothing, *parts, nothing, nothing),
            weight_bytes=_columns(*len(Kind) * (nothing,)),
            kv_bytes=_columns(*len(Kind) * (nothing,)),
            message_bytes=_columns(
                TOKEN_ID_BYTES * of.lengths,
                full_bytes,
                of.lengths * self._head_width * b,
                full_bytes,
                full_bytes,
                TOKEN_ID_BYTES * of.made,
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


COST_MODELS: Registry[Any] = Registry(
    "cost model", "headway.cost_models", {kind.name: kind for kind in (DecodeCost, PaperCost)}
)
"""Every class of cost models by name. A scenario file calls it with the model, and with those of its keys `ffn_shards`,
`projection` and `ffn_factor` that the class takes."""


def costs_of_stretch(model: CostModel, batch: Batch, steps: int) -> StepCost:
    """The costs of a step that makes a token of each sequence at work, and of those that follow it.

    A cost model with a method `of_totals`, such as the two here, computes them at once. The totals have the attention
    windows of its attribute `windows`, if it has one.
    """
    if hasattr(model, "of_totals"):
        costs: StepCost = model.of_totals(
            totals_of_stretch(batch, steps, getattr(model, "windows", NO_WINDOWS))
        )
        return costs
    each = [model.step(later(batch, i)) for i in range(steps)]
    return StepCost(
        **{field.name: np.array([getattr(one, field.name) for one in each]) for field in fields(StepCost)}
    )


def _columns(*values: Any) -> FloatArray:
    """Numbers as an array, or arrays of shape (steps,) as the columns of one."""
    return sealed(np.array(values) if isinstance(values[0], float) else np.stack(values, axis=-1))


def _check_shards(ffn_shards: int, model: ModelSpec) -> None:
    if not 1 <= ffn_shards <= model.ffn_width:
        raise ValueError(f"ffn_shards must be from 1 to the FFN width {model.ffn_width}, not {ffn_shards}")

"""What a block costs: two models behind one interface.

`DecodeCost` is what a K/V-cached decoder really does for one new token. `PaperCost` counts as *Large Language Model
Partitioning for Low-Latency Inference at the Edge* (arXiv 2505.02533) does: the whole sequence is recomputed and
shipped at every token. Both answer with a `StepCost`, so nothing else in the project knows which one is in force.

A *step* makes one token. Step n has n tokens generated before it, and the sequence it works on has length
L = prompt + n. Step 0 is the prefill: it processes the whole prompt and makes the first token.
"""

from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeAlias

import numpy as np

from simcore.arrays import FloatArray, sealed
from simcore.world.blocks import Kind
from simcore.world.model import ModelSpec

TOKEN_ID_BYTES = 4.0

Projection: TypeAlias = Literal["gathered", "sharded"]


@dataclass(frozen=True)
class Stage:
    """Blocks of one kind that work side by side in a layer, and their messages.

    Attributes:
        kind: of the blocks.
        input_bytes: what each device with such blocks receives.
        block_bytes: what a device sends on for each of its blocks.
        sum_bytes: what it sends on for all of them together.
    """

    kind: Kind
    input_bytes: float
    block_bytes: float
    sum_bytes: float


@dataclass(frozen=True, eq=False)
class StepCost:
    """The cost of one step, per kind of block; every array has shape (5,) and is indexed by `Kind`.

    Attributes:
        memory_bytes: what a block holds in memory by the end of the step.
        work_flop: floating-point work of a block.
        touched_bytes: bytes a block must read from memory.
        out_bytes: what a block sends on: a head to the projection, the projection to each device with a shard of the
            feed-forward network, the last feed-forward network to the output head (or the source), the output head to
            the source.
        head_sum_bytes: what a device sends to the projection for all its heads together, beside their `out_bytes`: a
            partial sum where each head carries its rows of W_O, otherwise nothing.
        ffn_sum_bytes: the partial sum that a device sends for all its shards of a feed-forward network together.
        input_bytes: a layer's input, sent once to every device that hosts a head of the layer.
        prompt_bytes: token ids sent from the source to the embedding.
    """

    memory_bytes: FloatArray
    work_flop: FloatArray
    touched_bytes: FloatArray
    out_bytes: FloatArray
    head_sum_bytes: float
    ffn_sum_bytes: float
    input_bytes: float
    prompt_bytes: float

    @property
    def attention(self) -> Stage:
        """The heads of a layer, between its input and the projection."""
        return Stage(Kind.HEAD, self.input_bytes, float(self.out_bytes[Kind.HEAD]), self.head_sum_bytes)

    @property
    def feed_forward(self) -> Stage:
        """The shards of a layer's feed-forward network, between the projection and the first of them."""
        return Stage(Kind.FFN, float(self.out_bytes[Kind.PROJ]), 0.0, self.ffn_sum_bytes)


class CostModel(Protocol):
    """How much memory, work and traffic each kind of block costs."""

    @property
    def ffn_shards(self) -> int:
        """Into how many blocks each feed-forward network is cut."""
        ...

    @property
    def idle_memory_bytes(self) -> FloatArray:
        """What a block holds while no sequence is served, shape (5,)."""
        ...

    def step(self, prompt: int, generated: int) -> StepCost:
        """The cost of the step that follows `generated` tokens after a prompt of `prompt` tokens."""
        ...


@dataclass(frozen=True)
class DecodeCost:
    """One new token of a K/V-cached decoder; one multiply-accumulate is 2 FLOP.

    Normalisation, residual and rotary terms are negligible and left out. In the prefill every block works on the whole
    prompt with its weights read once, except the output head, which needs the last position only.

    Attributes:
        model: the decoder.
        ffn_shards: into how many blocks of columns each feed-forward network is cut; each has its share of the weights
            and gives a partial sum.
        projection: `gathered`, heads send their outputs to a projection that holds W_O; or `sharded`, each head carries
            its rows of W_O, devices send partial sums, and the projection block only adds them up (Shoeybi et al.,
            arXiv 1909.08053).
    """

    model: ModelSpec
    ffn_shards: int = 1
    projection: Projection = "gathered"

    def __post_init__(self) -> None:
        _check_shards(self.ffn_shards, self.model)

    @property
    def idle_memory_bytes(self) -> FloatArray:
        """Weights alone, shape (5,)."""
        return self._weights * self.model.bytes_per_weight

    def step(self, prompt: int, generated: int) -> StepCost:
        """The cost of one step, see `CostModel.step`."""
        m = self.model
        length = prompt + generated
        tokens = prompt if generated == 0 else 1
        # In the prefill position i attends to i earlier ones: P^2 / 2 pairs in all.
        pairs = prompt * prompt / 2 if generated == 0 else length
        memory = self.idle_memory_bytes
        memory[Kind.HEAD] += 2.0 * length * m.head_size * m.bytes_per_kv
        work = 2.0 * self._weights * tokens
        work[Kind.HEAD] += 4.0 * m.head_size * m.group * pairs
        work[Kind.EMBED] = 0.0
        work[Kind.LM_HEAD] /= tokens
        touched = memory.copy()
        touched[Kind.EMBED] = m.width * m.bytes_per_weight * tokens
        row = m.width * m.bytes_per_activation
        gathered = self.projection == "gathered"
        head_out = m.group * m.head_size * m.bytes_per_activation * tokens if gathered else 0.0
        return StepCost(
            memory_bytes=sealed(memory),
            work_flop=sealed(work),
            touched_bytes=sealed(touched),
            out_bytes=sealed(np.array([head_out, row * tokens, row, row * tokens, TOKEN_ID_BYTES])),
            head_sum_bytes=0.0 if gathered else row * tokens,
            ffn_sum_bytes=row * tokens,
            input_bytes=row * tokens,
            prompt_bytes=TOKEN_ID_BYTES * tokens,
        )

    @property
    def _weights(self) -> FloatArray:
        """Weights of a block of each kind, in numbers, shape (5,)."""
        m = self.model
        head = m.width * m.head_size * (m.group + 2)
        proj = m.heads * m.head_size * m.width
        if self.projection == "sharded":
            head, proj = head + m.group * m.head_size * m.width, 0
        ffn = (3 if m.gated_ffn else 2) * m.width * m.ffn_width / self.ffn_shards
        return np.array([head, proj, ffn, m.vocabulary * m.width, m.vocabulary * m.width], dtype=np.float64)


@dataclass(frozen=True)
class PaperCost:
    """The paper's cost of one decoder layer, one FLOP per multiply-accumulate, as its author's published code counts.

    The cache of one head is counted over the full width and only for generated tokens; it costs memory and saves no
    work. The embedding and the output head do not exist in that model and cost nothing here.

    Attributes:
        model: one or more layers; `bytes_per_activation` is the paper's bytes per number.
        ffn_factor: work of the feed-forward network in units of L * D^2. Two D x 4D matrices give 8; the author's code
            has 0.8, kept reachable so that its influence on the paper's claims can be shown.
        ffn_shards: as in `DecodeCost`; beyond the paper.
        projection: as in `DecodeCost`; beyond the paper.
    """

    model: ModelSpec
    ffn_factor: float = 8.0
    ffn_shards: int = 1
    projection: Projection = "gathered"

    def __post_init__(self) -> None:
        _check_shards(self.ffn_shards, self.model)

    @property
    def idle_memory_bytes(self) -> FloatArray:
        """The weights that the paper counts: W_Q, W_K and W_V of each head, shape (5,)."""
        m = self.model
        head = 3.0 * m.width * self._head_width * m.bytes_per_activation
        return np.array([head, 0.0, 0.0, 0.0, 0.0])

    def step(self, prompt: int, generated: int) -> StepCost:
        """The cost of one step, see `CostModel.step`."""
        m, b = self.model, self.model.bytes_per_activation
        length = float(prompt + generated)
        slice_bytes = length * self._head_width * b
        full_bytes = length * m.width * b
        cache = float(generated) * m.width * b * m.group
        ffn_bytes = 4.0 * full_bytes / self.ffn_shards
        activations = np.array([3.0 * slice_bytes + cache, full_bytes, ffn_bytes, 0.0, 0.0])
        head_flop = 3.0 * length * m.width * self._head_width + length * length * self._head_width
        proj_flop = length * m.width * m.width
        ffn_flop = self.ffn_factor * proj_flop / self.ffn_shards
        gathered = self.projection == "gathered"
        if not gathered:
            head_flop, proj_flop = head_flop + length * self._head_width * m.width, 0.0
        head_out = slice_bytes if gathered else 0.0
        return StepCost(
            memory_bytes=sealed(self.idle_memory_bytes + activations),
            work_flop=sealed(np.array([head_flop, proj_flop, ffn_flop, 0.0, 0.0])),
            touched_bytes=sealed(np.zeros(len(Kind))),
            out_bytes=sealed(np.array([head_out, full_bytes, full_bytes, full_bytes, TOKEN_ID_BYTES])),
            head_sum_bytes=0.0 if gathered else full_bytes,
            ffn_sum_bytes=full_bytes,
            input_bytes=full_bytes,
            prompt_bytes=TOKEN_ID_BYTES * length,
        )

    @property
    def _head_width(self) -> float:
        return self.model.width / self.model.kv_heads


def refill(model: CostModel, prompt: int, generated: int) -> StepCost:
    """The cost of the step that follows `generated` tokens if the caches were lost: a prefill of the whole sequence.

    It works on prompt and generated tokens together and makes the next token; afterwards blocks hold what they would
    have held anyway.
    """
    memory = model.step(prompt, generated).memory_bytes
    return replace(model.step(prompt + generated, 0), memory_bytes=memory)


def _check_shards(ffn_shards: int, model: ModelSpec) -> None:
    if not 1 <= ffn_shards <= model.ffn_width:
        raise ValueError(
            f"ffn_shards must be from 1 to the feed-forward width {model.ffn_width}, not {ffn_shards}"
        )

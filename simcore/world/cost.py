"""The cost of a step: memory, work, reads and messages by kind of block.

A *step* is one pass of a batch of sequences through the model: one token of each sequence that is decoded, the prompt
or a part of it of each that is prefilled. Work, reads of the cache and messages add up over the sequences; weights are
read once. `simcore.world.cost_models` has the models that compute a `StepCost`; the rest of the project does not depend
on the model.
"""

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np

from headway.simcore.arrays import FloatArray, sealed
from headway.simcore.world.batch import Batch
from headway.simcore.world.model import ModelSpec

TOKEN_ID_BYTES = 4.0

Projection: TypeAlias = Literal["gathered", "sharded"]


class Payload(IntEnum):
    """The content of a message. All messages with one payload have one size, so sizes are an array by payload."""

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
        """The cost of one step of a batch, which depends on nothing else; runs keep it and ask only once."""
        ...


def columns(*values: Any) -> FloatArray:
    """Numbers as an array, or arrays of shape (steps,) as the columns of one."""
    return sealed(np.array(values) if isinstance(values[0], float) else np.stack(values, axis=-1))


def check_shards(ffn_shards: int, model: ModelSpec) -> None:
    """Refuse more shards than the feed-forward network has columns.

    Raises:
        ValueError: there are too many shards, or none.
    """
    if not 1 <= ffn_shards <= model.ffn_width:
        raise ValueError(f"ffn_shards must be from 1 to the FFN width {model.ffn_width}, not {ffn_shards}")

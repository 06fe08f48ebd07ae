"""The shape of a decoder-only transformer, from which costs follow.

Symbols used by the cost models: N layers, width D, h query heads, h_kv key/value heads of size d, FFN
width F, vocabulary V.
"""

import math
from dataclasses import dataclass
from typing import Any

_DIMENSIONS = ("layers", "width", "heads", "kv_heads", "head_size", "ffn_width")
_MAY_BE_ZERO = ("vocabulary", "extra_parameters")
_BYTES = ("bytes_per_weight", "bytes_per_kv", "bytes_per_activation")


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSpec:
    """The shape and number formats of a dense decoder.

    Query and output projections are D x (h * d), key and value projections D x (h_kv * d). h * d need not
    equal D: Qwen3 and Gemma choose the head size freely.

    Attributes:
        name: of the model in results.
        layers: N, decoder layers, all alike.
        width: D, numbers in the hidden state of one token.
        heads: h, query heads per layer.
        kv_heads: h_kv, key/value heads per layer; divides h. Equal to h in multi-head attention, 1 in
            multi-query attention.
        head_size: d, numbers in one head's query, key or value.
        ffn_width: F, numbers between the FFN's matrices.
        gated_ffn: three D x F matrices (gate, up, down) rather than two.
        vocabulary: V, rows of the embedding. 0 means the model has neither embedding nor output head: hidden
            states go in and come out, as in the one-layer model of the paper.
        tied_embeddings: the output head is the embedding's own matrix, held once.
        bytes_per_weight: may be fractional: groups of 32 four-bit weights that share a 16-bit scale take
            (32 * 4 + 16) / 8 / 32 = 0.5625 bytes each.
        bytes_per_kv: of one number in the key/value cache.
        bytes_per_activation: of one number sent between devices.
        extra_parameters: norms, biases and learned position embeddings of the whole model. They are counted
            in `parameters` and nowhere else: their cost is negligible, so the cost models leave them out.
        context_length: most tokens of one sequence, prompt and output together; None if unknown. The simulation does
            not need it: notes compare requests with it.
    """

    name: str
    layers: int
    width: int
    heads: int
    kv_heads: int
    head_size: int
    ffn_width: int
    gated_ffn: bool
    vocabulary: int
    tied_embeddings: bool = False
    bytes_per_weight: float = 2.0
    bytes_per_kv: float = 2.0
    bytes_per_activation: float = 2.0
    extra_parameters: int = 0
    context_length: int | None = None

    def __post_init__(self) -> None:
        for field in _DIMENSIONS:
            _check_whole(field, getattr(self, field), least=1)
        for field in _MAY_BE_ZERO:
            _check_whole(field, getattr(self, field), least=0)
        if self.context_length is not None:
            _check_whole("context_length", self.context_length, least=1)
        for field in _BYTES:
            _check_bytes(field, getattr(self, field))
        if self.heads % self.kv_heads:
            raise ValueError(f"kv_heads must divide heads, but {self.kv_heads} does not divide {self.heads}")

    @property
    def group(self) -> int:
        """Query heads that share one key/value head: g = h / h_kv."""
        return self.heads // self.kv_heads

    @property
    def head_weights(self) -> int:
        """Numbers in W_Q, W_K and W_V of one key/value head with its query heads."""
        return self.width * self.head_size * (self.group + 2)

    @property
    def out_weights(self) -> int:
        """Numbers in the rows of W_O that belong to one key/value head."""
        return self.group * self.head_size * self.width

    @property
    def cache_numbers(self) -> int:
        """Numbers that one position adds to the cache of one key/value head."""
        return 2 * self.head_size

    @property
    def score_flop(self) -> float:
        """Work of attention for each pair of positions, in one key/value head with its query heads [FLOP]."""
        return 4.0 * self.head_size * self.group

    @property
    def ffn_weights(self) -> float:
        """Numbers in the feed-forward network of a layer."""
        return (3 if self.gated_ffn else 2) * self.width * self.ffn_width

    @property
    def ffn_active_weights(self) -> float:
        """Of `ffn_weights`, the numbers that one position uses."""
        return self.ffn_weights

    def ffn_read_weights(self, tokens: Any) -> Any:
        """Of `ffn_weights`, the numbers that a step of so many positions reads; a number or an array."""
        return self.ffn_weights + 0.0 * tokens

    @property
    def parameters(self) -> int:
        """All weights of the model, a tied output head counted once."""
        attention = 2 * self.width * self.head_size * (self.heads + self.kv_heads)
        ffn = (3 if self.gated_ffn else 2) * self.width * self.ffn_width
        vocabulary = (1 if self.tied_embeddings else 2) * self.vocabulary * self.width
        return self.layers * (attention + ffn) + vocabulary + self.extra_parameters

    @property
    def weight_bytes(self) -> float:
        """Bytes of all `parameters`."""
        return self.parameters * self.bytes_per_weight

    @property
    def kv_bytes_per_token(self) -> float:
        """Bytes one token adds to the key/value caches of all layers."""
        return 2 * self.layers * self.kv_heads * self.head_size * self.bytes_per_kv


def _check_whole(field: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{field} must be a whole number of at least {least}, not {value!r}")


def _check_bytes(field: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{field} must be positive and finite, not {value!r}")

"""The shape of a decoder-only transformer, from which costs follow.

Symbols used by the cost models: N layers, width D, h query heads, h_kv key/value heads of size d, FFN
width F, vocabulary V.
"""

import math
from dataclasses import dataclass
from typing import Any

from headway.simcore.world.batch import Windows
from headway.simcore.world.decoder_parts import Experts, LatentAttention, Window, check_whole

_DIMENSIONS = ("layers", "width", "heads", "kv_heads", "head_size", "ffn_width")
_MAY_BE_ZERO = ("vocabulary", "extra_parameters")
_MAY_BE_NONE = ("context_length", "input_weights")
_BYTES = ("bytes_per_weight", "bytes_per_kv", "bytes_per_activation")


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSpec:
    """The shape and number formats of a decoder.

    Query and output projections are D x (h * d), key and value projections D x (h_kv * d). h * d need not
    equal D: Qwen3 and Gemma choose the head size freely.

    All blocks of a kind cost the same. If the layers of a model differ (dense layers before layers with experts,
    layers with a window), every layer has the mean over all layers. `parameters` is exact.

    Attributes:
        name: of the model in results.
        layers: N, decoder layers.
        width: D, numbers in the hidden state of one token.
        heads: h, query heads per layer.
        kv_heads: h_kv, key/value heads per layer; divides h. Equal to h in multi-head attention, 1 in
            multi-query and latent attention.
        head_size: d, numbers in one head's query, key or value; of its value in latent attention.
        ffn_width: F, numbers between the matrices of a dense FFN; not used if all layers have experts.
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
        experts: the mixture of experts; None in a dense model.
        latent: multi-head latent attention; None if each head caches its keys and values.
        window: layers with an attention window; None if all layers attend to all positions.
        input_weights: numbers in all projections before attention of the whole model, if they are not W_Q, W_K and W_V
            of the sizes above: for instance with gated queries, or with layers of linear attention.
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
    experts: Experts | None = None
    latent: LatentAttention | None = None
    window: Window | None = None
    input_weights: int | None = None

    def __post_init__(self) -> None:
        given = (field for field in _MAY_BE_NONE if getattr(self, field) is not None)
        check_whole(self, *_DIMENSIONS, least=1)
        check_whole(self, *_MAY_BE_ZERO, least=0)
        check_whole(self, *given, least=1)
        for field in _BYTES:
            size = getattr(self, field)
            if not (math.isfinite(size) and size > 0):
                raise ValueError(f"{field} must be positive and finite, not {size!r}")
        if self.heads % self.kv_heads:
            raise ValueError(f"kv_heads must divide heads, but {self.kv_heads} does not divide {self.heads}")
        if self.latent is not None and self.kv_heads != 1:
            raise ValueError(f"kv_heads must be 1 with latent attention, not {self.kv_heads}")
        if self.experts is not None and self.experts.dense_layers >= self.layers:
            got = self.experts.dense_layers
            raise ValueError(f"dense_layers must be below the number of layers {self.layers}, not {got}")
        if self.window is not None and self.window.layers > self.layers:
            got = self.window.layers
            raise ValueError(f"layers with a window must be at most the {self.layers} layers, not {got}")

    @property
    def group(self) -> int:
        """Query heads that share one key/value head: g = h / h_kv."""
        return self.heads // self.kv_heads

    @property
    def head_weights(self) -> float:
        """Numbers in W_Q, W_K and W_V of one key/value head with its query heads: D d (g + 2)."""
        if self.input_weights is not None:
            return self.input_weights / (self.layers * self.kv_heads)
        if self.latent is not None:
            return self.latent.input_weights(self.width, self.heads, self.head_size)
        return self.width * self.head_size * (self.group + 2)

    @property
    def out_weights(self) -> int:
        """Numbers in the rows of W_O of one key/value head with its query heads: g d D."""
        return self.group * self.head_size * self.width

    @property
    def cache_numbers(self) -> int:
        """Numbers in the cache per position, of one key/value head in one layer: 2 d."""
        return 2 * self.head_size if self.latent is None else self.latent.cache_numbers

    @property
    def score_flop(self) -> int:
        """FLOP of attention per pair of positions, of one key/value head with its query heads: 4 d g."""
        if self.latent is not None:
            return 2 * (self.latent.cache_numbers + self.latent.kv_rank) * self.group
        return 4 * self.head_size * self.group

    @property
    def ffn_weights(self) -> float:
        """Numbers in the feed-forward networks of one layer, with all experts, mean over layers."""
        return float(self._ffn_weights(0 if self.experts is None else self.experts.count) / self.layers)

    @property
    def ffn_active_weights(self) -> float:
        """Those of `ffn_weights` that one token uses."""
        return float(self._ffn_weights(0 if self.experts is None else self.experts.active) / self.layers)

    def ffn_read_weights(self, tokens: Any) -> Any:
        """The expected number of `ffn_weights` that a step reads from memory.

        `tokens` are the positions that the step processes: a number, or an array of any shape.
        """
        routed = 0.0 * tokens if self.experts is None else self.experts.distinct(tokens)
        return self._ffn_weights(routed) / self.layers

    @property
    def windows(self) -> Windows:
        """The attention windows, as sums over sequences need them."""
        window = self.window
        return Windows() if window is None else Windows(float(window.size), window.layers / self.layers)

    @property
    def parameters(self) -> int:
        """All weights of the model, a tied output head counted once."""
        return self._parameters(0 if self.experts is None else self.experts.count)

    @property
    def active_parameters(self) -> int:
        """Weights of the matrices that a token uses: `parameters` without `extra_parameters` and unused experts."""
        used = self._parameters(0 if self.experts is None else self.experts.active)
        return used - self.extra_parameters

    @property
    def weight_bytes(self) -> float:
        """Bytes of all `parameters`."""
        return self.parameters * self.bytes_per_weight

    @property
    def kv_bytes_per_token(self) -> float:
        """Bytes that one token adds to the caches of all layers while the sequence is shorter than any window."""
        linear = 0 if self.window is None or self.window.size > 0 else self.window.layers
        return (self.layers - linear) * self.kv_heads * self.cache_numbers * self.bytes_per_kv

    def _ffn_weights(self, routed: Any) -> Any:
        """Numbers in the feed-forward networks of all layers, with so many routed experts per layer."""
        columns = self.layers * self.ffn_width + 0 * routed
        if self.experts is not None:
            dense, experts = self.experts.dense_layers, self.experts
            columns = dense * self.ffn_width
            columns += (self.layers - dense) * experts.width * (routed + experts.shared)
        return (3 if self.gated_ffn else 2) * self.width * columns

    def _parameters(self, routed: int) -> int:
        inputs = self.input_weights
        if inputs is None:
            inputs = self.layers * self.kv_heads * int(self.head_weights)
        outputs = self.layers * self.kv_heads * self.out_weights
        vocabulary = (1 if self.tied_embeddings else 2) * self.vocabulary * self.width
        ffn: int = self._ffn_weights(routed)
        return inputs + outputs + ffn + vocabulary + self.extra_parameters

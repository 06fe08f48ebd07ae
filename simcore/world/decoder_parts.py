"""Optional parts of a decoder: a mixture of experts, multi-head latent attention and attention windows."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Experts:
    """A mixture of experts: most layers have E small feed-forward networks, and a token uses k of them.

    Attributes:
        count: E, routed experts per layer.
        active: k, routed experts that one token uses.
        width: F_e, numbers between the matrices of one expert.
        shared: experts that every token uses in addition, each of the same width.
        dense_layers: layers at the start of the model that have one feed-forward network of the model's `ffn_width`
            instead of experts.
    """

    count: int
    active: int
    width: int
    shared: int = 0
    dense_layers: int = 0

    def __post_init__(self) -> None:
        check_whole(self, "count", "active", "width", least=1)
        check_whole(self, "shared", "dense_layers", least=0)
        if self.active > self.count:
            raise ValueError(f"active must be at most the {self.count} experts, not {self.active}")

    def distinct(self, tokens: Any) -> Any:
        """The expected number of routed experts of a layer that some of the tokens use: E (1 - (1 - k / E)^tokens).

        The formula assumes that the tokens choose experts independently and that all experts are equally popular.

        Args:
            tokens: a number, or an array of any shape.
        """
        return self.count * (1.0 - (1.0 - self.active / self.count) ** tokens)


@dataclass(frozen=True, kw_only=True, slots=True)
class LatentAttention:
    """Multi-head latent attention (DeepSeek-AI, arXiv 2405.04434): all heads of a layer share one compressed cache.

    The cache of a position has `kv_rank + rope_size` numbers per layer. Attention is counted in the form in which
    queries and outputs are multiplied into the compressed space, as inference engines compute it when they decode.

    Attributes:
        kv_rank: numbers of the compressed keys and values of one position.
        rope_size: numbers of the key with rotary positions, which all heads share.
        nope_size: numbers of one head's query and key without positions.
        query_rank: numbers of the compressed query; 0 if queries are not compressed.
    """

    kv_rank: int
    rope_size: int
    nope_size: int
    query_rank: int = 0

    def __post_init__(self) -> None:
        check_whole(self, "kv_rank", "nope_size", least=1)
        check_whole(self, "rope_size", "query_rank", least=0)

    @property
    def cache_numbers(self) -> int:
        """Numbers in the cache per position and layer."""
        return self.kv_rank + self.rope_size

    def input_weights(self, width: int, heads: int, value_size: int) -> int:
        """Numbers in the projections of one layer before attention, of queries, keys and values."""
        query = heads * (self.nope_size + self.rope_size)
        queries = width * self.query_rank + self.query_rank * query if self.query_rank else width * query
        return queries + width * self.cache_numbers + self.kv_rank * heads * (self.nope_size + value_size)


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """Layers that attend only to the last positions, and cache only those.

    Attributes:
        size: positions that such a layer attends to. 0 stands for linear attention, whose state does not grow; the
            state itself is not counted.
        layers: number of such layers.
    """

    size: int
    layers: int

    def __post_init__(self) -> None:
        check_whole(self, "size", least=0)
        check_whole(self, "layers", least=1)


def check_whole(part: object, *fields: str, least: int) -> None:
    """Check that fields of a part have whole numbers.

    Raises:
        ValueError: one has another value, or one below `least`.
    """
    for field in fields:
        value = getattr(part, field)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(f"{field} must be a whole number of at least {least}, not {value!r}")

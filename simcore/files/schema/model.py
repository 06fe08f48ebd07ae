"""The model in a scenario file, its cost model and its blocks."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from headway.simcore.files.schema.engine import EngineSection, WireSection
from headway.simcore.files.schema.values import part
from headway.simcore.files.section import Section, mistake
from headway.simcore.world.cost_models import COST_MODELS


class Shape(Section):
    """The shape of a decoder."""

    layers: int = Field(ge=1, le=1000, description="decoder layers, N")
    width: int = Field(ge=1, le=1_000_000, description="model width, D")
    heads: int = Field(ge=1, le=10_000, description="query heads per layer, h")
    kv_heads: int | None = Field(
        None, ge=1, le=10_000, description="key/value heads per layer; by default h, with `kv_rank` 1"
    )
    head_size: int | None = Field(None, ge=1, le=100_000, description="size of a head, d; by default D / h")
    ffn_width: int | None = Field(
        None,
        ge=1,
        le=10_000_000,
        description="feed-forward width, F; by default 4 D, or that of the active experts",
    )
    gated_ffn: bool = Field(False, description="three matrices in the feed-forward network, not two")
    vocabulary: int = Field(0, ge=0, le=100_000_000, description="size of the vocabulary, V")
    context_length: int | None = Field(
        None,
        ge=1,
        le=2**31 - 1,
        description="most tokens of a prompt and its output; longer requests give a note",
    )
    experts: int | None = Field(
        None, ge=1, le=100_000, description="experts per layer in place of one feed-forward network"
    )
    active_experts: int | None = Field(None, ge=1, le=100_000, description="experts that a token uses")
    expert_width: int | None = Field(None, ge=1, le=10_000_000, description="width of an expert")
    shared_experts: int | None = Field(
        None, ge=0, le=1000, description="experts that every token uses in addition; by default 0"
    )
    dense_layers: int | None = Field(
        None, ge=0, le=1000, description="layers at the start that are dense, without experts; by default 0"
    )
    window: int | None = Field(
        None,
        ge=0,
        le=2**31 - 1,
        description="positions that layers with an attention window attend to; 0 for linear attention",
    )
    window_layers: int | None = Field(
        None, ge=1, le=1000, description="layers with that window; by default all"
    )
    kv_rank: int | None = Field(
        None, ge=1, le=100_000, description="latent attention: numbers of the compressed keys and values"
    )
    rope_size: int | None = Field(
        None, ge=0, le=100_000, description="latent attention: numbers of the shared key with positions"
    )
    nope_size: int | None = Field(
        None, ge=1, le=100_000, description="latent attention: size of a head's key without positions"
    )
    query_rank: int | None = Field(
        None,
        ge=0,
        le=100_000,
        description="latent attention: numbers of the compressed query; by default 0, queries are not compressed",
    )
    input_weights: int | None = Field(
        None,
        ge=1,
        le=2**53,
        description="weights of all projections before attention, if they do not follow from the sizes of heads",
    )

    @model_validator(mode="after")
    def _divides(self) -> "Shape":
        if self.head_size is None and self.width % self.heads:
            got = f"width {self.width} that {self.heads} heads do not divide"
            raise mistake(got, "a multiple of heads, or a head_size", "width")
        if self.kv_heads is not None and self.heads % self.kv_heads:
            raise mistake(str(self.kv_heads), f"a divisor of heads ({self.heads})", "kv_heads")
        return self

    @model_validator(mode="after")
    def _has_whole_parts(self) -> "Shape":
        """A part of a model is described by all of its keys, or by none."""
        for first, needed, optional in _PARTS:
            given = [key for key in (*needed, *optional) if getattr(self, key) is not None]
            missing = [key for key in needed if getattr(self, key) is None]
            if getattr(self, first) is None and given:
                raise mistake(f"{given[0]} without {first}", f"{first} as well", given[0])
            if getattr(self, first) is not None and missing:
                raise mistake(f"{first} without {missing[0]}", f"{missing[0]} as well", first)
        return self

    @model_validator(mode="after")
    def _fits(self) -> "Shape":
        if self.experts is not None and (self.active_experts or 0) > self.experts:
            raise mistake(str(self.active_experts), f"at most experts ({self.experts})", "active_experts")
        if (self.dense_layers or 0) >= self.layers:
            raise mistake(str(self.dense_layers), f"fewer than layers ({self.layers})", "dense_layers")
        if (self.window_layers or 0) > self.layers:
            raise mistake(str(self.window_layers), f"at most layers ({self.layers})", "window_layers")
        if self.kv_rank is not None and self.kv_heads not in (None, 1):
            raise mistake(str(self.kv_heads), "1 with kv_rank, or no kv_heads", "kv_heads")
        return self


_PARTS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("experts", ("active_experts", "expert_width"), ("shared_experts", "dense_layers")),
    ("window", (), ("window_layers",)),
    ("kv_rank", ("rope_size", "nope_size"), ("query_rank",)),
)
"""Optional parts of a model: the key that adds the part, the keys that it needs, and its optional keys."""


class ModelSection(Section):
    """The decoder: give exactly one of `preset`, `config` and `shape`; number formats are optional."""

    preset: str | None = Field(
        None, description="name of a model that comes with Headway; `headway run --list` lists them"
    )
    config: str | None = Field(
        None, min_length=1, description="path of a Hugging Face config.json, relative to the scenario file"
    )
    shape: Shape | None = Field(None, description="numbers of layers, heads and so on")
    bytes_per_weight: float | None = Field(
        None, gt=0, le=16, description="bytes per weight; 4-bit weights in groups with scales take 0.5625"
    )
    bytes_per_kv: float | None = Field(None, gt=0, le=16, description="bytes per entry of the K/V cache")
    bytes_per_activation: float | None = Field(None, gt=0, le=16, description="bytes per number in a message")

    @model_validator(mode="after")
    def _is_one(self) -> "ModelSection":
        given = [key for key in ("preset", "config", "shape") if getattr(self, key) is not None]
        if len(given) != 1:
            raise mistake(
                f"{' and '.join(given) or 'none'} of preset, config and shape", "exactly one of them"
            )
        return self


class CostSection(Section):
    """The cost model: work, memory and messages of the blocks."""

    model: Annotated[str, part(COST_MODELS)] = Field(
        "decode", description="`decode`, a decoder with a K/V cache, or `paper`; see docs/model.md"
    )
    ffn_shards: int = Field(
        1, ge=1, le=10_000, description="number of blocks into which each feed-forward network is divided"
    )
    projection: Literal["gathered", "sharded"] | None = Field(
        None,
        description="`gathered`: W_O is a block; `sharded`: heads have its rows; by default that of `execution`",
    )
    ffn_factor: float = Field(
        8.0, gt=0, le=1e6, description="`paper` only: work of the feed-forward network in units of L * D^2"
    )
    wire: WireSection = WireSection()
    engine: EngineSection = EngineSection()


class BlocksSection(Section):
    """Optional blocks, in addition to heads, projections and feed-forward networks."""

    embed: bool | None = Field(None, description="the embedding is a block; by default with `decode` only")
    lm_head: bool | None = Field(
        None, description="the output head is a block; by default with `decode` only"
    )

"""The model in a scenario file, what its blocks cost, and which blocks there are."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from headway.simcore.files.schema.values import part
from headway.simcore.files.section import Section, mistake
from headway.simcore.world.cost import COST_MODELS


class Shape(Section):
    """A decoder described by its shape."""

    layers: int = Field(ge=1, le=1000, description="decoder layers, N")
    width: int = Field(ge=1, le=1_000_000, description="model width, D")
    heads: int = Field(ge=1, le=10_000, description="query heads per layer, h")
    kv_heads: int | None = Field(
        None, ge=1, le=10_000, description="key/value heads per layer; as many as heads"
    )
    head_size: int | None = Field(None, ge=1, le=100_000, description="size of a head, d; width / heads")
    ffn_width: int | None = Field(None, ge=1, le=10_000_000, description="feed-forward width, F; 4 * width")
    gated_ffn: bool = Field(False, description="three matrices in the feed-forward network instead of two")
    vocabulary: int = Field(0, ge=0, le=100_000_000, description="size of the vocabulary, V")

    @model_validator(mode="after")
    def _divides(self) -> "Shape":
        if self.head_size is None and self.width % self.heads:
            got = f"width {self.width} that {self.heads} heads do not divide"
            raise mistake(got, "a multiple of heads, or a head_size", "width")
        if self.kv_heads is not None and self.heads % self.kv_heads:
            raise mistake(str(self.kv_heads), f"a divisor of heads ({self.heads})", "kv_heads")
        return self


class ModelSection(Section):
    """The decoder: exactly one of `preset`, `config`, `shape`; number formats may be set beside it."""

    preset: str | None = Field(
        None, description="a model that comes with Headway; `headway run --list` names them"
    )
    config: str | None = Field(
        None, min_length=1, description="path of a Hugging Face config.json, relative to the scenario file"
    )
    shape: Shape | None = Field(None, description="the shape, written out")
    bytes_per_weight: float | None = Field(
        None, gt=0, le=16, description="4-bit groups with scales are 0.5625"
    )
    bytes_per_kv: float | None = Field(None, gt=0, le=16, description="bytes per entry of the K/V cache")
    bytes_per_activation: float | None = Field(None, gt=0, le=16, description="bytes per number on the wire")

    @model_validator(mode="after")
    def _is_one(self) -> "ModelSection":
        given = [key for key in ("preset", "config", "shape") if getattr(self, key) is not None]
        if len(given) != 1:
            raise mistake(
                f"{' and '.join(given) or 'none'} of preset, config and shape", "exactly one of them"
            )
        return self


class CostSection(Section):
    """How blocks are costed."""

    model: Annotated[str, part(COST_MODELS)] = Field("decode", description="see docs/model.md")
    ffn_shards: int = Field(1, ge=1, le=10_000, description="blocks of columns of each feed-forward network")
    projection: Literal["gathered", "sharded"] | None = Field(
        None,
        description="W_O in a block of its own, or each head's rows with the head; by default as `execution` says",
    )
    ffn_factor: float = Field(
        8.0, gt=0, le=1e6, description="`paper` only: feed-forward work in units of L * D^2"
    )


class BlocksSection(Section):
    """Which blocks there are beside heads, projections and feed-forward networks."""

    embed: bool | None = Field(None, description="the embedding is a block; by default under `decode`")
    lm_head: bool | None = Field(None, description="the output head is a block; by default under `decode`")

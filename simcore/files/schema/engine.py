"""What an inference engine sends and computes, in a scenario file and in an engine profile."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from headway.simcore.files.section import Section
from headway.simcore.steps.patterns.pipeline import Back, Way

Size: TypeAlias = Annotated[float, Field(gt=0, le=16, strict=False)]
Factor: TypeAlias = Annotated[float, Field(gt=0, le=1e6, strict=False)]
Cost: TypeAlias = Annotated[float, Field(ge=0, le=1e9, strict=False)]


class PipelineSection(Section):
    """How the layer pipeline of `execution: pipeline` sends and divides a step."""

    hops: Way = Field("direct", description="messages go from device to device, or through the `source`")
    back: Back = Field(
        "direct", description="the result returns `direct`, or through the devices of the `chain` in reverse"
    )
    result: Literal["token", "logits"] = Field(
        "token", description="what returns: the id of the token, or the scores of the vocabulary"
    )
    micro_batch: int | None = Field(
        None,
        ge=1,
        le=2**31 - 1,
        description="most positions of a micro-batch in a prefill; undivided by default",
    )
    delays: int = Field(
        1,
        ge=1,
        le=100,
        description="one-way delays of each message; more than 1 if requests wait for responses",
    )
    stage_syncs: Cost = Field(
        0.0, description="time to begin the part of a device in a step, as a multiple of its `sync`"
    )


class WireSection(Section):
    """Bytes of a number in messages, by what they carry; by default `model.bytes_per_activation`."""

    hidden: Size | None = Field(None, description="hidden states and outputs of heads")
    partial_sum: Size | None = Field(None, description="partial sums of hidden states")
    embedding: Size | None = Field(None, description="input of the first layer")
    logits: Size | None = Field(None, description="scores of the vocabulary")
    top_k: int | None = Field(
        None,
        ge=1,
        le=10_000_000,
        description="number of scores that are sent, each with a token id; by default all",
    )


class EngineSection(Section):
    """Work of the inference engine in addition to that of an ideal decoder."""

    layer_bytes: Cost = Field(
        0.0, description="bytes read per layer, position and number of the hidden state outside the matrices"
    )
    lm_head_reads: Cost = Field(1.0, description="how often the output head reads its weights")
    attention_work: Factor = Field(1.0, description="how often attention does its work")
    expert_reads: Factor = Field(1.0, description="how often experts read their weights")
    expert_work: Factor = Field(1.0, description="how often experts do their work")

"""Read the engine profiles that come with Headway (`simcore/library/profiles.yaml`)."""

import functools
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from headway.simcore.files.schema.values import Seconds
from headway.simcore.files.section import Section
from headway.simcore.library import library_values
from headway.simcore.steps.patterns import PATTERNS
from headway.simcore.steps.patterns.pipeline import Back, Pipeline, Way
from headway.simcore.steps.step_graphs import Pattern
from headway.simcore.world.cost import EngineWork, Payload, WireFormat
from headway.simcore.world.profile import Profile, Quality
from headway.traces.errors import InputError, one_of, quoted

_Bytes = Annotated[float, Field(gt=0.0, strict=False)]


class _PipelineSection(Section):
    hops: Way = "direct"
    back: Back = "direct"
    result: Literal["token", "logits"] = "token"
    micro_batch: int | None = Field(None, ge=1)
    delays: int = Field(1, ge=1)
    stage_syncs: Annotated[float, Field(ge=0.0, strict=False)] = 0.0


class _Execution(Section):
    pipeline: _PipelineSection


class _WireSection(Section):
    hidden: _Bytes | None = None
    partial_sum: _Bytes | None = None
    embedding: _Bytes | None = None
    logits: _Bytes | None = None
    top_k: int | None = Field(None, ge=1)


class _ProfileSection(Section):
    title: str
    source: str
    quality: Quality
    costs: str
    execution: str | _Execution
    wire: _WireSection = _WireSection()
    bytes_per_kv: _Bytes | None = None
    layer_bytes: Annotated[float, Field(ge=0.0, strict=False)] = 0.0
    lm_head_reads: Annotated[float, Field(ge=0.0, strict=False)] = 1.0
    attention_work: Annotated[float, Field(gt=0.0, strict=False)] = 1.0
    expert_reads: Annotated[float, Field(gt=0.0, strict=False)] = 1.0
    expert_work: Annotated[float, Field(gt=0.0, strict=False)] = 1.0
    efficiency: Annotated[float, Field(gt=0.0, strict=False)] = 1.0
    efficiency_on: dict[str, Annotated[float, Field(gt=0.0, strict=False)]] = Field(default_factory=dict)
    kv_efficiency: Annotated[float, Field(gt=0.0, strict=False)] = 1.0
    skew: Annotated[float, Field(ge=0.0, strict=False)] = 0.0
    kv_skew: Annotated[float, Field(ge=0.0, strict=False)] = 0.0
    delay_share: Annotated[float, Field(gt=0.0, le=1.0, strict=False)] = 1.0
    sync: Seconds = 0.0


@functools.cache
def profiles() -> Mapping[str, Profile]:
    """All engine profiles by name."""
    sections = library_values("profiles.yaml")
    return {name: _profile(name, _ProfileSection(**section)) for name, section in sections.items()}


def profile(name: str, where: str = "profile") -> Profile:
    """An engine profile.

    Raises:
        InputError: there is no profile of this name.
    """
    if name not in profiles():
        raise InputError(where, quoted(name), one_of(name, profiles()))
    return profiles()[name]


def _profile(name: str, section: _ProfileSection) -> Profile:
    return Profile(
        name=name,
        title=section.title,
        source=section.source,
        quality=section.quality,
        costs=section.costs,
        execution=_pattern(section.execution),
        wire=WireFormat(**dict(section.wire)),
        work=EngineWork(
            layer_bytes=section.layer_bytes,
            lm_head_reads=section.lm_head_reads,
            attention_work=section.attention_work,
            expert_reads=section.expert_reads,
            expert_work=section.expert_work,
        ),
        bytes_per_kv=section.bytes_per_kv,
        sync_s=section.sync,
        efficiency=section.efficiency,
        efficiency_on=section.efficiency_on,
        kv_efficiency=section.kv_efficiency,
        skew=section.skew,
        kv_skew=section.kv_skew,
        delay_share=section.delay_share,
    )


def _pattern(execution: str | _Execution) -> Pattern:
    if isinstance(execution, str):
        return PATTERNS.find(execution)
    options = dict(execution.pipeline)
    return Pipeline(**options | {"result": Payload[options["result"].upper()]})

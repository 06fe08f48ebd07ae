"""Read the engine profiles that come with Headway (`simcore/library/profiles.yaml`)."""

import functools
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from headway.simcore.files.schema.engine import Cost, Factor, PipelineSection, Size, WireSection
from headway.simcore.files.schema.values import Seconds
from headway.simcore.files.section import Section
from headway.simcore.library import library_values
from headway.simcore.steps.patterns import PATTERNS
from headway.simcore.steps.patterns.pipeline import Pipeline
from headway.simcore.steps.step_graphs import Pattern
from headway.simcore.world.cost import EngineWork, Payload, WireFormat
from headway.simcore.world.profile import Profile, Quality
from headway.traces.errors import InputError, one_of, quoted


class _Execution(Section):
    pipeline: PipelineSection


class _ProfileSection(Section):
    title: str
    source: str
    quality: Quality
    costs: str
    execution: str | _Execution
    wire: WireSection = WireSection()
    bytes_per_kv: Size | None = None
    layer_bytes: Cost = 0.0
    lm_head_reads: Cost = 1.0
    attention_work: Factor = 1.0
    expert_reads: Factor = 1.0
    expert_work: Factor = 1.0
    efficiency: Factor = 1.0
    efficiency_on: dict[str, Factor] = Field(default_factory=dict)
    kv_efficiency: Factor = 1.0
    skew: Cost = 0.0
    kv_skew: Cost = 0.0
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
    return PATTERNS.find(execution) if isinstance(execution, str) else pipeline_of(execution.pipeline)


def pipeline_of(section: PipelineSection) -> Pipeline:
    """The pattern `pipeline` with options."""
    options = dict(section)
    return Pipeline(**options | {"result": Payload[options["result"].upper()]})

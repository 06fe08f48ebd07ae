"""Read the engine profiles that come with Headway (`simcore/library/profiles.yaml`), and changes of their costs."""

import functools
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field

from headway.simcore.files.schema.engine import Cost, Factor, PipelineSection, Size, WireSection
from headway.simcore.files.schema.values import Seconds
from headway.simcore.files.section import Section
from headway.simcore.library import library_values
from headway.simcore.steps.patterns import PATTERNS
from headway.simcore.steps.patterns.pipeline import Pipeline
from headway.simcore.world.cost import Payload
from headway.simcore.world.decode_cost import WireFormat
from headway.simcore.world.profile import Profile, Quality


class _Execution(Section):
    pipeline: PipelineSection


_Share = Annotated[float, Field(gt=0.0, le=1.0, strict=False)]


class ProfileChanges(Section):
    """Costs of an engine profile that a library file changes; the keys are those of `profiles.yaml`."""

    costs: str | None = Field(None, min_length=1, description="where the figures come from")
    quality: Quality | None = Field(None, description="how far the figures can be trusted")
    sync: Seconds | None = Field(None, description="time to send a message")
    layer_bytes: Cost | None = Field(
        None, description="bytes that the root reads per layer, position and number of the hidden state"
    )
    lm_head_reads: Cost | None = Field(None, description="how often the output head reads its weights")
    expert_reads: Factor | None = Field(None, description="how often experts read their weights")
    expert_work: Factor | None = Field(None, description="how often experts do their work")
    efficiency: Factor | None = Field(None, description="factor of the rate of reading weights")
    kv_efficiency: Factor | None = Field(None, description="factor of the rate of reading the K/V cache")
    attention_work: Factor | None = Field(None, description="how often attention does its work")
    skew: Cost | None = Field(
        None, description="how much longer the slowest device reads its weights than the root"
    )
    kv_skew: Cost | None = Field(None, description="how much longer the slowest device reads its cache")
    delay_share: _Share | None = Field(None, description="share of a measured ping that a message takes")


class _ProfileSection(ProfileChanges):
    title: str
    source: str
    quality: Quality
    costs: str
    execution: str | _Execution
    batches: bool = True
    wire: WireSection = WireSection()
    bytes_per_kv: Size | None = None
    efficiency_on: dict[str, Factor] = Field(default_factory=dict)


@functools.cache
def profiles() -> Mapping[str, Profile]:
    """All engine profiles by name."""
    sections = library_values("profiles.yaml")
    return {name: _profile(name, _ProfileSection(**section)) for name, section in sections.items()}


def changed_profile(profile: Profile, changes: ProfileChanges) -> Profile:
    """A profile with other costs."""
    values = {key: getattr(changes, key) for key in ProfileChanges.model_fields}
    values["sync_s"] = values.pop("sync")
    return profile.with_costs({name: value for name, value in values.items() if value is not None})


def profile_values(profiles: Iterable[Profile]) -> dict[str, Any]:
    """The costs of profiles as `ProfileChanges` reads them."""
    keys = ProfileChanges.model_fields
    return {
        one.name: {key: f"{one.sync_s!r} s" if key == "sync" else one.cost(key) for key in keys}
        for one in profiles
    }


def _profile(name: str, section: _ProfileSection) -> Profile:
    pattern = section.execution
    profile = Profile(
        name=name,
        title=section.title,
        source=section.source,
        quality=section.quality,
        costs=section.costs,
        execution=PATTERNS.find(pattern) if isinstance(pattern, str) else pipeline_of(pattern.pipeline),
        batches=section.batches,
        wire=WireFormat(**dict(section.wire)),
        bytes_per_kv=section.bytes_per_kv,
        efficiency_on=section.efficiency_on,
    )
    return changed_profile(profile, section)


def pipeline_of(section: PipelineSection) -> Pipeline:
    """The pattern `pipeline` with options."""
    options = dict(section)
    return Pipeline(**options | {"result": Payload[options["result"].upper()]})

"""Read the engine profiles that come with Headway (`simcore/library/profiles.yaml`), and changes of their costs."""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib import resources
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field

from headway.simcore.files.schema.values import Seconds
from headway.simcore.files.section import Section
from headway.simcore.steps.patterns import PATTERNS
from headway.simcore.steps.patterns.pipeline import Back, Pipeline, Way
from headway.simcore.steps.step_graphs import Pattern
from headway.simcore.world.cost import EngineWork, Payload, WireFormat
from headway.simcore.world.profile import Profile, Quality
from headway.traces.errors import InputError, one_of, quoted

_Bytes = Annotated[float, Field(gt=0.0, strict=False)]
_Factor = Annotated[float, Field(gt=0.0, strict=False)]
_Cost = Annotated[float, Field(ge=0.0, strict=False)]


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
    layer_bytes: _Cost = 0.0
    lm_head_reads: _Cost = 1.0
    expert_reads: _Factor = 1.0
    expert_work: _Factor = 1.0
    efficiency: _Factor = 1.0
    efficiency_on: dict[str, _Factor] = Field(default_factory=dict)
    kv_efficiency: _Factor = 1.0
    sync: Seconds = 0.0


class ProfileChanges(Section):
    """Costs of an engine profile that a library file changes; the keys are those of `profiles.yaml`."""

    costs: str | None = Field(None, min_length=1, description="where the figures come from")
    quality: Quality | None = Field(None, description="how far the figures can be trusted")
    sync: Seconds | None = Field(None, description="time to send a message")
    layer_bytes: _Cost | None = Field(
        None, description="bytes that the root reads per layer, position and number of the hidden state"
    )
    lm_head_reads: _Cost | None = Field(None, description="how often the output head reads its weights")
    expert_reads: _Factor | None = Field(None, description="how often experts read their weights")
    expert_work: _Factor | None = Field(None, description="how often experts do their work")
    efficiency: _Factor | None = Field(None, description="factor of the rate of reading weights")
    kv_efficiency: _Factor | None = Field(None, description="factor of the rate of reading the K/V cache")


@functools.cache
def profiles() -> Mapping[str, Profile]:
    """All engine profiles by name."""
    text = (resources.files("headway.simcore") / "library" / "profiles.yaml").read_text(encoding="utf-8")
    sections = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return {name: _profile(name, _ProfileSection(**section)) for name, section in sections.items()}


def profile(name: str, where: str = "profile") -> Profile:
    """An engine profile.

    Raises:
        InputError: there is no profile of this name.
    """
    if name not in profiles():
        raise InputError(where, quoted(name), one_of(name, profiles()))
    return profiles()[name]


def changed_profile(profile: Profile, changes: ProfileChanges) -> Profile:
    """A profile with other costs."""
    values = {key: getattr(changes, key) for key in changes.model_fields_set}
    values = {_FIELDS.get(key, key): value for key, value in values.items() if value is not None}
    work = {key: values.pop(key) for key in list(values) if not hasattr(profile, key)}
    return replace(profile, work=replace(profile.work, **work), **values)


def profile_values(profiles: Iterable[Profile]) -> dict[str, Any]:
    """The costs of profiles as `ProfileChanges` reads them."""
    return {one.name: _costs(one) for one in profiles}


_FIELDS = {"sync": "sync_s"}


def _costs(one: Profile) -> dict[str, Any]:
    work = {key: getattr(one.work, key) for key in ProfileChanges.model_fields if hasattr(one.work, key)}
    return {
        "costs": one.costs,
        "quality": one.quality,
        "sync": f"{one.sync_s!r} s",
        "efficiency": one.efficiency,
        "kv_efficiency": one.kv_efficiency,
    } | work


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
            expert_reads=section.expert_reads,
            expert_work=section.expert_work,
        ),
        bytes_per_kv=section.bytes_per_kv,
        sync_s=section.sync,
        efficiency=section.efficiency,
        efficiency_on=section.efficiency_on,
        kv_efficiency=section.kv_efficiency,
    )


def _pattern(execution: str | _Execution) -> Pattern:
    if isinstance(execution, str):
        return PATTERNS.find(execution)
    options = dict(execution.pipeline)
    return Pipeline(**options | {"result": Payload[options["result"].upper()]})

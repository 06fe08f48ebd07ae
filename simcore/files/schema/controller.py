"""Decisions in a scenario file: when a policy is asked, which policies, and a placement that is given."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from headway.simcore.files.schema.values import Count, Seconds, bounded
from headway.simcore.files.section import Section, mistake
from headway.traces.errors import InputError, shown


def _decision_time(value: object) -> object:
    if value in ("free", "measured"):
        return value
    try:
        return bounded(value, "time", "")
    except InputError as error:
        raise mistake(error.got, f'"free", "measured", or {error.expected}') from error


def as_placement(value: object) -> object:
    """What `placement` may be: a path, or items for each device."""
    if isinstance(value, str) and value:
        return value
    if isinstance(value, dict) and value and all(_is_items(items) for items in value.values()):
        return value
    raise mistake(
        shown(value), "the path of a file, or what each device has, such as {laptop: layers 0-9, pi: rest}"
    )


def _is_items(value: object) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list) and all(isinstance(item, str) for item in value)
    )


def _policy(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


class ControllerSection(Section):
    """When the policy is asked, and what follows."""

    interval: Count = Field(1, description="tokens from one decision to the next")
    window: Seconds = Field(
        1.0,
        description="policies see rates and availabilities as means over this time; 0 s shows the very instant",
    )
    migration: Literal["blocking", "live"] = Field(
        "blocking",
        description="decoding waits until all moves are done, or goes on meanwhile and waits for the rest only",
    )
    weights_on_disk: bool = Field(
        False,
        description="blocks that move send their cache only; their weights come from the `disk` of the new device",
    )
    on_infeasible: Literal["keep", "fail"] = Field(
        "keep", description="keep the placement in force, or end the run"
    )
    decision_time: Annotated[Literal["free", "measured"] | float, BeforeValidator(_decision_time)] = Field(
        "free",
        description='what a decision costs in simulated time: nothing, what it really took, or a time ("5 ms")',
    )


class PolicySection(Section):
    """A policy with parameters."""

    name: str = Field(description="a registered policy; `headway run --list` names them")
    label: str | None = Field(
        None, min_length=1, max_length=64, description="its name in results; the policy's name by default"
    )
    parameters: dict[str, Any] = Field(default_factory=dict, description="as the policy documents them")


Policies: TypeAlias = list[Annotated[PolicySection, BeforeValidator(_policy)]]

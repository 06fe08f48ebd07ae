"""Decisions in a scenario file: the controller, the policies, and a pinned placement."""

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
    """Check the value of `placement`: a path, or items for each device."""
    if isinstance(value, str) and value:
        return value
    if isinstance(value, dict) and value and all(_is_items(items) for items in value.values()):
        return value
    raise mistake(
        shown(value),
        "the path of a file, or the items of each device, such as {laptop: layers 0-9, pi: rest}",
    )


def _is_items(value: object) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list) and all(isinstance(item, str) for item in value)
    )


def _policy(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


class ControllerSection(Section):
    """When the policy is asked, and how its decisions are carried out."""

    interval: Count = Field(1, description="tokens from one decision to the next")
    window: Seconds = Field(
        1.0,
        description="policies see means of rates, latencies and availabilities over this time; 0 s: present values",
    )
    migration: Literal["blocking", "live"] = Field(
        "blocking",
        description="`blocking`: decoding waits until all blocks have moved; `live`: decoding continues while blocks "
        "are copied, and waits only for the growth of their caches",
    )
    weights_on_disk: bool = Field(
        False,
        description="a block that moves sends only its cache; the new device loads its weights from `disk`",
    )
    on_infeasible: Literal["keep", "fail"] = Field(
        "keep",
        description="reaction to a decision that cannot be carried out: keep the present placement, or end the run",
    )
    decision_time: Annotated[Literal["free", "measured"] | float, BeforeValidator(_decision_time)] = Field(
        "free",
        description='simulated time of a decision: 0 (`free`), its wall-clock time (`measured`), or a time ("5 ms")',
    )


class PolicySection(Section):
    """A policy with parameters."""

    name: str = Field(description="name of a policy; `headway run --list` lists them")
    label: str | None = Field(
        None, min_length=1, max_length=64, description="name in results; the policy's name by default"
    )
    parameters: dict[str, Any] = Field(default_factory=dict, description="parameters of the policy")


Policies: TypeAlias = list[Annotated[PolicySection, BeforeValidator(_policy)]]

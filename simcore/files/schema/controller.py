"""Decisions in a scenario file: when a policy is asked, which policies, and a placement that is given."""

from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import BeforeValidator, Field

from headway.simcore.files.schema.values import Count, Seconds, Share, bounded
from headway.simcore.files.section import Section, mistake
from headway.simcore.world.options import NamedHorizon
from headway.traces.errors import InputError, one_of, shown


def _decision_time(value: object) -> object:
    if value in ("free", "measured"):
        return value
    try:
        return bounded(value, "time", "")
    except InputError as error:
        raise mistake(error.got, f'"free", "measured", or {error.expected}') from error


def _horizon(value: object) -> object:
    """A number of tokens stays one; anything else must be one of the names."""
    names = get_args(NamedHorizon)
    if value in names or (type(value) is int and value >= 1):
        return value
    raise mistake(shown(value), f"a number of tokens, or {one_of(str(value), names)}")


def _triggers(value: object) -> object:
    return {"overflow": False, "device_back": False} if value == "none" else value


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


class TriggersSection(Section):
    """Events at which the policy is asked before its interval is over."""

    overflow: bool = Field(
        True, description="a device with blocks holds more than its memory, or will before the next decision"
    )
    device_back: bool = Field(True, description="a device comes back after an outage")
    slowdown: Share | None = Field(
        None,
        gt=0.0,
        description="the availability of a device in use, or the rate between two of them, has fallen by this share",
    )
    misprediction: Share | None = Field(
        None,
        gt=0.0,
        description="a decode step takes longer or shorter than predicted by this share of the predicted time",
    )


class ControllerSection(Section):
    """When the policy is asked, and what follows."""

    interval: Count = Field(1, description="tokens from one decision to the next")
    horizon: Annotated[NamedHorizon | Count, BeforeValidator(_horizon)] = Field(
        "limit",
        description="tokens that a decision plans for: all that the request may still generate (`limit`), those of an "
        "average request (`mean`), as many as it has generated so far (`generated`), those until the next decision "
        "(`interval`), or a number",
    )
    triggers: Annotated[TriggersSection, BeforeValidator(_triggers)] = Field(
        default_factory=TriggersSection, description="events at which it is asked in between, or `none`"
    )
    window: Seconds = Field(
        1.0,
        description="policies see rates and availabilities as means over this time; 0 s shows the very instant",
    )
    migration: Literal["blocking", "live"] = Field(
        "blocking",
        description="decoding waits until all moves are done, or goes on meanwhile and waits for the rest only",
    )
    moves: Literal["parallel", "serial"] = Field(
        "parallel",
        description="blocks move at the same time over routes that share nothing, or all one after another",
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

"""Decisions in a scenario file: the controller, the policies, and a pinned placement."""

from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import BeforeValidator, Field, model_validator

from headway.simcore.files.schema.values import Count, Seconds, Share, bounded, is_texts
from headway.simcore.files.section import Section, mistake
from headway.simcore.world.options import MOST_PERIODS, Forecast, NamedHorizon, OutageForecast
from headway.traces.errors import InputError, one_of, quoted


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
    raise mistake(quoted(value), f"a number of tokens, or {one_of(str(value), names)}")


def _triggers(value: object) -> object:
    return {"overflow": False, "device_back": False} if value == "none" else value


def _forecast(value: object) -> object:
    """One method stands for all quantities; outages have no mean."""
    methods = get_args(OutageForecast)
    if not isinstance(value, str):
        return value
    if value in methods:
        return dict.fromkeys(("memory", "availability", "rates", "outages"), value)
    raise mistake(quoted(value), f"{one_of(value, methods)}, or a method for each quantity")


def as_placement(value: object) -> object:
    """Check the value of `placement`: a path, or items for each device."""
    if isinstance(value, str) and value:
        return value
    if (
        isinstance(value, dict)
        and value
        and all(isinstance(items, str) or is_texts(items) for items in value.values())
    ):
        return value
    raise mistake(
        quoted(value),
        "the path of a file, or the items of each device, such as {laptop: layers 0-9, pi: rest}",
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


class ForecastSection(Section):
    """What policies know of the future: a method for each quantity, or one method for all."""

    memory: Forecast = Field("none", description="of the memory that others use")
    availability: Forecast = Field("none", description="of the free share of devices")
    rates: Forecast = Field("none", description="of the rates of links, interfaces and media")
    outages: OutageForecast = Field("none", description="of the times at which devices and links are down")
    span: Seconds = Field(60.0, gt=0.0, description="how far the forecast reaches")
    step: Seconds = Field(1.0, gt=0.0, description="length of its periods, of which each has one value")
    season: Seconds | None = Field(None, gt=0.0, description="after this time `seasonal` values repeat")

    @model_validator(mode="after")
    def _consistent(self) -> "ForecastSection":
        if self.step > self.span or self.span / self.step > MOST_PERIODS:
            expected = f"a step that divides the span of {self.span:g} s into 1 to {MOST_PERIODS:,} periods"
            raise mistake(f"{self.step:g} s for step", expected)
        if self.season is None and "seasonal" in (self.memory, self.availability, self.rates, self.outages):
            raise mistake("seasonal forecasts without season", 'season, such as "24 h"')
        return self


class ControllerSection(Section):
    """When the policy is asked, and how its decisions are carried out."""

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
    forecast: Annotated[ForecastSection, BeforeValidator(_forecast)] = Field(
        default_factory=ForecastSection,
        description="what policies know of the future: `none`; the present values remain (`last`); values as one "
        "season ago (`seasonal`); the true values (`oracle`); or a method for each quantity, of which all but "
        "outages may have their `mean` since the start",
    )
    window: Seconds = Field(
        1.0,
        description="policies see means of rates, latencies and availabilities over this time; 0 s: present values",
    )
    migration: Literal["blocking", "live"] = Field(
        "blocking",
        description="`blocking`: decoding waits until all blocks have moved; `live`: decoding continues while blocks "
        "are copied, and waits only for the growth of their caches",
    )
    moves: Literal["parallel", "serial"] = Field(
        "parallel",
        description="blocks move at the same time over routes that share nothing, or all one after another",
    )
    weights_on_disk: bool = Field(
        False,
        description="a block that moves sends only its cache; the new device loads its weights from `disk`",
    )
    warm_copies: bool = Field(
        True,
        description="a device keeps the weights of a block that leaves it while it has free memory; if the block comes "
        "back, it sends only its cache",
    )
    caches: Literal["send", "recompute", "faster"] = Field(
        "send",
        description="a blocking migration sends K/V caches (`send`), or drops all of them, and the next step computes "
        "them again (`recompute`); `faster`: the way that is predicted to end the next step first",
    )
    pause_budget: Seconds | None = Field(
        None,
        description="a blocking migration with a longer pause is spread over several tokens; the policy is asked again "
        "after each of them",
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

"""Traces in a scenario file: a plain quantity, or a section of one of several forms.

Each form has one class for all quantities. The four types at the end are for one quantity each, and convert the values
of the file to SI units.
"""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import AfterValidator, Field, Tag

from headway.simcore.files.schema.values import Seconds, keyed, parsed, unknown
from headway.simcore.files.section import Section
from headway.traces.generate import KINDS
from headway.traces.units import Quantity

End: TypeAlias = Literal["hold", "loop", "zero"]


class TraceForm(Section):
    """The common keys of all forms of traces."""

    scale: float = Field(1.0, ge=0, description="factor of all values")
    shift: Seconds = Field(0.0, description="the run begins at this time of the trace")


class FileTrace(TraceForm):
    """A trace read from a file."""

    file: str = Field(min_length=1, description="path, relative to the scenario file")
    format: str | None = Field(None, description="format of the file; recognised from its content by default")
    unit: str | None = Field(None, description="unit of the values, if the file does not give it")
    time_unit: str | None = Field(None, description="unit of the times, if the file does not give it")
    end: End | None = Field(None, description="rule after the last value; by default that of the format")
    column: str | None = Field(None, description="column of the values, by name or by number from 1")
    time_column: str | None = Field(None, description="column of the times, by name or by number from 1")
    load: bool | None = Field(
        None,
        description="`true` if the file has the load by other programs; the trace is then 1 minus the load",
    )
    repair: bool | None = Field(
        None, description="text in columns: drop or merge rows that are not in order, instead of an error"
    )
    max_gap: Seconds | None = Field(None, description="longer times between rows are shortened to this")
    select: str | None = Field(None, description="name of a recording, in formats with several in one file")
    where: dict[str, str | float] | None = Field(
        None, description="use only rows with these values in these columns, such as `{run: 3}`"
    )
    merge: Literal["mean", "sum", "first"] | None = Field(
        None, description="with `repair`: how rows of one time are merged; by default their mean"
    )
    step: Seconds | None = Field(None, description="time between rows, if the file has no column of times")


class ShippedTrace(TraceForm):
    """A trace that comes with Headway; `headway run --list` lists them."""

    shipped: str = Field(description="name of the trace")
    end: End | None = Field(None, description="rule after the last value; by default that of the format")


class StepsTrace(TraceForm):
    """A list of pairs of time and value."""

    steps: Annotated[list[Annotated[list[Any], Field(min_length=2, max_length=2)]], Field(min_length=1)] = (
        Field(
            description='pairs such as ["10 s", "50 Mbit/s"], the first at "0 s"; a value holds until the next time'
        )
    )
    end: End = Field("hold", description="rule after the last value")
    duration: Seconds | None = Field(None, description="period (`loop`) or end (`zero`) of the trace")


class GeneratedTrace(TraceForm):
    """A seeded synthetic trace; every link and device draws its own.

    Attributes:
        kind: its name in `traces.generate.KINDS`.
        needs: what its values must be to one another.
    """

    kind: ClassVar[str]
    needs: ClassVar[str]


class WalkTrace(GeneratedTrace):
    """A seeded log-normal random walk; every link and device draws its own."""

    kind: ClassVar[str] = "walk"
    needs: ClassVar[str] = "a mean, a step and a duration above 0, the duration not below the step"

    walk_mean: Any = Field(description="mean value, with its unit")
    sigma: float = Field(gt=0, le=3, description="standard deviation of the logarithm of the values")
    step: Seconds = Field(description="time from one value to the next")
    duration: Seconds = Field(description="length of one round; the walk then repeats")
    correlation: float = Field(0.9, ge=0, lt=1, description="correlation of one logarithm with the next")


class RevertingTrace(GeneratedTrace):
    """A seeded Ornstein-Uhlenbeck process, cut off at 0; every link and device draws its own."""

    kind: ClassVar[str] = "ornstein-uhlenbeck"
    needs: ClassVar[str] = "a step and a duration above 0, the duration not below the step"

    reverting_mean: Any = Field(description="mean before values below 0 are cut off, with its unit")
    deviation: Any = Field(description="standard deviation before that, with its unit")
    relaxation: Seconds = Field(description="time in which the distance from the mean falls to 1/e")
    step: Seconds = Field(description="time from one value to the next")
    duration: Seconds = Field(description="length of one round; the trace then repeats")


class TwoStateTrace(GeneratedTrace):
    """A seeded Gilbert-Elliott process: two values in turn, each for an exponentially distributed time."""

    kind: ClassVar[str] = "gilbert-elliott"
    needs: ClassVar[str] = "a bad value below the good one, and mean times and a duration above 0"

    good: Any = Field(description="value in the good state, with its unit")
    bad: Any = Field(description="value in the bad state, with its unit")
    good_time: Seconds = Field(description="mean time in the good state until the next change")
    bad_time: Seconds = Field(description="mean time in the bad state")
    duration: Seconds = Field(description="length of one round; the trace then repeats")


class DiurnalTrace(GeneratedTrace):
    """A daily wave, with seeded noise on request; every link and device draws its own."""

    kind: ClassVar[str] = "diurnal"
    needs: ClassVar[str] = (
        "a mean and a step above 0, an amplitude of at most the mean, a period of at least two steps, a duration of at "
        "least one"
    )

    diurnal_mean: Any = Field(description="mean value, with its unit")
    amplitude: Any = Field(description="height of the wave over the mean, with its unit")
    period: Seconds = Field(description="length of a wave")
    peak: Seconds = Field(0.0, description="when the wave is highest")
    sigma: float = Field(0.0, ge=0, le=3, description="standard deviation of the logarithm of the noise")
    correlation: float = Field(0.0, ge=0, lt=1, description="correlation of one logarithm with the next")
    step: Seconds = Field(description="time from one value to the next")
    duration: Seconds = Field(description="length of one round; the trace then repeats")


class FadingTrace(GeneratedTrace):
    """A seeded Rayleigh or Rician fading channel; every link and device draws its own."""

    kind: ClassVar[str] = "fading"
    needs: ClassVar[str] = (
        "a mean, a step and a duration above 0, the duration not below the step, the step not above two coherence times"
    )

    fading_mean: Any = Field(description="mean value, with its unit")
    coherence: Seconds = Field(
        description="time over which the correlation of the diffuse power falls to 1/2"
    )
    rice_factor: float = Field(
        0.0,
        ge=0,
        le=1000,
        description="power of the direct wave over that of all others; 0 is Rayleigh fading",
    )
    step: Seconds = Field(description="time from one value to the next")
    duration: Seconds = Field(description="length of one round; the trace then repeats")


Generated: TypeAlias = WalkTrace | RevertingTrace | TwoStateTrace | DiurnalTrace | FadingTrace
"""The section of a synthetic trace, of any kind."""


def generated_key(section: type[Generated], parameter: str) -> str:
    """The key under which a section has a parameter of its kind, for example `walk_mean` for the mean of a walk."""
    name = parameter.removesuffix("_s")
    return next(
        key for key in section.model_fields if key == name or (name == "mean" and key.endswith("_mean"))
    )


_TRACE_KEYS = (
    "file",
    "shipped",
    "steps",
    "walk_mean",
    "reverting_mean",
    "good",
    "diurnal_mean",
    "fading_mean",
)


_Written: TypeAlias = Annotated[
    Annotated[Any, Tag("(constant)")]
    | Annotated[FileTrace, Tag("(file)")]
    | Annotated[ShippedTrace, Tag("(shipped)")]
    | Annotated[StepsTrace, Tag("(steps)")]
    | Annotated[WalkTrace, Tag("(walk_mean)")]
    | Annotated[RevertingTrace, Tag("(reverting_mean)")]
    | Annotated[TwoStateTrace, Tag("(good)")]
    | Annotated[DiurnalTrace, Tag("(diurnal_mean)")]
    | Annotated[FadingTrace, Tag("(fading_mean)")]
    | Annotated[Any, unknown("a value with its unit, or a trace with", _TRACE_KEYS), Tag("(unknown)")],
    keyed(_TRACE_KEYS, "(constant)"),
]


def _measured(section: Any, *, quantity: Quantity) -> Any:
    """A trace whose values are in SI units."""
    if isinstance(section, StepsTrace):
        steps = [
            (parsed(time, "time", "steps", number, 0), parsed(value, quantity, "steps", number, 1))
            for number, (time, value) in enumerate(section.steps)
        ]
        return section.model_copy(update={"steps": steps})
    if isinstance(section, Generated):
        measures = KINDS[section.kind].parameters.items()
        keys = [generated_key(type(section), name) for name, measure in measures if measure == "value"]
        return section.model_copy(update={key: parsed(getattr(section, key), quantity, key) for key in keys})
    return section if isinstance(section, TraceForm) else parsed(section, quantity)


RateTrace: TypeAlias = Annotated[_Written, AfterValidator(partial(_measured, quantity="rate"))]
TimeTrace: TypeAlias = Annotated[_Written, AfterValidator(partial(_measured, quantity="time"))]
SizeTrace: TypeAlias = Annotated[_Written, AfterValidator(partial(_measured, quantity="size"))]
ShareTrace: TypeAlias = Annotated[_Written, AfterValidator(partial(_measured, quantity="fraction"))]

TRACES: Mapping[Quantity, object] = {
    "rate": RateTrace,
    "time": TimeTrace,
    "size": SizeTrace,
    "fraction": ShareTrace,
}
"""The type of a trace by what its values measure."""

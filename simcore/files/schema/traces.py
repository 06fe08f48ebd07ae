"""Traces in a scenario file: a plain quantity, or a section of one of several forms.

Each form has one class for all quantities. The four types at the end are for one quantity each, and convert the values
of the file to SI units.
"""

from collections.abc import Mapping
from functools import cache, partial
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, Tag, create_model

from headway.simcore.files.schema.values import Seconds, keyed, no_known_key, parsed
from headway.simcore.files.section import Section
from headway.traces.synthesis import KINDS
from headway.traces.synthesis.kind import Kind
from headway.traces.units import Quantity

End: TypeAlias = Literal["hold", "loop", "zero"]


class TraceForm(Section):
    """The common keys of all forms of traces."""

    scale: float = Field(1.0, ge=0, description="factor of all values")
    shift: Seconds = Field(0.0, description="the run begins at this time of the trace")


class RecordedTrace(TraceForm):
    """The common keys of recorded traces."""

    end: End | None = Field(None, description="rule after the last value; by default that of the format")
    start: Literal["random"] | None = Field(
        None,
        description="`random`: the seed draws a time of a looping trace for each link and device, where its run begins",
    )


class FileTrace(RecordedTrace):
    """A trace read from a file."""

    file: str = Field(min_length=1, description="path, relative to the scenario file")
    format: str | None = Field(None, description="format of the file; recognised from its content by default")
    unit: str | None = Field(None, description="unit of the values, if the file does not give it")
    time_unit: str | None = Field(None, description="unit of the times, if the file does not give it")
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


class ShippedTrace(RecordedTrace):
    """A trace that comes with Headway; `headway run --list` lists them."""

    shipped: str = Field(description="name of the trace")


class StepsTrace(TraceForm):
    """A list of pairs of time and value."""

    steps: Annotated[list[Annotated[list[Any], Field(min_length=2, max_length=2)]], Field(min_length=1)] = (
        Field(
            description='pairs such as ["10 s", "50 Mbit/s"], the first at "0 s"; a value holds until the next time'
        )
    )
    end: End = Field("hold", description="rule after the last value")
    duration: Seconds | None = Field(None, description="period (`loop`) or end (`zero`) of the trace")


class SyntheticTrace(TraceForm):
    """A synthetic trace; every link and device draws its own from the seed. `synthetic_section` gives its keys.

    Attributes:
        kind: the kind of trace, from `traces.synthesis.KINDS`.
    """

    kind: ClassVar[Kind]

    def parameters(self) -> dict[str, float]:
        """Values by the parameters of the generator."""
        return {name: getattr(self, parameter.key) for name, parameter in self.kind.parameters.items()}


@cache
def synthetic_section(kind: Kind) -> type[SyntheticTrace]:
    """The section of one kind, with a key for each parameter of its generator."""
    types = {"value": Any, "time": Seconds, "number": float}
    fields: dict[str, Any] = {
        one.key: (
            types[one.measure],
            Field(
                ... if one.default is None else one.default,
                description=one.description,
                ge=one.ge,
                gt=one.gt,
                le=one.le,
                lt=one.lt,
            ),
        )
        for one in kind.parameters.values()
    }
    section = create_model(kind.name, __base__=SyntheticTrace, __doc__=kind.summary, **fields)
    section.kind = kind
    return section


def synthetic_sections() -> tuple[type[SyntheticTrace], ...]:
    """The sections of all kinds of synthetic traces."""
    return tuple(map(synthetic_section, KINDS.values()))


_KEYS = ("file", "shipped", "steps")
"""The first keys of all other forms."""


def _synthetic(values: dict[str, Any]) -> SyntheticTrace:
    """The section whose first key is in a mapping.

    Kinds are looked up when a file is read, so that a kind that is added to `KINDS` at run time is known too.
    """
    kind = next((kind for kind in KINDS.values() if kind.key in values), None)
    if kind is None:
        keys = (*_KEYS, *(kind.key for kind in KINDS.values()))
        raise no_known_key(values, "a value with its unit, or a trace with", keys)
    return synthetic_section(kind).model_validate(values)


_Written: TypeAlias = Annotated[
    Annotated[Any, Tag("(constant)")]
    | Annotated[FileTrace, Tag("(file)")]
    | Annotated[ShippedTrace, Tag("(shipped)")]
    | Annotated[StepsTrace, Tag("(steps)")]
    | Annotated[SyntheticTrace, BeforeValidator(_synthetic), Tag("(unknown)")],
    keyed(_KEYS, "(constant)"),
]


def _measured(section: Any, *, quantity: Quantity) -> Any:
    """A trace whose values are in SI units."""
    if isinstance(section, StepsTrace):
        steps = [
            (parsed(time, "time", "steps", number, 0), parsed(value, quantity, "steps", number, 1))
            for number, (time, value) in enumerate(section.steps)
        ]
        return section.model_copy(update={"steps": steps})
    if isinstance(section, SyntheticTrace):
        keys = [one.key for one in section.kind.parameters.values() if one.measure == "value"]
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

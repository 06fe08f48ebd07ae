"""Requests in a scenario file: a list, a Poisson process, or a log."""

from typing import Annotated, Any, TypeAlias

from pydantic import Field, Tag, model_validator

from headway.simcore.files.bounds import MOST_REQUESTS, MOST_TOKENS
from headway.simcore.files.schema.values import Count, Frequency, Seconds, keyed, unknown
from headway.simcore.files.section import Section, mistake
from headway.traces.errors import quoted


class RequestSection(Section):
    """A request for one sequence."""

    prompt: Count = Field(description="number of tokens of the prompt")
    output: Count = Field(description="number of tokens to generate")
    arrival: Seconds = Field(0.0, description="time at which it arrives at the source")


class UniformLength(Section):
    """A uniformly distributed number of tokens."""

    uniform: Annotated[list[Count], Field(min_length=2, max_length=2)] = Field(
        description="minimum and maximum, both included"
    )

    @model_validator(mode="after")
    def _rises(self) -> "UniformLength":
        if self.uniform[0] > self.uniform[1]:
            raise mistake(quoted(self.uniform), "the minimum number of tokens, then the maximum", "uniform")
        return self


class LogNormalLength(Section):
    """A log-normally distributed number of tokens: many short sequences and a few long ones."""

    lognormal_mean: float = Field(ge=1, le=MOST_TOKENS, description="mean, before rounding and limiting")
    sigma: float = Field(gt=0, le=3, description="standard deviation of the logarithm")
    most: Count = Field(MOST_TOKENS, description="maximum; larger numbers become this")


class GeometricLength(Section):
    """A geometrically distributed number of tokens: a text ends after each token with the same probability."""

    geometric_mean: float = Field(ge=1, le=MOST_TOKENS, description="mean, before limiting")
    most: Count = Field(MOST_TOKENS, description="maximum; larger numbers become this")


_LENGTH_KEYS = ("uniform", "lognormal_mean", "geometric_mean")


Length: TypeAlias = Annotated[
    Annotated[Count, Tag("(fixed)")]
    | Annotated[UniformLength, Tag("(uniform)")]
    | Annotated[LogNormalLength, Tag("(lognormal_mean)")]
    | Annotated[GeometricLength, Tag("(geometric_mean)")]
    | Annotated[Any, unknown("a number of tokens, or a distribution with", _LENGTH_KEYS), Tag("(unknown)")],
    keyed(_LENGTH_KEYS, "(fixed)"),
]


class PoissonWorkload(Section):
    """A Poisson process of requests; times and lengths depend on the seed."""

    poisson: Frequency = Field(description="mean arrival rate")
    count: int = Field(ge=1, le=MOST_REQUESTS, description="number of requests")
    prompt: Length = Field(description="number of tokens of each prompt")
    output: Length = Field(description="number of tokens to generate for each request")


class FileWorkload(Section):
    """Requests from a log file."""

    file: str = Field(min_length=1, description="path, relative to the scenario file")
    format: str | None = Field(None, description="format; recognised from the first line by default")
    columns: dict[str, str] | None = Field(
        None,
        description="for a log with other names of columns: the columns of `arrival`, `prompt` and `output`",
    )
    time_unit: str | None = Field(None, description="unit of the arrivals in such a log; dates by default")
    start: Seconds = Field(0.0, description="skip requests that arrived earlier than this after the first")
    limit: int | None = Field(None, ge=1, le=MOST_REQUESTS, description="maximum number of requests")
    stretch: float = Field(
        1.0,
        gt=0,
        le=1e6,
        description="factor of the times between arrivals, for logs of large clusters",
    )
    most_prompt: Count = Field(MOST_TOKENS, description="maximum tokens of a prompt; longer prompts are cut")
    most_output: Count = Field(MOST_TOKENS, description="maximum tokens of an output; longer outputs are cut")


_WORKLOAD_KEYS = ("poisson", "file")

Workload: TypeAlias = Annotated[
    Annotated[list[RequestSection], Field(min_length=1, max_length=MOST_REQUESTS), Tag("(requests)")]
    | Annotated[PoissonWorkload, Tag("(poisson)")]
    | Annotated[FileWorkload, Tag("(file)")]
    | Annotated[Any, unknown("a list of requests, or a mapping with", _WORKLOAD_KEYS), Tag("(unknown)")],
    keyed(_WORKLOAD_KEYS, "(requests)"),
]

"""Requests in a scenario file: one by one, as a Poisson process, or from a log."""

from typing import Annotated, Any, TypeAlias

from pydantic import Field, Tag, model_validator

from headway.simcore.files.bounds import MOST_REQUESTS, MOST_TOKENS
from headway.simcore.files.schema.values import Count, Frequency, Seconds, keyed, unknown
from headway.simcore.files.section import Section, mistake
from headway.traces.errors import shown


class RequestSection(Section):
    """A sequence to generate."""

    prompt: Count = Field(description="tokens of the prompt")
    output: Count = Field(description="tokens to generate")
    arrival: Seconds = Field(0.0, description="when it arrives at the source")


class UniformLength(Section):
    """A number of tokens between two, all equally likely."""

    uniform: Annotated[list[Count], Field(min_length=2, max_length=2)] = Field(
        description="the least and the most, both possible"
    )

    @model_validator(mode="after")
    def _rises(self) -> "UniformLength":
        if self.uniform[0] > self.uniform[1]:
            raise mistake(shown(self.uniform), "the least number of tokens and then the most", "uniform")
        return self


class LogNormalLength(Section):
    """A number of tokens whose logarithm is normal: most are short, a few are long."""

    lognormal_mean: float = Field(ge=1, le=MOST_TOKENS, description="mean, before rounding and cutting off")
    sigma: float = Field(gt=0, le=3, description="standard deviation of the logarithm")
    most: Count = Field(MOST_TOKENS, description="longer ones are cut off there")


class GeometricLength(Section):
    """A number of tokens after each of which the text ends with the same probability."""

    geometric_mean: float = Field(ge=1, le=MOST_TOKENS, description="mean, before cutting off")
    most: Count = Field(MOST_TOKENS, description="longer ones are cut off there")


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
    """Requests that arrive independently of each other, with seeded times and lengths."""

    poisson: Frequency = Field(description="mean number of arrivals in a time")
    count: int = Field(ge=1, le=MOST_REQUESTS, description="how many requests")
    prompt: Length = Field(description="tokens of each prompt")
    output: Length = Field(description="tokens to generate for each")


class FileWorkload(Section):
    """Requests as a log has them."""

    file: str = Field(min_length=1, description="path, relative to the scenario file")
    format: str | None = Field(None, description="its format, where it is not recognised from the first line")
    columns: dict[str, str] | None = Field(
        None, description="of a log with other names: the columns of `arrival`, `prompt` and `output`"
    )
    time_unit: str | None = Field(
        None, description="of arrivals in such a log; where nobody says it, they are dates"
    )
    start: Seconds = Field(0.0, description="leave out what came sooner than this after the first row")
    limit: int | None = Field(None, ge=1, le=MOST_REQUESTS, description="take so many and no more")
    stretch: float = Field(
        1.0,
        gt=0,
        le=1e6,
        description="make times between arrivals longer by this; logs of large clusters are dense",
    )
    most_prompt: Count = Field(MOST_TOKENS, description="longer prompts are cut off there")
    most_output: Count = Field(MOST_TOKENS, description="longer outputs are cut off there")


_WORKLOAD_KEYS = ("poisson", "file")

Workload: TypeAlias = Annotated[
    Annotated[list[RequestSection], Field(min_length=1, max_length=MOST_REQUESTS), Tag("(requests)")]
    | Annotated[PoissonWorkload, Tag("(poisson)")]
    | Annotated[FileWorkload, Tag("(file)")]
    | Annotated[Any, unknown("a list of requests, or a mapping with", _WORKLOAD_KEYS), Tag("(unknown)")],
    keyed(_WORKLOAD_KEYS, "(requests)"),
]

"""`Kind`: the interface between a kind of synthetic trace and the files and commands that use it."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from operator import itemgetter
from typing import Annotated, Literal

from headway.traces.synthesis.model import Model
from headway.traces.synthesis.sample import Sample
from headway.traces.trace import Trace

Measure = Literal["value", "time", "number"]


@dataclass(frozen=True)
class Parameter:
    """A parameter of a generator, given in the annotation of its argument.

    Attributes:
        measure: "value" if it has the unit of the trace, "time" [s], or a plain "number".
        description: for the reference of scenario files and the help of the command.
        key: name in a scenario file; by default the name of the argument without the suffix `_s`.
        default: value where the user gives none, from the signature; None if the user must give one.
        ge: smallest value in a scenario file; for numbers only, as are the other bounds.
        gt: lower bound, itself excluded.
        le: largest value.
        lt: upper bound, itself excluded.
    """

    measure: Measure
    description: str
    key: str = ""
    default: float | None = None
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None


Step = Annotated[float, Parameter("time", "time from one value to the next")]
Duration = Annotated[float, Parameter("time", "length of one round; the trace then repeats")]


@dataclass(frozen=True)
class Kind:
    """A kind of synthetic trace.

    Attributes:
        name: in `KINDS` and on the command line.
        generate: the generator. Its arguments are a `numpy.random.Generator`, then by keyword parameters whose
            annotations hold a `Parameter`, `duration_s` among them, and `end`. It draws the same trace from the same
            state. The first line of its docstring describes the kind in the reference of scenario files.
        model: the analytic model for given parameters, without `duration_s`.
        estimate: parameters for a recorded trace, without `step_s` and `duration_s`; raises an `InputError` where the
            trace has no pattern of this kind.
        needs: the conditions between parameters, for the message where the generator raises a ValueError.
        spacing_s: mean time from one value to the next, from the parameters [s]; `step_s` by default.
    """

    name: str
    generate: Callable[..., Trace]
    model: Callable[..., Model]
    estimate: Callable[[Sample], dict[str, float]]
    needs: str
    spacing_s: Callable[[Mapping[str, float]], float] = itemgetter("step_s")

    @cached_property
    def parameters(self) -> Mapping[str, Parameter]:
        """The parameters by the names of the arguments, in their order."""
        parameters = {}
        for name, argument in inspect.signature(self.generate, eval_str=True).parameters.items():
            for metadata in getattr(argument.annotation, "__metadata__", ()):
                default = None if argument.default is argument.empty else argument.default
                key = metadata.key or name.removesuffix("_s")
                parameters[name] = replace(metadata, key=key, default=default)
        return parameters

    @property
    def key(self) -> str:
        """The first key of its section in a scenario file; no other kind has this key."""
        return next(iter(self.parameters.values())).key

    @property
    def summary(self) -> str:
        """One sentence about the kind."""
        return (inspect.getdoc(self.generate) or "").partition("\n")[0]

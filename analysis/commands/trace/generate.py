"""`headway trace generate`."""

# ruff: noqa: PLC0415

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from headway.analysis.commands.trace.options import known
from headway.analysis.console.terminal import reported, show

if TYPE_CHECKING:
    from headway.simcore.files import schema
    from headway.traces import Trace

_Kind = Annotated[
    str, typer.Argument(metavar="KIND", help="walk, ornstein-uhlenbeck, gilbert-elliott, diurnal or fading.")
]
_File = Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="CSV file; replaced if it exists.")]
_Duration = Annotated[str, typer.Option(metavar="TIME", help="Length of the trace.")]
_Step = Annotated[
    str | None, typer.Option(metavar="TIME", help="Time from one value to the next; not for gilbert-elliott.")
]
_Seed = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="The same seed gives the same file.")]
_Quantity = Annotated[
    str,
    typer.Option(
        "--as", metavar="QUANTITY", help="What the values measure: rate, load, availability, size or time."
    ),
]
_Unit = Annotated[
    str | None, typer.Option(help="Unit of the values in the file; Mbit/s, % or MB by default.")
]
_Mean = Annotated[str | None, typer.Option(metavar="VALUE", help='With its unit: "50 Mbit/s".')]
_Sigma = Annotated[
    float | None,
    typer.Option(help="Standard deviation of the logarithm (walk) or of the noise (diurnal)."),
]
_Correlation = Annotated[
    float | None, typer.Option(help="Correlation of consecutive logarithms (walk, diurnal).")
]
_RiceFactor = Annotated[float | None, typer.Option(help="fading; 0 by default.")]
_OrnsteinUhlenbeckValue = Annotated[str | None, typer.Option(metavar="VALUE", help="ornstein-uhlenbeck.")]
_OrnsteinUhlenbeckTime = Annotated[str | None, typer.Option(metavar="TIME", help="ornstein-uhlenbeck.")]
_GilbertElliottValue = Annotated[str | None, typer.Option(metavar="VALUE", help="gilbert-elliott.")]
_GilbertElliottTime = Annotated[str | None, typer.Option(metavar="TIME", help="gilbert-elliott.")]
_DiurnalValue = Annotated[str | None, typer.Option(metavar="VALUE", help="diurnal.")]
_DiurnalTime = Annotated[str | None, typer.Option(metavar="TIME", help="diurnal.")]
_FadingTime = Annotated[str | None, typer.Option(metavar="TIME", help="fading.")]


def generate(
    kind: _Kind,
    out: _File,
    duration: _Duration,
    step: _Step = None,
    seed: _Seed = 0,
    quantity: _Quantity = "rate",
    unit: _Unit = None,
    mean: _Mean = None,
    sigma: _Sigma = None,
    correlation: _Correlation = None,
    deviation: _OrnsteinUhlenbeckValue = None,
    relaxation: _OrnsteinUhlenbeckTime = None,
    good: _GilbertElliottValue = None,
    bad: _GilbertElliottValue = None,
    good_time: _GilbertElliottTime = None,
    bad_time: _GilbertElliottTime = None,
    amplitude: _DiurnalValue = None,
    period: _DiurnalTime = None,
    peak: _DiurnalTime = None,
    coherence: _FadingTime = None,
    rice_factor: _RiceFactor = None,
) -> None:
    """Write a synthetic trace to a file for scenarios.

    docs/generators.md describes the kinds and their parameters.

    Example: headway trace generate walk --mean "50 Mbit/s" --sigma 0.5 --step 1s --duration 60s --out walk.csv
    """
    given = {name: value for name, value in locals().items() if value is not None}
    with reported():
        from headway.analysis.files.atomic import writing
        from headway.analysis.statistics.recordings import UNITS
        from headway.traces import write_csv

        measured = known(quantity)
        trace = _drawn(given | {"quantity": measured})
        with writing(out):
            write_csv(trace, out, measured, unit=UNITS[measured][1] if unit is None else unit)
        show(f"{out}: {len(trace.times):,} values over {trace.duration:g} s")


def _drawn(given: Mapping[str, Any]) -> "Trace":
    """Generate the trace that the options describe.

    Raises:
        InputError: an option is missing, does not belong to the kind, or cannot be read; or no trace has these values.
    """
    import numpy as np

    from headway.simcore.files import schema
    from headway.traces import InputError
    from headway.traces.errors import one_of, shown
    from headway.traces.generate import KINDS

    name = given["kind"]
    if name not in KINDS:
        raise InputError("KIND", shown(name), one_of(name, KINDS))
    kind = KINDS[name]
    measures = {**kind.parameters, "duration_s": "time"} | ({"step_s": "time"} if kind.stepped else {})
    _check_options(name, given, {_option(parameter) for parameter in measures})
    arguments = {}
    for parameter, measure in measures.items():
        option = _option(parameter)
        if option in given:
            quantity = {"value": given["quantity"], "time": "time"}.get(measure)
            value = given[option]
            arguments[parameter] = (
                value if quantity is None else schema.bounded(value, quantity, _flag(option))
            )
    try:
        return kind.make(np.random.default_rng(given["seed"]), **arguments)
    except ValueError as error:
        raise InputError(name, str(error), section(name).needs) from error


def _check_options(kind: str, given: Mapping[str, Any], own: set[str]) -> None:
    """Refuse options of other kinds, and require those without a default."""
    import inspect

    from headway.traces import InputError
    from headway.traces.generate import KINDS

    common = {"kind", "out", "seed", "quantity", "unit"}
    expected = ", ".join(sorted(_flag(option) for option in own))
    for option in given:
        if option not in own | common:
            raise InputError(kind, f"the option {_flag(option)}", expected)
    for name, parameter in inspect.signature(KINDS[kind].make).parameters.items():
        if parameter.default is parameter.empty and name != "rng" and _option(name) not in given:
            raise InputError(
                kind, f"no option {_flag(_option(name))}", f"{_flag(_option(name))} (options: {expected})"
            )


def _option(parameter: str) -> str:
    return parameter.removesuffix("_s")


def _flag(option: str) -> str:
    return f"--{option.replace('_', '-')}"


def section(kind: str) -> "type[schema.Generated]":
    """The section of a scenario file for a trace of this kind."""
    from headway.simcore.files import schema

    section: type[schema.Generated] = next(s for s in get_args(schema.Generated) if s.kind == kind)
    return section

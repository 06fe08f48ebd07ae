"""`headway trace generate` and `headway trace fit`."""

# ruff: noqa: PLC0415

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from headway.analysis.terminal import reported, show
from headway.analysis.trace_command import (
    As,
    ColumnName,
    File,
    Format,
    MaxGap,
    Repair,
    Select,
    Step,
    TimeColumn,
    TimeUnit,
    Unit,
    duration,
    known,
    reading,
    recording,
)

if TYPE_CHECKING:
    from rich.table import Table

    from headway.simcore.files import schema
    from headway.traces import Fit, Quantity, Trace

_Text = str | None
_Number = float | None


def generate(
    kind: Annotated[
        str,
        typer.Argument(metavar="KIND", help="walk, ornstein-uhlenbeck, gilbert-elliott, diurnal or fading."),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="CSV file; replaced if it exists.")
    ],
    duration: Annotated[str, typer.Option(metavar="TIME", help="Length of the trace.")],
    step: Annotated[
        _Text, typer.Option(metavar="TIME", help="Time from one value to the next; not for gilbert-elliott.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="The same seed gives the same file.")] = 0,
    quantity: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="QUANTITY",
            help="What the values measure: rate, load, availability, size or time.",
        ),
    ] = "rate",
    unit: Annotated[
        _Text, typer.Option(help="Unit of the values in the file; Mbit/s, % or MB by default.")
    ] = None,
    mean: Annotated[_Text, typer.Option(metavar="VALUE", help='With its unit: "50 Mbit/s".')] = None,
    sigma: Annotated[
        _Number, typer.Option(help="Standard deviation of the logarithm (walk) or of the noise (diurnal).")
    ] = None,
    correlation: Annotated[
        _Number, typer.Option(help="Correlation of consecutive logarithms (walk, diurnal).")
    ] = None,
    deviation: Annotated[_Text, typer.Option(metavar="VALUE", help="ornstein-uhlenbeck.")] = None,
    relaxation: Annotated[_Text, typer.Option(metavar="TIME", help="ornstein-uhlenbeck.")] = None,
    good: Annotated[_Text, typer.Option(metavar="VALUE", help="gilbert-elliott.")] = None,
    bad: Annotated[_Text, typer.Option(metavar="VALUE", help="gilbert-elliott.")] = None,
    good_time: Annotated[_Text, typer.Option(metavar="TIME", help="gilbert-elliott.")] = None,
    bad_time: Annotated[_Text, typer.Option(metavar="TIME", help="gilbert-elliott.")] = None,
    amplitude: Annotated[_Text, typer.Option(metavar="VALUE", help="diurnal.")] = None,
    period: Annotated[_Text, typer.Option(metavar="TIME", help="diurnal.")] = None,
    peak: Annotated[_Text, typer.Option(metavar="TIME", help="diurnal.")] = None,
    coherence: Annotated[_Text, typer.Option(metavar="TIME", help="fading.")] = None,
    rice_factor: Annotated[_Number, typer.Option(help="fading; 0 by default.")] = None,
) -> None:
    """Draw a synthetic trace into a file that a scenario can name.

    docs/generators.md describes the kinds and their parameters.

    Example: headway trace generate walk --mean "50 Mbit/s" --sigma 0.5 --step 1s --duration 60s --out walk.csv
    """
    given = {name: value for name, value in locals().items() if value is not None}
    with reported():
        from headway.analysis.output import writing
        from headway.analysis.recordings import UNITS
        from headway.traces import write_csv

        measured = known(quantity)
        trace = _drawn(given | {"quantity": measured})
        with writing(out):
            write_csv(trace, out, measured, unit=UNITS[measured][1] if unit is None else unit)
        show(f"{out}: {len(trace.times):,} values over {trace.duration:g} s")


def _drawn(given: Mapping[str, Any]) -> "Trace":
    """The trace that the options of the command ask for.

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
        raise InputError(name, str(error), _section(name).needs) from error


def _check_options(kind: str, given: Mapping[str, Any], own: set[str]) -> None:
    """Refuse options of other kinds, and miss those without a default."""
    import inspect

    from headway.traces import InputError
    from headway.traces.generate import KINDS

    common = {"kind", "out", "seed", "quantity", "unit"}
    accepted = ", ".join(sorted(_flag(option) for option in own))
    for option in given:
        if option not in own | common:
            raise InputError(kind, f"the option {_flag(option)}", accepted)
    for name, parameter in inspect.signature(KINDS[kind].make).parameters.items():
        if parameter.default is parameter.empty and name != "rng" and _option(name) not in given:
            raise InputError(
                kind, f"no option {_flag(_option(name))}", f"{_flag(_option(name))} (options: {accepted})"
            )


def _option(parameter: str) -> str:
    return parameter.removesuffix("_s")


def _flag(option: str) -> str:
    return f"--{option.replace('_', '-')}"


def _section(kind: str) -> "type[schema.Generated]":
    """The section of a scenario file that is a trace of this kind."""
    from headway.simcore.files import schema

    section: type[schema.Generated] = next(s for s in get_args(schema.Generated) if s.kind == kind)
    return section


def fit(
    file: File,
    kind: Annotated[_Text, typer.Option(metavar="KIND", help="Only this kind; all by default.")] = None,
    yaml: Annotated[
        bool,
        typer.Option("--yaml", help="Print the trace for a scenario file: of the kind, or of the best one."),
    ] = False,
    step: Step = None,
    format: Format = None,  # noqa: A002
    quantity: As = None,
    unit: Unit = None,
    time_unit: TimeUnit = None,
    column: ColumnName = None,
    time_column: TimeColumn = None,
    repair: Repair = False,
    max_gap: MaxGap = None,
    select: Select = None,
) -> None:
    """Fit synthetic traces to a recorded one.

    The best comes first. Distance is between the distributions of the values, memory between the autocorrelations; both
    are 0 for a perfect imitation. Then come the errors of mean and standard deviation, the correlations of values one
    step apart, in the file and in the imitation, and the parameters.
    """
    with reported():
        from headway.traces import InputError
        from headway.traces import fit as fitted
        from headway.traces.fit import fit_all

        options = reading(unit, time_unit, column, time_column, repair, max_gap, select)
        found = recording(file, quantity, format, options)
        step_s = duration(step, "--step") or found.window_s or None
        refused: dict[str, InputError] = {}
        try:
            if kind is None:
                fits, refused = fit_all(found.trace, step_s=step_s)
            else:
                fits = [fitted(found.trace, kind, step_s=step_s)]
        except InputError as error:
            where = {"trace": file, "kind": "--kind", "step": "--step"}[error.where]
            raise InputError(where, error.found, error.accepted) from error
        if yaml:
            show(*_yaml(fits[0], found.quantity))
        else:
            show(_table(fits), "")
            for one in fits:
                values = ", ".join(f"{key} {value}" for key, value in _written(one, found.quantity, digits=4))
                show(f"{one.kind}: {values}")
            show(*(f"{name}: {error.found}" for name, error in refused.items()))


def _table(fits: "list[Fit]") -> "Table":
    from headway.analysis.tables import grid

    errors = ("Error of\nmean", "Error of\ndeviation")
    table = grid(None, ["Kind"], ["Distance", "Memory", *errors, "Next step\nin file", "Next step\nimitated"])
    for found in fits:
        observed, expected = found.observed, found.expected
        table.add_row(
            found.kind,
            f"{found.distance:.3f}",
            f"{found.memory:.3f}",
            _percent(expected.mean / observed.mean - 1),
            _percent(expected.deviation / observed.deviation - 1),
            f"{observed.correlation:.3f}",
            f"{expected.correlation:.3f}",
        )
    return table


def _percent(share: float) -> str:
    # Adding 0.0 makes a negative zero a plain one.
    return f"{round(share, 3) + 0.0:+.1%}"


def _yaml(found: "Fit", quantity: "Quantity") -> Iterator[str]:
    """The lines of the section; a wave is repeated whole, everything else for as long as the file is."""
    length = found.length_s
    if "period_s" in found.parameters:
        length = max(1, round(length / found.parameters["period_s"])) * found.parameters["period_s"]
    for key, value in _written(found, quantity, digits=9):
        yield f"{key}: {value}"
    yield f"duration: {length:.9g} s"


def _written(found: "Fit", quantity: "Quantity", *, digits: int) -> Iterator[tuple[str, str]]:
    """The keys of the section and their values, with units."""
    from headway.analysis.recordings import UNITS
    from headway.simcore.files import schema
    from headway.traces.generate import KINDS

    measures = dict(KINDS[found.kind].parameters) | {"step_s": "time"}
    factor, unit = UNITS[quantity]
    for parameter, value in found.parameters.items():
        shown, suffix = {
            "value": (value / factor, unit),
            "time": (value, "s"),
            "number": (value, ""),
        }[measures[parameter]]
        # A correlation below 1 is another world than 1, which no scenario may have.
        number = f"{shown:.{9 if shown < 1.0 == float(f'{shown:.{digits}g}') else digits}g}"
        yield schema.generated_key(_section(found.kind), parameter), f"{number} {suffix}".strip()

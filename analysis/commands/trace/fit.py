"""`headway trace fit`."""

# ruff: noqa: PLC0415

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from headway.analysis.commands.trace.options import (
    As,
    File,
    Format,
    Given,
    Step,
    duration,
    reading,
    recording,
    with_reading,
)
from headway.analysis.console.terminal import reported, show

if TYPE_CHECKING:
    from rich.table import Table

    from headway.traces import Fit, Quantity


@with_reading
def fit(
    file: File,
    kind: Annotated[str | None, typer.Option(metavar="KIND", help="Only this kind; all by default.")] = None,
    yaml: Annotated[
        bool,
        typer.Option("--yaml", help="Print the trace for a scenario file: of the kind, or of the best one."),
    ] = False,
    step: Step = None,
    format: Format = None,  # noqa: A002
    quantity: As = None,
    *,
    given: Given,
) -> None:
    """Fit synthetic traces to a recorded one.

    The best fit is first. Distance compares the distributions of the values, and memory the autocorrelations; both are
    0 for a perfect fit. The next columns are the errors of mean and standard deviation, the correlations of values one
    step apart, in the file and in the synthetic trace, and the parameters.

    Example: headway trace fit ride.csv
    """
    with reported():
        from headway.traces import InputError
        from headway.traces import fit as fit_kind
        from headway.traces.fit import fit_all

        options = reading(**given)
        recorded = recording(file, quantity, format, options)
        step_s = duration(step, "--step") or recorded.window_s or None
        errors: dict[str, InputError] = {}
        try:
            if kind is None:
                fits, errors = fit_all(recorded.trace, step_s=step_s)
            else:
                fits = [fit_kind(recorded.trace, kind, step_s=step_s)]
        except InputError as error:
            at = {"trace": file, "kind": "--kind", "step": "--step"}[error.where]
            raise InputError(at, error.got, error.expected) from error
        if yaml:
            show(*_yaml(fits[0], recorded.quantity))
        else:
            show(_table(fits), "")
            for one in fits:
                values = ", ".join(
                    f"{key} {value}" for key, value in _written(one, recorded.quantity, digits=4)
                )
                show(f"{one.kind}: {values}")
            show(*(f"{name}: {error.got}" for name, error in errors.items()))


def _table(fits: "list[Fit]") -> "Table":
    from headway.analysis.console.grid import grid

    errors = ("Error of\nmean", "Error of\ndeviation")
    table = grid(None, ["Kind"], ["Distance", "Memory", *errors, "Next step\nin file", "Next step\nimitated"])
    for one in fits:
        observed, expected = one.observed, one.expected
        table.add_row(
            one.kind,
            f"{one.distance:.3f}",
            f"{one.memory:.3f}",
            _percent(expected.mean / observed.mean - 1),
            _percent(expected.deviation / observed.deviation - 1),
            f"{observed.correlation:.3f}",
            f"{expected.correlation:.3f}",
        )
    return table


def _percent(share: float) -> str:
    # Adding 0.0 makes a negative zero a plain one.
    return f"{round(share, 3) + 0.0:+.1%}"


def _yaml(one: "Fit", quantity: "Quantity") -> Iterator[str]:
    """The lines of the section; its duration is that of the file, for a wave rounded to whole periods."""
    length = one.length_s
    if "period_s" in one.parameters:
        length = max(1, round(length / one.parameters["period_s"])) * one.parameters["period_s"]
    for key, value in _written(one, quantity, digits=9):
        yield f"{key}: {value}"
    yield f"duration: {length:.9g} s"


def _written(one: "Fit", quantity: "Quantity", *, digits: int) -> Iterator[tuple[str, str]]:
    """The keys of the section and their values, with units."""
    from headway.analysis.statistics.recordings import UNITS
    from headway.traces.synthesis import KINDS

    parameters = KINDS[one.kind].parameters
    factor, unit = UNITS[quantity]
    for name, value in one.parameters.items():
        number, suffix = {
            "value": (value / factor, unit),
            "time": (value, "s"),
            "number": (value, ""),
        }[parameters[name].measure]
        # Rounding must not turn a correlation below 1 into 1, which no scenario accepts.
        exact = number < 1.0 == float(f"{number:.{digits}g}")
        yield parameters[name].key, f"{number:.{9 if exact else digits}g} {suffix}".strip()

"""`headway trace fit`."""

# ruff: noqa: PLC0415

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from headway.analysis.commands.trace.generate import section
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
        from headway.traces import fit as fitted
        from headway.traces.fit import fit_all

        options = reading(**given)
        found = recording(file, quantity, format, options)
        step_s = duration(step, "--step") or found.window_s or None
        refused: dict[str, InputError] = {}
        try:
            if kind is None:
                fits, refused = fit_all(found.trace, step_s=step_s)
            else:
                fits = [fitted(found.trace, kind, step_s=step_s)]
        except InputError as error:
            at = {"trace": file, "kind": "--kind", "step": "--step"}[error.where]
            raise InputError(at, error.got, error.expected) from error
        if yaml:
            show(*_yaml(fits[0], found.quantity))
        else:
            show(_table(fits), "")
            for one in fits:
                values = ", ".join(f"{key} {value}" for key, value in _written(one, found.quantity, digits=4))
                show(f"{one.kind}: {values}")
            show(*(f"{name}: {error.got}" for name, error in refused.items()))


def _table(fits: "list[Fit]") -> "Table":
    from headway.analysis.console.tables import grid

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
    from headway.analysis.statistics.recordings import UNITS
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
        yield schema.generated_key(section(found.kind), parameter), f"{number} {suffix}".strip()

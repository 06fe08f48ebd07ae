"""A calibration as tables for a terminal."""

import math
from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from headway.analysis.console.grid import grid
from headway.analysis.fidelity.calibrate import Calibration, Fitted
from headway.analysis.fidelity.identify import NO_EFFECT
from headway.analysis.fidelity.known import Parameter
from headway.analysis.fidelity.results import QUANTITIES
from headway.analysis.fidelity.summary import percentile
from headway.analysis.formatting import NOTHING, number, percent, value_text


def fitted_table(fitted: Sequence[Fitted]) -> Table:
    """The fitted parameters with their values before and after the fit."""
    table = grid(
        "Fitted parameters", ["Name", "Parameter"], ["Before", "Fitted", "Change", "Standard error\n[%]"]
    )
    name = ""
    for one in fitted:
        parameter = one.parameter
        error = NOTHING if math.isinf(one.error) else number(100.0 * one.error)
        values = [value_text(key_text(parameter), value) for value in (one.before, one.value)]
        cells = [key_text(parameter), *values, percent(one.value / one.before - 1.0), error]
        table.add_row(*map(Text, ["" if parameter.name == name else parameter.name, *cells]))
        name = parameter.name
    return table


def unidentified_table(unidentified: Mapping[Parameter, str]) -> Table | None:
    """The parameters that the rows do not identify, with the reasons, without those that change no prediction."""
    groups: dict[tuple[str, str], list[str]] = {}
    for parameter, reason in unidentified.items():
        if reason != NO_EFFECT:
            groups.setdefault((parameter.name, reason), []).append(key_text(parameter))
    if not groups:
        return None
    table = grid("Not fitted", ["Name", "Parameters", "Reason"], [])
    for (name, reason), keys in groups.items():
        table.add_row(Text(name), Text(", ".join(keys)), Text(reason))
    return table


def without_effect(unidentified: Mapping[Parameter, str]) -> str:
    """A sentence on the parameters that change no prediction; empty if there are none."""
    count = sum(reason == NO_EFFECT for reason in unidentified.values())
    if not count:
        return ""
    return f"{count} other parameter{'s change' if count > 1 else ' changes'} no prediction of these rows."


def errors_table(calibration: Calibration) -> Table:
    """Median and 90th percentile of the size of the errors by quantity, before and after the fit."""
    table = grid(
        "Errors [%]",
        ["Quantity"],
        ["Values", "Median\nbefore", "Median\nafter", "90th percentile\nbefore", "90th percentile\nafter"],
    )
    for quantity in QUANTITIES:
        before, after = (
            [abs(error) for (_, key), error in errors.items() if key == quantity]
            for errors in (calibration.before, calibration.residuals)
        )
        if before:
            values = [percentile(errors, share) for share in (50.0, 90.0) for errors in (before, after)]
            cells = [quantity, f"{len(before):,}", *(number(100.0 * value) for value in values)]
            table.add_row(*map(Text, cells))
    return table


def key_text(parameter: Parameter) -> str:
    """The key of a parameter in library files."""
    return parameter.quantity.removesuffix("_s")

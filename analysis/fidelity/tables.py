"""Tables for a terminal: errors by system, skipped rows, and a calibration; and the file of a calibration."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from headway.analysis.console.grid import grid, grouped
from headway.analysis.fidelity.calibrate import NO_EFFECT, Calibration, Fitted
from headway.analysis.fidelity.known import Parameter
from headway.analysis.fidelity.results import QUANTITIES, Prediction
from headway.analysis.formatting import NOTHING, number, percent, value_text
from headway.simcore.files.library import library_text, shipped_library
from headway.simcore.world.library import DeviceEntry, LinkEntry, Value
from headway.simcore.world.profile import Profile

_ALL = "All systems"
_NO_NAME = "without a name"


def family(system: str) -> str:
    """The name of a system up to the first bracket or comma."""
    return re.split(r"\s*[(,]", system, maxsplit=1)[0].strip() or system or _NO_NAME


def summary_table(predictions: Sequence[Prediction]) -> Table:
    """Rows, predicted rows, and median and 90th percentile of the size of the error, by system and quantity."""
    names = sorted({family(one.system) for one in predictions})
    table = grid("Errors by system", ["System"], ["Rows", "Predicted"])
    table.add_column(Text("Quantity"))
    for heading in ("Values", "Median\n[%]", "90th percentile\n[%]"):
        table.add_column(Text(heading), justify="right")
    for name in [*names, _ALL] if len(names) > 1 else names:
        _add_block(table, name, [one for one in predictions if name in (_ALL, family(one.system))])
    return table


def _add_block(table: Table, name: str, predictions: Sequence[Prediction]) -> None:
    rows = {one.id for one in predictions}
    done = {one.id for one in predictions if one.status != "skipped"}
    first = [name, f"{len(rows):,}", f"{len(done):,}"]
    errors: dict[str, list[float]] = {}
    for one in predictions:
        if one.error is not None:
            errors.setdefault(one.quantity, []).append(abs(one.error))
    for quantity in sorted(errors, key=QUANTITIES.index):
        sizes = errors[quantity]
        shares = [percentile(sizes, share) for share in (50.0, 90.0)]
        ends = [number(100.0 * share) if math.isfinite(share) else "∞" for share in shares]
        table.add_row(*map(Text, (*first, quantity, f"{len(sizes):,}", *ends)))
        first = ["", "", ""]
    if not errors:
        table.add_row(*map(Text, (*first, *[NOTHING] * 4)))


def percentile(values: Sequence[float], share: float) -> float:
    """A percentile with linear interpolation; infinite where a value that it needs is infinite."""
    with np.errstate(invalid="ignore"):
        value = float(np.percentile(values, share))
    return math.inf if math.isnan(value) else value


def skipped_table(predictions: Sequence[Prediction]) -> Table | None:
    """The skipped quantities by row, with the reasons; None if nothing is skipped."""
    cells = ((one.id, one.quantity, one.note) for one in predictions if one.status == "skipped")
    return grouped("Skipped", ["Row", "Quantities", "Reason"], cells)


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
    others = ((one, reason) for one, reason in unidentified.items() if reason != NO_EFFECT)
    cells = ((one.name, key_text(one), reason) for one, reason in others)
    return grouped("Not fitted", ["Name", "Parameters", "Reason"], cells)


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


def calibration_text(calibration: Calibration, links: Iterable[LinkEntry], source: str) -> str:
    """All entries of the calibrated library that differ from the shipped ones, as YAML.

    Args:
        calibration: the fit.
        links: measured links.
        source: name of the file of rows, for the sources of the fitted values.
    """
    shipped, library = shipped_library(), calibration.known
    devices, profiles = dict(library.devices.entries), dict(library.profiles)
    for name in dict.fromkeys(one.parameter.name for one in calibration.fitted):
        of_name = [one for one in calibration.fitted if one.parameter.name == name]
        if of_name[0].parameter.kind == "devices":
            devices[name] = _device(devices[name], of_name, source)
        else:
            profiles[name] = _profile(profiles[name], of_name, source)
    all_links = dict(library.links.entries) | {link.name: link for link in links}
    return library_text(
        (one for name, one in devices.items() if shipped.devices.entries.get(name) != one),
        (one for name, one in all_links.items() if shipped.links.entries.get(name) != one),
        (one for name, one in profiles.items() if shipped.profiles[name] != one),
    )


def _device(entry: DeviceEntry, fitted: Iterable[Fitted], source: str) -> DeviceEntry:
    values: Any = {
        one.parameter.quantity: Value(one.value, "derived", f"fitted to {source}, {error_text(one.error)}")
        for one in fitted
    }
    return replace(entry, **values)


def _profile(profile: Profile, fitted: Iterable[Fitted], source: str) -> Profile:
    texts = [f"{key_text(one.parameter)} with a {error_text(one.error)}" for one in fitted]
    costs = f"fitted to {source}: {', '.join(texts)}; others: {profile.costs}"
    return replace(profile, quality="derived", costs=costs)


def error_text(error: float) -> str:
    """A relative standard error as text."""
    return "standard error unknown" if math.isinf(error) else f"standard error {number(100.0 * error)} %"

"""A calibration as tables for a terminal, and as a file for `--calibration` and the key `library` of scenarios."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rich.table import Table
from rich.text import Text

from headway.analysis.console.grid import grid
from headway.analysis.fidelity.calibrate import NO_EFFECT, Calibration, Fitted
from headway.analysis.fidelity.known import Parameter
from headway.analysis.fidelity.results import QUANTITIES
from headway.analysis.fidelity.summary import percentile
from headway.analysis.formatting import NOTHING, number, percent, value_text
from headway.simcore.files.library import library_text, shipped_library
from headway.simcore.world.library import DeviceEntry, LinkEntry, Value
from headway.simcore.world.profile import Profile


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


def calibration_text(calibration: Calibration, links: Iterable[LinkEntry], source: str) -> str:
    """All entries of the calibrated library that differ from the shipped ones, as YAML.

    Args:
        calibration: the fit.
        links: measured links.
        source: name of the file of rows, for the sources of the fitted values.
    """
    shipped, library = shipped_library(), calibration.known
    devices = dict(library.devices.entries)
    profiles = dict(library.profiles)
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

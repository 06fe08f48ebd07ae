"""The file of a calibration, which `--calibration` and the key `library` of scenarios read."""

import math
from collections.abc import Iterable
from dataclasses import replace

from headway.analysis.fidelity.calibrate import Calibration, Fitted
from headway.analysis.formatting import number
from headway.simcore.files.library import library_text, shipped_library
from headway.simcore.world.library import DeviceEntry, LinkEntry, Value
from headway.simcore.world.profile import Profile


def calibration_text(calibration: Calibration, links: Iterable[LinkEntry], source: str) -> str:
    """All entries of the calibrated library that differ from the shipped ones, as YAML.

    Args:
        calibration: the fit.
        links: measured links.
        source: name of the file of rows, for the sources of the fitted values.
    """
    shipped, library = shipped_library(), calibration.known.library
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
    values = {
        one.parameter.quantity: Value(one.value, "derived", f"fitted to {source}, {error_text(one.error)}")
        for one in fitted
    }
    return replace(entry, **values)  # type: ignore[arg-type]


def _profile(profile: Profile, fitted: Iterable[Fitted], source: str) -> Profile:
    texts = [f"{one.parameter.quantity.removesuffix('_s')} with a {error_text(one.error)}" for one in fitted]
    costs = f"fitted to {source}: {', '.join(texts)}; others: {profile.costs}"
    return replace(profile, quality="derived", costs=costs)


def error_text(error: float) -> str:
    """A relative standard error as text."""
    return "standard error unknown" if math.isinf(error) else f"standard error {number(100.0 * error)} %"

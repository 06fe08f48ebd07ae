"""What is known of devices, links and engines, and its numbers as parameters of a fit."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from headway.simcore.files.library import overlaid, shipped_library
from headway.simcore.world.library import Library, Names, Value

QUANTITIES: Mapping[str, str] = {
    "memory_bandwidth": "devices",
    "sync_s": "profiles",
    "layer_bytes": "profiles",
    "kv_bandwidth": "devices",
    "compute": "devices",
    "overhead": "devices",
    "lm_head_reads": "profiles",
    "expert_reads": "profiles",
    "expert_work": "profiles",
    "kv_efficiency": "profiles",
    "efficiency": "profiles",
}
"""Quantities that a fit can change, of devices or of engine profiles, the most important first: where rows cannot tell
two apart, the first one is fitted."""


class Parameter(NamedTuple):
    """A number of the library.

    Attributes:
        kind: "devices" or "profiles".
        name: of the device or the profile.
        quantity: one of `QUANTITIES`.
    """

    kind: str
    name: str
    quantity: str

    def __str__(self) -> str:
        return f"{self.kind}.{self.name}.{self.quantity}"


class Known(Library):
    """The devices, links and engine profiles of a library, with numbers that a fit can change."""

    def value(self, parameter: Parameter) -> float:
        """The value of a parameter; 0 if the library has none."""
        if parameter.kind == "profiles":
            return float(self.profiles[parameter.name].cost(parameter.quantity))
        entry = self.devices.find(parameter.name)
        other = entry.memory_bandwidth if parameter.quantity == "kv_bandwidth" else None
        item = getattr(entry, parameter.quantity) or other
        return 0.0 if item is None else float(item.amount)

    def changed(self, values: Mapping[Parameter, float]) -> "Known":
        """The same with other values of some parameters."""
        devices, profiles = dict(self.devices.entries), dict(self.profiles)
        for (kind, name, quantity), amount in values.items():
            if kind == "profiles":
                profiles[name] = profiles[name].with_costs({quantity: amount})
            else:
                item: Any = Value(amount, "derived", "fitted")
                devices[name] = replace(devices[name], **{quantity: item})
        return Known(Names("device", devices), self.links, profiles)


def load_known(calibration: Path | None = None) -> Known:
    """The shipped values, with those of a file in their place.

    Raises:
        InputError: the file cannot be read, or a value in it is invalid.
    """
    library = shipped_library() if calibration is None else overlaid(shipped_library(), calibration)
    return Known(library.devices, library.links, library.profiles)

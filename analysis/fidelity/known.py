"""What is known of devices, links and engines, and its numbers as parameters of a fit."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from headway.simcore.files.library import overlaid, shipped_library
from headway.simcore.world.library import DeviceEntry, Library, Names, Value
from headway.simcore.world.profile import Profile

DEVICE_QUANTITIES = ("memory_bandwidth", "kv_bandwidth", "compute", "overhead")
"""Quantities of a device that a fit can change."""

PROFILE_QUANTITIES = (
    "sync_s",
    "layer_bytes",
    "lm_head_reads",
    "expert_reads",
    "expert_work",
    "efficiency",
    "kv_efficiency",
)
"""Quantities of an engine profile that a fit can change."""


class Parameter(NamedTuple):
    """A number of the library.

    Attributes:
        kind: "devices" or "profiles".
        name: of the device or the profile.
        quantity: one of `DEVICE_QUANTITIES` or `PROFILE_QUANTITIES`.
    """

    kind: str
    name: str
    quantity: str

    def __str__(self) -> str:
        return f"{self.kind}.{self.name}.{self.quantity}"


@dataclass(frozen=True)
class Known:
    """The devices, links and engine profiles of a library, with numbers that a fit can change."""

    library: Library

    @property
    def profiles(self) -> Mapping[str, Profile]:
        """The engine profiles by name."""
        return self.library.profiles

    def value(self, parameter: Parameter) -> float:
        """The value of a parameter; 0 if the library has none."""
        if parameter.kind == "profiles":
            return float(self.profiles[parameter.name].cost(parameter.quantity))
        entry = self.library.devices.find(parameter.name)
        item = getattr(entry, parameter.quantity)
        if item is None and parameter.quantity == "kv_bandwidth":
            item = entry.memory_bandwidth
        return 0.0 if item is None else float(item.amount)

    def changed(self, values: Mapping[Parameter, float], source: str = "fitted") -> "Known":
        """The same with other values of some parameters."""
        devices, engines = dict(self.library.devices.entries), dict(self.profiles)
        for parameter, amount in values.items():
            if parameter.kind == "profiles":
                engines[parameter.name] = engines[parameter.name].with_costs({parameter.quantity: amount})
            else:
                item = Value(amount, "derived", source)
                devices[parameter.name] = _of_device(devices[parameter.name], parameter.quantity, item)
        return Known(Library(Names("device", devices), self.library.links, engines))


def _of_device(entry: DeviceEntry, quantity: str, value: Value) -> DeviceEntry:
    return replace(entry, **{quantity: value})  # type: ignore[arg-type]


def load_known(calibration: Path | None = None) -> Known:
    """The shipped values, with those of a file in their place.

    Raises:
        InputError: the file cannot be read, or a value in it is invalid.
    """
    library = shipped_library()
    return Known(library if calibration is None else overlaid(library, calibration))

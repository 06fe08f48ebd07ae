"""Values of the library of devices and links as texts."""

from headway.analysis.formatting import amount
from headway.simcore.world.library import Value

_UNITS = {"memory": "B", "compute": "FLOP/s", "sync": "s", "overhead": "s", "latency": "s"}


def value_text(key: str, value: Value) -> str:
    """The amount of a value, with the unit of its key; the rates of links are in bits."""
    if key == "bandwidth":
        return amount(8.0 * value.amount, "bit/s")
    if key.startswith("power"):
        return amount(value.amount, "W")
    return amount(value.amount, _UNITS.get(key, "B/s"))

"""Numbers for people: three significant digits in a suitable unit."""

import math
from collections.abc import Iterable, Sequence

NOTHING = "-"
_UNITS = {
    "memory": "B",
    "compute": "FLOP/s",
    "memory_bandwidth": "B/s",
    "kv_bandwidth": "B/s",
    "disk": "B/s",
    "sync": "s",
    "overhead": "s",
    "latency": "s",
    "power_idle": "W",
    "power_busy": "W",
}
"""The units of the values of a device or a link, by key."""

_SECONDS_FROM_S = 0.3
"""Times are in seconds if the longest is at least this long, otherwise in milliseconds."""


def byte_unit(most: float) -> tuple[float, str]:
    """The largest unit in which `most` bytes are at least 1: its bytes and its name."""
    units = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
    return next(((factor, unit) for factor, unit in units if most >= factor), (1.0, "B"))


def time_unit(seconds: Iterable[float]) -> tuple[float, str]:
    """A unit for some times, chosen by the longest: its length in seconds and its name."""
    return (1.0, "s") if max(seconds, default=1.0) >= _SECONDS_FROM_S else (1e-3, "ms")


def number(value: float) -> str:
    """Three significant digits, or all digits before the decimal point; never an exponent."""
    if not math.isfinite(value):
        return NOTHING
    digits = 2 - math.floor(math.log10(abs(value))) if value else 0
    return f"{value:,.{min(max(digits, 0), 9)}f}"


def amount(value: float, unit: str) -> str:
    """An amount of an SI unit with three significant digits and a prefix from n to P, such as "8.57 GB/s"."""
    prefixes = {1e15: "P", 1e12: "T", 1e9: "G", 1e6: "M", 1e3: "k", 1.0: "", 1e-3: "m", 1e-6: "u", 1e-9: "n"}
    factor, prefix = next((pair for pair in prefixes.items() if value >= pair[0]), (1.0, ""))
    return f"{float(f'{value / factor:.3g}'):g} {prefix}{unit}"


def value_text(key: str, value: float) -> str:
    """A value of the library of devices, links and engines with the unit of its key; factors have none."""
    if key == "bandwidth":
        return amount(8.0 * value, "bit/s")
    unit = _UNITS.get(key)
    return number(value) if unit is None else amount(value, unit)


def seconds(value: float) -> str:
    """A time [s] with three significant digits; without a fraction from 1000 s."""
    return number(value) if value < 1000 else f"{value:,.0f}"


def listed(parts: Sequence[str], last: str = "and") -> str:
    """Join parts of a sentence."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {last} {parts[-1]}"


def percent(share: float) -> str:
    """A relative change with its sign: 0.05 as "+5.00 %"; below 0.01 % it is "0 %"."""
    size = 100.0 * abs(share)
    if math.isnan(size) or size < 0.01:
        return NOTHING if math.isnan(size) else "0 %"
    return f"{'+' if share > 0.0 else '-'}{number(size) if math.isfinite(size) else '∞'} %"

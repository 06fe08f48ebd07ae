"""Conversion of quantities with units to SI numbers.

Inside Headway everything is seconds, bytes, FLOP, bytes per second and FLOP per second, all float64. Users write
numbers with units: "100 Mbit/s", "4 GiB", "50 GFLOP/s", "2 ms". Decimal prefixes are powers of ten and binary prefixes
(Ki, Mi, Gi, Ti) powers of two, as in IEC 80000-13. Spellings with two meanings ("Mb", "Mbps", "MBps") are refused,
since the meanings differ by a factor of eight.
"""

import math
import re
import sys
from collections.abc import Mapping
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

from headway.traces.errors import InputError, did_you_mean, quoted

Number = TypeVar("Number", float, npt.NDArray[np.float64])
Quantity = Literal["time", "size", "rate", "compute", "fraction", "frequency"]

_DECIMAL = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
_BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}
_PREFIXES = _DECIMAL | _BINARY

UNITS: Mapping[Quantity, Mapping[str, float]] = {
    "time": {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0}
    | {"min": 60.0, "h": 3600.0, "d": 86400.0},
    "size": {prefix + "B": factor for prefix, factor in _PREFIXES.items()},
    "rate": {prefix + "bit/s": factor / 8 for prefix, factor in _PREFIXES.items()}
    | {prefix + "B/s": factor for prefix, factor in _PREFIXES.items()},
    "compute": {prefix + "FLOP/s": factor for prefix, factor in _DECIMAL.items()},
    "fraction": {"": 1.0, "%": 0.01},
    "frequency": {"/s": 1.0, "/min": 1 / 60, "/h": 1 / 3600, "/d": 1 / 86400},
}
"""For each quantity, every accepted unit and the SI value of one of it."""

ACCEPTED: Mapping[Quantity, str] = {
    "time": 'a time with its unit, such as "2 ms", "0.5 s" or "3 min"',
    "size": 'a size with its unit, such as "4 GiB" (2**30 bytes) or "512 MB" (1e6 bytes)',
    "rate": 'a rate with its unit, such as "100 Mbit/s" or "12.5 MB/s"',
    "compute": 'a speed with its unit, such as "50 GFLOP/s"',
    "fraction": 'a fraction such as 0.25 or "25 %"',
    "frequency": 'a number in a time, such as "0.5 /s" or "30 /min"',
}
"""For each quantity, the description of accepted values in error messages."""

_SPELLED = {"rate": "bit/s and B/s, with k, M, G, T, P, Ki, Mi, Gi or Ti before them"}
"""The units of a quantity with too many units to list."""

_DATA = re.compile(r"([kmgt]?)(?:b|bits?|bytes?)(?:ps|/s|/sec)?", re.IGNORECASE)
_OPERATIONS = re.compile(r"[kMGTP]?I?OPS?(?:/s)?", re.IGNORECASE)
_FORM = re.compile(r"\s*([-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)\s*([^\s\d].*?)?\s*")


def parse(value: object, quantity: Quantity, where: str) -> float:
    """The SI value of a quantity in a user's input.

    Args:
        value: text with a unit; for a fraction, a bare number too.
        quantity: the quantity that the unit must measure.
        where: file and key path, for the message.

    Raises:
        InputError: the unit is missing, unknown or of another quantity, or the value is negative or not finite.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if quantity != "fraction":
            raise InputError(where, f"the bare number {quoted(value)}", ACCEPTED[quantity])
        number = float(value) if abs(value) <= sys.float_info.max else math.inf
        return _checked(number, value, quantity, where)
    parts = number_and_unit(value) if isinstance(value, str) else None
    if parts is None:
        raise InputError(where, quoted(value), ACCEPTED[quantity])
    number = convert(parts[0], factor(parts[1], quantity, where))
    return _checked(number, value, quantity, where)


def number_and_unit(text: str) -> tuple[float, str] | None:
    """The number and the unit, known or not, of a quantity; None if the text does not have this form."""
    form = _FORM.fullmatch(text) if len(text) <= 200 else None
    return (float(form[1]), form[2] or "") if form else None


def factor(unit: str, quantity: Quantity, where: str) -> float:
    """The SI value of one `unit`.

    Raises:
        InputError: the unit is unknown, ambiguous, or of another quantity.
    """
    known = UNITS[quantity]
    if unit in known:
        return known[unit]
    got = f"the unit {quoted(unit)}" if unit else "a number without a unit"
    units = _SPELLED.get(quantity) or ", ".join(u for u in known if u)
    raise InputError(where, got, f"{ACCEPTED[quantity]} (units: {units}){_hint(unit, quantity)}")


def _hint(unit: str, quantity: Quantity) -> str:
    """A hint for a common spelling that is not accepted, or for a typing error.

    A "b" may stand for bits or bytes, so the hint names both spellings.
    """
    if quantity == "compute" and _OPERATIONS.fullmatch(unit):
        return "; TOPS of integers are no FLOP/s: give the floating-point speed of the device"
    data = _DATA.fullmatch(unit)
    if data and quantity in ("rate", "size"):
        prefix = {"K": "k", "m": "M", "g": "G", "t": "T"}.get(data[1], data[1])
        if quantity == "size":
            return f"; for bytes write {prefix}B"
        return f"; for bits write {prefix}bit/s, for bytes {prefix}B/s"
    return "" if "b" in unit.lower() else did_you_mean(unit, UNITS[quantity])


def convert(number: Number, unit_factor: float) -> Number:
    """The SI value of a number, or of an array of numbers, in a unit with the SI value `unit_factor`.

    float64 holds the inverses of 0.01 and 1e-3 exactly, but not 0.01 and 1e-3; so 57 % is divided by 100. Multiplied by
    0.01 it would be 0.5700000000000001.
    """
    return number * unit_factor if unit_factor >= 1 else number / round(1 / unit_factor)


def _checked(number: float, value: object, quantity: Quantity, where: str) -> float:
    if not math.isfinite(number) or number < 0:
        raise InputError(where, quoted(value), ACCEPTED[quantity] + ", finite and not negative")
    return number

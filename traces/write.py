"""Traces to files, in the column text that `traces.readers` reads back."""

from pathlib import Path

from traces.trace import Trace
from traces.units import Quantity, factor

_SI_UNITS = {"time": "s", "size": "B", "rate": "B/s", "compute": "FLOP/s", "fraction": ""}


def write_csv(trace: Trace, path: str | Path, quantity: Quantity, *, unit: str | None = None) -> None:
    """Write the breakpoints as two columns under a header with units.

    Numbers are the shortest that read back as the same float64. In the default unit, the SI one, the file gives
    back exactly the trace; in another, to within the rounding of one multiplication. The end rule is not in the
    file: who reads it says `end=` again.

    Args:
        trace: what to write.
        path: the file, replaced if it exists.
        quantity: what the values measure.
        unit: the unit to write them in, such as "Mbit/s".

    Raises:
        InputError: the unit does not measure the quantity.
    """
    chosen = _SI_UNITS[quantity] if unit is None else unit
    levels = trace.values / factor(chosen, quantity, "unit")
    header = f"{quantity} [{chosen}]" if chosen else quantity
    rows = (f"{_short(t)},{_short(v)}" for t, v in zip(trace.times.tolist(), levels.tolist(), strict=True))
    Path(path).write_text("\n".join([f"time [s],{header}", *rows, ""]), encoding="utf-8", newline="\n")


def _short(number: float) -> str:
    return repr(number).removesuffix(".0")

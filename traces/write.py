"""Writers of trace files that `traces.readers` reads: column text, Parquet, Mahimahi."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from headway.traces.errors import InputError
from headway.traces.trace import Trace
from headway.traces.units import Quantity, factor

MOST_PACKETS = 20_000_000
"""Maximum number of lines of a Mahimahi file."""

_PACKET_BYTES = 1500
_SI_UNITS = {"time": "s", "size": "B", "rate": "B/s", "compute": "FLOP/s", "fraction": ""}


def write_csv(trace: Trace, path: str | Path, quantity: Quantity, *, unit: str | None = None) -> None:
    """Write the breakpoints as two columns under a header with units.

    Numbers have the fewest digits that read back as the same float64. In the default unit, the SI unit, the file gives
    back exactly the trace; in another unit, up to the rounding of one multiplication. The file does not have the end
    rule: give `end=` to the reader.

    Args:
        trace: the trace to write.
        path: the file, replaced if it exists.
        quantity: what the values measure.
        unit: unit of the values in the file, such as "Mbit/s".

    Raises:
        InputError: the unit does not measure the quantity.
    """
    chosen = _SI_UNITS[quantity] if unit is None else unit
    levels = trace.values / factor(chosen, quantity, "unit")
    header = f"{quantity} [{chosen}]" if chosen else quantity
    rows = (f"{_short(t)},{_short(v)}" for t, v in zip(trace.times.tolist(), levels.tolist(), strict=True))
    Path(path).write_text("\n".join([f"time [s],{header}", *rows, ""]), encoding="utf-8", newline="\n")


def write_parquet(trace: Trace, path: str | Path, quantity: Quantity) -> None:
    """Write the breakpoints as two columns, in SI units that are in their names, without the end rule.

    Args:
        trace: the trace to write.
        path: the file, replaced if it exists.
        quantity: what the values measure.
    """
    unit = _SI_UNITS[quantity]
    names = ["time [s]", f"{quantity} [{unit}]" if unit else quantity]
    pq.write_table(pa.table([trace.times, trace.values], names=names), path)


def write_mahimahi(rate: Trace, path: str | Path, length_s: float) -> None:
    """Write the times at which packets of 1500 bytes are complete, in milliseconds, rounded up.

    An incomplete packet at the end is lost, and the last packet leaves at the end, because Mahimahi takes the last
    stamp of a file for its period.

    Args:
        rate: of a link [bytes/s].
        path: the file, replaced if it exists.
        length_s: length of the part to write, at least a millisecond; rounded to milliseconds.

    Raises:
        InputError: there is no packet, or there are more than `MOST_PACKETS`.
    """
    period = round(length_s * 1000)
    packets = int(rate.integral(0.0, period / 1000) * (1 + 1e-12) // _PACKET_BYTES) if period else 0
    if not 1 <= packets <= MOST_PACKETS:
        got = f"{packets:,} packets of {_PACKET_BYTES} bytes in {period:,} ms"
        raise InputError(str(path), got, f"from 1 to {MOST_PACKETS:,} packets")
    reached = rate.reach(0.0, _PACKET_BYTES * np.arange(1.0, packets + 1))
    # The time of a packet is rounded, which must not move it into the next millisecond.
    stamps = np.minimum(np.ceil(reached * 1000 - 1e-6), period).astype(np.int64)
    stamps[-1] = period
    Path(path).write_bytes(b"".join(b"%d\n" % stamp for stamp in stamps.tolist()))


def _short(number: float) -> str:
    return repr(number).removesuffix(".0")

"""Pensieve's "cooked" traces: seconds and Mbit/s in two columns without a header.

Mao et al. 2017, "Neural Adaptive Video Streaming with Pensieve", published rates from Norway (HSDPA) and the FCC in
this form; traces from Oboe and Puffer have it too. In Pensieve's simulator the rate of a row holds from the row before
to this row; so the first rate is not used, and n rows give n - 1 rates. The trace repeats after the last row. Parts of
longer traces begin at a time above 0, which becomes 0. Headers are not subtracted (Pensieve's simulator subtracts 5 %).

The files do not state the unit of their rates. Mbit/s is assumed, and a note says so. Puffer's logs are most likely in
MB/s: the script that made them divides bytes per second by a million.

Two columns of numbers without a header may have any meaning. The format is recognised only if no unit other than that
of a rate is given, a tab separates the columns, all numbers in the first lines have a decimal point, times rise and
start below a day, and rates are below 1000. For other files, name the format: `format="pensieve"`.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

from headway.traces.errors import InputError
from headway.traces.readers.assemble import check_quantity, recording_of
from headway.traces.readers.options import Options
from headway.traces.readers.table import BLANKS, Layout, read_table
from headway.traces.recording import Recording
from headway.traces.units import UNITS, Quantity, factor

NAME = "pensieve"
_FORM = "seconds and Mbit/s in two columns"
_ASSUMED = (
    "The unit Mbit/s is assumed: the file states none. Puffer's logs are most likely in MB/s (option unit)."
)
_ROW = re.compile(r"(\d+\.\d+(?:e-?\d+)?)\t(\d+\.\d+(?:e-?\d+)?)")
_LATEST_START_S = 86_400.0
_LARGEST_RATE = 1000.0


def recognises(head: Sequence[str], quantity: Quantity | None, options: Options) -> bool:
    """Whether a file that begins with these lines is very likely in the format."""
    rows = [_ROW.fullmatch(line) for line in head]
    if quantity not in (None, "rate") or options.time_unit or len(rows) < 2:
        return False
    if quantity is None and options.unit is not None and options.unit not in UNITS["rate"]:
        return False
    numbers = [(float(row[1]), float(row[2])) for row in rows if row is not None]
    rising = all(before < after for (before, _), (after, _) in pairwise(numbers))
    small = all(rate < _LARGEST_RATE for _, rate in numbers)
    return len(numbers) == len(rows) and rising and small and numbers[0][0] < _LATEST_START_S


def read(path: str, quantity: Quantity | None, options: Options) -> Recording:
    """A link's rate [bytes/s]; the option unit replaces Mbit/s, as for Puffer's files (MB/s)."""
    check_quantity(path, NAME, "rate", quantity)
    options.allow(path, "unit", "end", "max_gap_s")
    times, rates = read_table(path, Layout(BLANKS, 2, (1,), _FORM, rising=True))
    if len(times) < 2:
        expected = "at least two: a rate holds from the row before to its own"
        raise InputError(path, f"{len(times)} rows", expected)
    unit = factor(options.unit or "Mbit/s", "rate", f"{path} (option unit)")
    notes = () if options.unit else (_ASSUMED,)
    return recording_of(
        path, times, rates[1:], options, NAME, "rate", unit=unit, rows=len(times), notes=notes
    )

"""Logs of downloads on the move: the 4G logs of Ghent, and the older HSDPA logs of Norway.

Six columns, separated by blanks: time since 1970 (seconds in Norway, milliseconds in Ghent; not used), milliseconds
since the start, latitude, longitude, bytes received since the line before, milliseconds since the line before (van der
Hooft et al. 2016, "HTTP/2-Based Adaptive Streaming of HEVC Video Over 4G/LTE Networks"; Riiser et al. 2013, "Commute
path bandwidth traces from 3G networks"). The rate of a line, bytes over milliseconds, holds for the time that ends
with it. Lines whose time is before an earlier line's, which whole logs from Norway have, and lines without duration are
left out. The trace repeats after the last line.
"""

from collections.abc import Sequence

import numpy as np

from headway.traces.errors import InputError
from headway.traces.readers.assemble import check_quantity, in_order, recording_of
from headway.traces.readers.options import Options
from headway.traces.readers.table import BLANKS, Layout, numeral_or_none, read_table
from headway.traces.recording import Recording
from headway.traces.units import Quantity

NAME = "cellular"
_FORM = "six columns: epoch, milliseconds, latitude, longitude, bytes, milliseconds since the line before"
_EPOCH_FROM = 1e9
"""Logs are from after September 2001."""


def recognises(head: Sequence[str], quantity: Quantity | None, options: Options) -> bool:
    """Whether a file that begins with these lines is in the format: six numbers, the first an epoch."""
    fields = [numeral_or_none(field) for field in head[0].split()]
    return len(fields) == 6 and None not in fields and (fields[0] or 0) >= _EPOCH_FROM and "," not in head[0]


def read(path: str, quantity: Quantity | None, options: Options) -> Recording:
    """A link's rate [bytes/s], as one download used it."""
    check_quantity(path, NAME, "rate", quantity)
    options.allow(path, "end", "max_gap_s")
    ends, received, spans_ms = read_table(path, Layout(BLANKS, 6, (4, 5), _FORM, time=1, time_factor=1e-3))
    rates = np.full(len(ends), np.nan)
    with np.errstate(over="ignore"):  # The trace refuses infinite rates.
        np.divide(received * 1000, spans_ms, out=rates, where=spans_ms > 0)
    if np.isnan(rates).all():
        raise InputError(path, "no line with a duration", _FORM)
    first = int(np.argmin(np.isnan(rates)))
    times, values, repairs = in_order(ends, rates)
    edges = np.append(times[0] - spans_ms[first] / 1000, times)
    return recording_of(path, edges, values, options, NAME, "rate", rows=len(ends), repairs=repairs)

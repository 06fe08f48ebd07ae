"""Logs of the telephone app G-NetTrack Pro, as in the 4G and 5G data sets of University College Cork.

Comma-separated, with a header that has at least `Timestamp`, `DL_bitrate` and `UL_bitrate`; a row each second, with
times like 2019.12.16_11.49.59 and rates in kbit/s (Raca et al. 2018, "Beyond throughput: a 4G LTE dataset with
channel and context metrics"; Raca et al. 2020, "Beyond throughput, the next generation: a 5G dataset with channel and
context metrics"). A rate holds until the next row. These logs have many rows with one time, because the clock has whole
seconds; they are merged to their mean. A missing rate is `-`.

A rate is the throughput of the telephone, not the capacity of the link: only logs of downloads come near the capacity.
"""

from collections.abc import Sequence

from headway.traces.readers.assemble import check_quantity, recording_of
from headway.traces.readers.clock import DOTTED
from headway.traces.readers.headings import find_column, has_headings, headings_of, layout_below
from headway.traces.readers.options import Options
from headway.traces.readers.table import read_table
from headway.traces.recording import Recording
from headway.traces.units import Quantity

NAME = "gnettrack"
_KBIT_S = 125.0
_WANTED = _TIME, _DOWN, _UP = "Timestamp", "DL_bitrate", "UL_bitrate"
_SHORT = {"DL": _DOWN, "UL": _UP}


def recognises(head: Sequence[str], quantity: Quantity | None, options: Options) -> bool:
    """Whether a file that begins with these lines is in the format, by its header."""
    return has_headings(head[0], _WANTED)


def read(path: str, quantity: Quantity | None, options: Options) -> Recording:
    """A link's rate [bytes/s]: downlink, or uplink if `column` is "UL"."""
    check_quantity(path, NAME, "rate", quantity)
    options.allow(path, "end", "column", "max_gap_s")
    headings = headings_of(path, _WANTED)
    wanted = _SHORT.get(options.column or "DL", options.column or _DOWN)
    value, time = find_column(headings, wanted, "column", path), headings.index(_TIME)
    layout = layout_below(headings, (value,), time=time, clock=DOTTED, missing=frozenset({"-", ""}))
    times, rates = read_table(path, layout)
    return recording_of(path, times, rates, options, NAME, "rate", unit=_KBIT_S, disordered=True)

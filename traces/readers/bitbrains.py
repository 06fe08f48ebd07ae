"""Bitbrains' traces of virtual machines (Grid Workloads Archive, GWA-T-12): a row about every 300 seconds.

Columns are separated by a semicolon and a tab, under a header (Shen, van Beek & Iosup 2015, "Statistical
characterization of business-critical workloads hosted in cloud datacenters"). The header says that times are in
milliseconds; they are seconds since 1970. A row holds until the next. Rows with one time are merged to their mean.
Loads above 100 % (up to about 107 % occur) are cut to 100 %. A machine that is off has no load. KB are units of 1024
bytes here, as the provisioned sizes show.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from headway.traces.readers.assemble import check_quantity, in_order, recording_of
from headway.traces.readers.headings import has_headings, headings_of, layout_below
from headway.traces.readers.options import Options
from headway.traces.readers.table import read_table
from headway.traces.recording import Recording
from headway.traces.units import Quantity

NAME = "bitbrains"
_WANTED = "Timestamp [ms]", "CPU cores", "CPU usage [%]", "Memory usage [KB]"


def recognises(head: Sequence[str], quantity: Quantity | None, options: Options) -> bool:
    """Whether a file that begins with these lines is in the format, by its header."""
    return has_headings(head[0], _WANTED, ";")


def read(path: str, quantity: Quantity | None, options: Options) -> Recording:
    """The load of the machine, or, for the quantity "size", the memory that it uses [bytes]."""
    if quantity != "size":
        check_quantity(path, NAME, "fraction", quantity)
    options.allow(path, "end", "load", "max_gap_s")
    headings = headings_of(path, _WANTED, ";")
    time, cores, load, memory = map(headings.index, _WANTED)
    columns = (cores, memory if quantity == "size" else load)
    times, on, values = read_table(path, layout_below(headings, columns, ";", time=time))
    rows, off = len(times), Counter({"rows of a machine that is off": int(np.count_nonzero(on == 0))})
    times, values, repairs = in_order(times, values)
    repairs += off
    if quantity == "size":
        return recording_of(
            path, times, values, options, NAME, "size", unit=1024.0, rows=rows, repairs=repairs
        )
    repairs += Counter({"loads above 100 %": int(np.count_nonzero(values > 100))})
    shares = np.minimum(values, 100)
    return recording_of(
        path, times, shares, options, NAME, "fraction", unit=0.01, rows=rows, repairs=repairs, is_load=True
    )

"""Bitbrains' traces of virtual machines (Grid Workloads Archive, GWA-T-12): a row about every 300 seconds.

Columns are separated by a semicolon and a tab, under a header (Shen, van Beek & Iosup 2015, "Statistical
characterization of business-critical workloads hosted in cloud datacenters"). The header says that times are in
milliseconds; they are seconds since 1970. A row holds until the next. Rows with one time become one with their mean,
loads above 100 % (up to about 107 % occur) are cut to it, and a machine that is off is no load. KB are units of 1024
bytes here, as the provisioned sizes show.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from headway.traces.errors import InputError, shown
from headway.traces.readers.assemble import assembled, check_quantity, tidied
from headway.traces.readers.lines import head as head_of
from headway.traces.readers.options import Options
from headway.traces.readers.table import Layout, read_table
from headway.traces.recording import Recording
from headway.traces.units import Quantity

NAME = "bitbrains"
_TIME, _CORES, _LOAD, _MEMORY = "Timestamp [ms]", "CPU cores", "CPU usage [%]", "Memory usage [KB]"


def recognises(head: Sequence[str], quantity: Quantity | None, options: Options) -> bool:
    """Whether a file that begins with these lines is in the format, by its header."""
    return {_TIME, _CORES, _LOAD, _MEMORY} <= set(_headings(head[0]))


def read(path: str, quantity: Quantity | None, options: Options) -> Recording:
    """The load of the machine; or if a size is asked for, the memory that it uses [bytes].

    Raises:
        InputError: the file breaks the format, or something is asked of it that it cannot give.
    """
    if quantity != "size":
        check_quantity(path, NAME, "fraction", quantity)
    options.allow(path, "end", "load", "max_gap_s")
    first = (head_of(path) or [""])[0]
    headings = _headings(first)
    if not recognises([first], None, options):
        raise InputError(f"{path}:1", shown(first), f"a header with {_TIME}, {_CORES}, {_LOAD} and {_MEMORY}")
    wanted = headings.index(_MEMORY if quantity == "size" else _LOAD)
    form = f"{len(headings)} columns, as in the header"
    layout = Layout(
        ";", len(headings), (headings.index(_CORES), wanted), form, time=headings.index(_TIME), header=1
    )
    times, cores, values = read_table(path, layout)
    rows, noted = len(times), Counter({"rows of a machine that is off": int(np.count_nonzero(cores == 0))})
    times, values, repairs = tidied(times, values)
    if quantity == "size":
        values = values * 1024
    else:
        noted["loads above 100 %"] = int(np.count_nonzero(values > 100))
        values = np.minimum(values, 100) / 100
    return assembled(
        path,
        times,
        values,
        options,
        format=NAME,
        quantity=quantity or "fraction",
        rows=rows,
        repairs=repairs + noted,
        is_load=quantity != "size",
    )


def _headings(line: str) -> list[str]:
    return [heading.strip() for heading in line.split(";")]

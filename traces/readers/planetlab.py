"""PlanetLab's CPU load: one whole number per line, the load of a machine in per cent, every 300 seconds.

These files of the CoMon project came to be known through CloudSim (Beloglazov & Buyya 2012, "Optimal online
deterministic algorithms and adaptive heuristics for energy and performance efficient dynamic consolidation of virtual
machines in cloud data centers") have 288 lines, a day. A row holds for 300 seconds (CloudSim interpolates), and the day
repeats. A first line `#<count>`, which files of several days have, is skipped.
"""

from collections.abc import Sequence

import numpy as np

from headway.traces.errors import InputError
from headway.traces.readers.assemble import check_quantity, recording_of
from headway.traces.readers.mahimahi import is_whole
from headway.traces.readers.options import Options
from headway.traces.readers.table import Layout, read_table
from headway.traces.recording import Recording
from headway.traces.units import Quantity

NAME = "planetlab"
STEP_S = 300.0


def recognises(head: Sequence[str], quantity: Quantity | None, options: Options) -> bool:
    """Whether a file that begins with these lines is in this format: they are whole numbers up to 100."""
    return quantity in (None, "fraction") and all(is_whole(line) and int(line) <= 100 for line in head)


def read(path: str, quantity: Quantity | None, options: Options) -> Recording:
    """A load."""
    check_quantity(path, NAME, "fraction", quantity)
    options.allow(path, "load", "end")
    layout = Layout(",", 1, (0,), "a whole number of per cent", time=None)
    (percent,) = read_table(path, layout)
    if percent.size and percent.max() > 100:
        raise InputError(path, f"a load of {percent.max():g} %", "loads of at most 100 %")
    times = STEP_S * np.arange(len(percent) + 1.0)
    return recording_of(path, times, percent, options, NAME, "fraction", unit=0.01, is_load=True)

"""MECPerf's measurements of access networks: one line of items like `2020-01-24 15:37:25.000000_15.767`.

Values of the bandwidth files are in Mbit/s, each the mean of one test (Caiazza et al., MECPerf, University of Pisa).
A value holds until the next test; tests come in batches with hours between them, for which there is `max_gap_s`.
Files of round-trip times look the same, have `RTT` in their name, and are in ms; half of a round trip is the latency of
one way where both ways are alike. Files of UDP tests are what their sender saw, and no capacity.
"""

from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from headway.traces.errors import InputError, shown
from headway.traces.readers.assemble import assembled, check_quantity, tidied
from headway.traces.readers.clock import ISO
from headway.traces.readers.lines import lines
from headway.traces.readers.options import Options
from headway.traces.readers.table import numeral, numeral_or_none
from headway.traces.recording import Recording
from headway.traces.units import Quantity

NAME = "mecperf"
_MBIT_S = 125_000.0
_MS = 1e-3
_LONGEST = 1 << 26
_FORM = "items such as 2020-01-24 15:37:25.000000_15.767, separated by commas"


def recognises(head: Sequence[str], quantity: Quantity | None, options: Options) -> bool:
    """Whether a file that begins with these lines is in the format, by its first item."""
    time, _, value = head[0].split(",", 1)[0].partition("_")
    return ISO.nanoseconds(time) is not None and numeral_or_none(value) is not None


def read(path: str, quantity: Quantity | None, options: Options) -> Recording:
    """A link's rate [bytes/s], or the round-trip times over it [s] where the name of the file has `RTT`.

    Raises:
        InputError: the file breaks the format, or something is asked of it that it cannot give.
    """
    measured: Quantity = "time" if "RTT" in Path(path).name else "rate"
    unit = _MS if measured == "time" else _MBIT_S
    check_quantity(path, NAME, measured, quantity)
    options.allow(path, "end", "max_gap_s")
    stamps, measurements = array("q"), array("d")
    for number, line in lines(path, _LONGEST):
        for item in line.split(",") if line else ():
            time, _, value = item.partition("_")
            stamp = ISO.nanoseconds(time.strip())
            if stamp is None:
                raise InputError(f"{path}:{number}", shown(item), _FORM)
            stamps.append(stamp)
            measurements.append(numeral(value, number, path) * unit)
    if not stamps:
        raise InputError(path, "no item", _FORM)
    times, values, repairs = tidied((np.array(stamps) - stamps[0]) / 1e9, np.array(measurements))
    return assembled(
        path, times, values, options, format=NAME, quantity=measured, rows=len(measurements), repairs=repairs
    )

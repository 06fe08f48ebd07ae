"""MECPerf's measurements of access networks: one line of items like `2020-01-24 15:37:25.000000_15.767`.

Values of the bandwidth files are in Mbit/s, each the mean of one test (Caiazza et al., MECPerf, University of Pisa).
A value holds until the next test; tests come in batches with hours between them, for which there is `max_gap_s`.

Files of round-trip times look the same and are in ms; half of a round trip is the latency of one way where both ways
are alike. They have `RTT` in their name. Those of other names are recognised by the content: a ping is sent when the
one before has come back, so that each value is the time since the item before. Files of UDP tests hold what their
sender saw, up to 2.3 Gbit/s on Wi-Fi, and no capacity; a note says so.
"""

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from headway.traces.errors import InputError, shown
from headway.traces.readers.assemble import assembled, check_quantity, tidied
from headway.traces.readers.clock import ISO
from headway.traces.readers.lines import lines
from headway.traces.readers.options import Options
from headway.traces.readers.table import numeral, numeral_or_none
from headway.traces.recording import Recording
from headway.traces.trace import FloatArray
from headway.traces.units import Quantity

NAME = "mecperf"
_MBIT_S = 125_000.0
_MS = 1e-3
_ROUNDED_MS = 1.0
_MOST_WIFI = 1000.0
"""No TCP test over the Wi-Fi or LTE that was measured came near it [Mbit/s]."""
_LONGEST = 1 << 26
_FORM = "items such as 2020-01-24 15:37:25.000000_15.767, separated by commas"


def recognises(head: Sequence[str], quantity: Quantity | None, options: Options) -> bool:
    """Whether a file that begins with these lines is in the format, by its first item."""
    time, _, value = head[0].split(",", 1)[0].partition("_")
    return ISO.nanoseconds(time) is not None and numeral_or_none(value) is not None


def read(path: str, quantity: Quantity | None, options: Options) -> Recording:
    """A link's rate [bytes/s], or the round-trip times over it [s] where the file's name or content tells that.

    Raises:
        InputError: the file breaks the format, or something is asked of it that it cannot give.
    """
    options.allow(path, "end", "max_gap_s")
    stamps, measurements = array("q"), array("d")
    for number, line in lines(path, _LONGEST):
        for item in line.split(",") if line else ():
            time, _, value = item.partition("_")
            stamp = ISO.nanoseconds(time.strip())
            if stamp is None:
                raise InputError(f"{path}:{number}", shown(item), _FORM)
            stamps.append(stamp)
            measurements.append(numeral(value, number, path))
    if not stamps:
        raise InputError(path, "no item", _FORM)
    since, found = (np.array(stamps) - stamps[0]) / 1e9, np.array(measurements)
    name = Path(path).name
    measured: Quantity = "time" if "RTT" in name or _follow_one_another(since, found) else "rate"
    check_quantity(path, NAME, measured, quantity)
    times, values, repairs = tidied(since, found * (_MS if measured == "time" else _MBIT_S))
    return assembled(
        path,
        times,
        values,
        options,
        format=NAME,
        quantity=measured,
        rows=len(measurements),
        repairs=repairs,
        notes=tuple(_notes(name, float(found.max()))) if measured == "rate" else (),
    )


def _follow_one_another(times_s: FloatArray, values: FloatArray) -> bool:
    """Whether values are the milliseconds since the item before, to within the rounding of both, as those of pings."""
    apart = np.abs(np.diff(times_s) / _MS - values[1:])
    return len(apart) > 0 and float(np.median(apart)) <= _ROUNDED_MS


def _notes(name: str, most: float) -> Iterator[str]:
    """What to know of rates [Mbit/s], the largest of which is given."""
    if "Bandwidth" not in name:
        yield "A bandwidth in Mbit/s is assumed: the file does not say, and neither Bandwidth nor RTT is in its name."
    if "UDP" in name or most > _MOST_WIFI:
        yield (
            f"Rates up to {most:.4g} Mbit/s: MECPerf's UDP tests hold what their sender saw, which is no capacity of "
            "the link."
        )

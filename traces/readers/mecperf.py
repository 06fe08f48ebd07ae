"""MECPerf's measurements of access networks: one line of items like `2020-01-24 15:37:25.000000_15.767`.

Values of the bandwidth files are in Mbit/s, each the mean of one test (Caiazza et al., MECPerf, University of Pisa).
A value holds until the next test. There are hours between batches of tests; `max_gap_s` shortens them.

Files of round-trip times have the same form, in ms, and `RTT` in their name. Half of a round trip is the latency of one
way if both ways are equal. Under other names, such files are recognised by the content: each ping starts when the one
before has returned, so each value is the time since the item before. Files of UDP tests hold the rate of the sender, up
to 2.3 Gbit/s on Wi-Fi, which is not the capacity of the link; a note says so.
"""

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from headway.traces.errors import InputError, quoted
from headway.traces.readers.assemble import check_quantity, recording_of
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
"""Above all rates of the TCP tests over Wi-Fi and LTE [Mbit/s]."""
_LONGEST = 1 << 26
_FORM = "items such as 2020-01-24 15:37:25.000000_15.767, separated by commas"


def recognises(head: Sequence[str], quantity: Quantity | None, options: Options) -> bool:
    """Whether a file that begins with these lines is in the format, by its first item."""
    time, _, value = head[0].split(",", 1)[0].partition("_")
    return ISO.nanoseconds(time) is not None and numeral_or_none(value) is not None


def read(path: str, quantity: Quantity | None, options: Options) -> Recording:
    """A link's rate [bytes/s], or the round-trip times over it [s] if the name or content of the file shows these."""
    options.allow(path, "end", "max_gap_s")
    stamps, measurements = array("q"), array("d")
    for number, line in lines(path, _LONGEST):
        for item in line.split(",") if line else ():
            time, _, value = item.partition("_")
            stamp = ISO.nanoseconds(time.strip())
            if stamp is None:
                raise InputError(f"{path}:{number}", quoted(item), _FORM)
            stamps.append(stamp)
            measurements.append(numeral(value, number, path))
    if not stamps:
        raise InputError(path, "no item", _FORM)
    since, values = (np.array(stamps) - stamps[0]) / 1e9, np.array(measurements)
    name = Path(path).name
    measured: Quantity = "time" if "RTT" in name or _follow_one_another(since, values) else "rate"
    check_quantity(path, NAME, measured, quantity)
    notes = tuple(_notes(name, float(values.max()))) if measured == "rate" else ()
    values *= _MS if measured == "time" else _MBIT_S
    return recording_of(path, since, values, options, NAME, measured, disordered=True, notes=notes)


def _follow_one_another(times_s: FloatArray, values: FloatArray) -> bool:
    """Whether values are the milliseconds since the item before, up to the rounding of both, as for pings."""
    apart = np.abs(np.diff(times_s) / _MS - values[1:])
    return len(apart) > 0 and float(np.median(apart)) <= _ROUNDED_MS


def _notes(name: str, most: float) -> Iterator[str]:
    """Warnings about a file of rates, given the largest [Mbit/s]."""
    if "Bandwidth" not in name:
        yield "A bandwidth in Mbit/s is assumed: the file does not say, and neither Bandwidth nor RTT is in its name."
    if "UDP" in name or most > _MOST_WIFI:
        yield (
            f"Rates up to {most:.4g} Mbit/s: MECPerf's UDP tests hold the rate of the sender, which is no capacity of "
            "the link."
        )

"""Mahimahi's packet-delivery traces: when a cellular link could send a packet.

A file holds one integer per line: the millisecond at which one packet of up to 1500 bytes may leave. Stamps
never decrease; one that is repeated k times means k packets in that millisecond. The file repeats with its
last stamp as period (Netravali et al. 2015, "Mahimahi: Accurate Record-and-Replay for HTTP", and its
link_queue.cc).

Headway's links are fluid, so k opportunities at millisecond t become k * 1500 bytes spread evenly over the
millisecond that ends at t: the last byte of a packet leaves exactly at its opportunity, and none leaves
early by more than a millisecond. Opportunities at 0 belong, as they do in every later pass, to the period's
last millisecond. One period carries exactly 1500 bytes per line: the file with the single line "1" is 12
Mbit/s.
"""

from array import array

import numpy as np
import numpy.typing as npt

from traces.errors import InputError, shown
from traces.readers.lines import lines
from traces.trace import EndRule, Trace
from traces.units import Quantity

IntArray = npt.NDArray[np.int64]

PACKET_BYTES = 1500
_STAMP = "a whole number of milliseconds, at most 15 digits, not less than the one before"


def recognises(first_line: str) -> bool:
    """Whether a file with this first line of data is in the format: a single whole number."""
    return first_line.isascii() and first_line.isdigit()


def read(
    path: str, quantity: Quantity, unit: str | None, time_unit: str | None, end: EndRule | None
) -> Trace:
    """A link's rate [bytes/s]; after the last stamp it repeats, or is dead if `end` is "zero".

    Raises:
        InputError: the file breaks the format, or something is asked of it that it cannot give.
    """
    if quantity != "rate":
        raise InputError(path, "a Mahimahi file, which holds a link's rate", f"a file with a {quantity}")
    if unit is not None or time_unit is not None:
        raise InputError(path, f"the unit {shown(unit or time_unit)}", "none: the format fixes its units")
    if end == "hold":
        raise InputError(path, 'end="hold"', '"loop" or "zero": the last packet does not go on for ever')
    return _spread(_stamps(path), end or "loop")


def _stamps(path: str) -> IntArray:
    """The stamps [ms], never decreasing, the last above 0."""
    stamps = array("q")
    before = 0
    for number, line in lines(path):
        if not (line.isdigit() and line.isascii() and len(line) <= 15):
            raise InputError(f"{path}:{number}", shown(line) if line else "an empty line", _STAMP)
        stamp = int(line)
        if stamp < before:
            raise InputError(f"{path}:{number}", f"{stamp} after {before}", _STAMP)
        stamps.append(stamp)
        before = stamp
    if before == 0:
        raise InputError(f"{path}:{len(stamps)}", "0 as the last stamp", "a last stamp, the period, above 0")
    return np.asarray(stamps)


def _spread(stamps: IntArray, end: EndRule) -> Trace:
    """The trace that lets k packets leave evenly over the millisecond that ends with their stamp."""
    period = int(stamps[-1])
    firsts = np.flatnonzero(np.diff(stamps, prepend=-1))
    ends, packets = stamps[firsts], np.diff(firsts, append=len(stamps))
    if ends[0] == 0:
        packets[-1] += packets[0]
        ends, packets = ends[1:], packets[1:]
    # Each busy millisecond starts a segment; so does the gap after it, unless the next one follows at once.
    edges = np.column_stack((ends - 1, ends)).ravel()
    rates = np.column_stack((packets * (PACKET_BYTES * 1000.0), np.zeros(len(ends)))).ravel()
    kept = np.diff(edges, append=period) > 0
    edges, rates = edges[kept], rates[kept]
    if edges[0] > 0:
        edges, rates = np.append(0, edges), np.append(0.0, rates)
    return Trace(edges / 1000, rates, end, period / 1000)

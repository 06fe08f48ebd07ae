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
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv

from headway.traces.errors import InputError, quoted
from headway.traces.readers.assemble import check_quantity, gaps_of
from headway.traces.readers.lines import blocks, lines_of
from headway.traces.readers.options import Options
from headway.traces.recording import Recording
from headway.traces.trace import EndRule, Trace
from headway.traces.units import Quantity

IntArray = npt.NDArray[np.int64]

NAME = "mahimahi"
PACKET_BYTES = 1500
_STAMP = "a whole number of milliseconds, at most 15 digits, not less than the one before"
_CLEAN: Mapping[str, Any] = {
    "read_options": csv.ReadOptions(column_names=["ms"], use_threads=False, block_size=1 << 24),
    "parse_options": csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
    "convert_options": csv.ConvertOptions(column_types={"ms": pa.int64()}, null_values=[]),
}


def recognises(head: Sequence[str], quantity: Quantity | None, options: Options) -> bool:
    """Whether a file that begins with these lines is in this format: whole numbers that never decrease, or rates.

    A load in per cent may be written as whole numbers too (format `planetlab`), but hardly ever rises all the time.
    """
    if quantity not in (None, "rate") or not is_whole(head[0]):
        return False
    stamps = [int(line) if is_whole(line) else -1 for line in head]
    return quantity == "rate" or (stamps == sorted(stamps) and stamps[-1] > 0)


def is_whole(line: str) -> bool:
    """Whether a line is a whole number of at most 15 digits."""
    return line.isascii() and line.isdigit() and len(line) <= 15


def read(path: str, quantity: Quantity | None, options: Options) -> Recording:
    """A link's rate [bytes/s]; after the last stamp it repeats, or is dead if `end` is "zero".

    A long time between two stamps is no gap in the record: no packet could leave then.
    """
    check_quantity(path, NAME, "rate", quantity)
    options.allow(path, "end")
    if options.end == "hold":
        raise InputError(path, 'end="hold"', '"loop" or "zero": the last packet does not continue forever')
    stamps = _stamps(path)
    trace = _spread(stamps, options.end or "loop")
    step, _, longest = gaps_of(np.diff(stamps) / 1000)
    length = float(stamps[-1]) / 1000
    return Recording(trace, NAME, "rate", len(stamps), length, step, 0, longest, window_s=1.0)


def _stamps(path: str) -> IntArray:
    """The stamps [ms], never decreasing, the last above 0."""
    stamps = array("q")
    for first, block in blocks(path):
        before = stamps[-1] if stamps else 0
        stamps.frombytes(_block(path, first, block, before).tobytes())
    if stamps[-1] == 0:
        raise InputError(f"{path}:{len(stamps)}", "0 as the last stamp", "a last stamp, the period, above 0")
    return np.frombuffer(stamps, dtype=np.int64)


def _block(path: str, first: int, block: bytes, before: int) -> IntArray:
    """The stamps of a block of lines: at once if it is clean, line by line if it is not."""
    try:
        stamps = csv.read_csv(pa.BufferReader(block), **_CLEAN).column(0).combine_chunks().to_numpy()
    except pa.ArrowException:
        stamps = np.empty(0, dtype=np.int64)
    clean = len(stamps) == block.count(b"\n") + 1 and stamps[-1] < 10**15
    if clean and (np.diff(stamps, prepend=before) >= 0).all():
        return np.ascontiguousarray(stamps)
    return _checked(path, first, block, before)


def _checked(path: str, first: int, block: bytes, before: int) -> IntArray:
    stamps = array("q")
    for number, line in lines_of(first, block):
        if not is_whole(line):
            raise InputError(f"{path}:{number}", quoted(line) if line else "an empty line", _STAMP)
        if int(line) < before:
            raise InputError(f"{path}:{number}", f"{int(line)} after {before}", _STAMP)
        before = int(line)
        stamps.append(before)
    return np.frombuffer(stamps, dtype=np.int64)


def _spread(stamps: IntArray, end: EndRule) -> Trace:
    """The trace in which k packets leave evenly over the millisecond that ends with their stamp."""
    period = int(stamps[-1])
    firsts = np.flatnonzero(np.diff(stamps, prepend=-1))
    ends, packets = stamps[firsts], np.diff(firsts, append=len(stamps))
    if ends[0] == 0:
        packets[-1] += packets[0]
        ends, packets = ends[1:], packets[1:]
    # Each busy millisecond is a segment, and so is the gap after it, if there is one.
    edges = np.column_stack((ends - 1, ends)).ravel()
    rates = np.column_stack((packets * (PACKET_BYTES * 1000.0), np.zeros(len(ends)))).ravel()
    keep = np.diff(edges, append=period) > 0
    edges, rates = edges[keep], rates[keep]
    if edges[0] > 0:
        edges, rates = np.append(0, edges), np.append(0.0, rates)
    return Trace(edges / 1000, rates, end, period / 1000)

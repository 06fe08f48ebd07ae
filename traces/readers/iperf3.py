"""iperf3's JSON output (`iperf3 -J`), of the sender or the server: the rate of each interval.

The rate of an interval is `bits_per_second` of its `sum` over all streams, from `start` to `end` in seconds. The trace
repeats after the last interval. Intervals that iperf3 marks as omitted are left out.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from headway.traces.errors import InputError, quoted
from headway.traces.files import is_number, json_object, read_text
from headway.traces.readers.assemble import check_quantity, recording_of
from headway.traces.readers.lines import opened
from headway.traces.readers.options import Options
from headway.traces.recording import Recording
from headway.traces.units import Quantity

NAME = "iperf3"
LARGEST_FILE = 1 << 26
"""Largest file in bytes; JSON must be in memory as a whole, and may take twenty times as much there."""

_FORM = 'the output of iperf3 -J, a JSON object with "intervals"'
_LARGEST = 1e100


def recognises(head: Sequence[str], quantity: Quantity | None, options: Options) -> bool:
    """Whether a file that begins with these lines is in the format: an object that names iperf3's parts."""
    text = "".join(head)
    return head[0].startswith("{") and ('"intervals"' in text or '"iperf 3' in text)


def read(path: str, quantity: Quantity | None, options: Options) -> Recording:
    """A link's rate [bytes/s], as iperf3 measured it.

    Raises:
        InputError: the file breaks the format, or lacks what the options ask for.
    """
    check_quantity(path, NAME, "rate", quantity)
    options.allow(path, "end", "max_gap_s")
    sums = _sums(path, _document(path))
    kept = [(number, one) for number, one in enumerate(sums) if not one.get("omitted")]
    if not kept:
        raise InputError(path, "no interval", _FORM)
    starts = [_number(path, number, one, "start") for number, one in kept]
    rates = [_number(path, number, one, "bits_per_second") / 8 for number, one in kept]
    edges = np.array([*starts, _number(path, *kept[-1], "end")])
    if not (np.diff(edges) > 0).all():
        number, _ = kept[min(int(np.argmin(np.diff(edges) > 0)) + 1, len(kept) - 1)]
        raise InputError(
            f"{path} (intervals.{number})", "a time that is not after the one before", "rising times"
        )
    return recording_of(
        path,
        edges,
        np.array(rates),
        options,
        format=NAME,
        quantity="rate",
        rows=len(sums),
        repairs={"omitted intervals": len(sums) - len(kept)},
    )


def _document(path: str) -> dict[str, Any]:
    text = read_text(path, LARGEST_FILE, _FORM, _decompressed)
    # Some versions of iperf3 write a key of an object twice.
    return json_object(text, path, _FORM, unique=False)


def _decompressed(path: str | Path, most_bytes: int) -> bytes:
    with opened(path) as file:
        return file.read(most_bytes)


def _sums(path: str, document: dict[str, Any]) -> list[dict[str, Any]]:
    intervals = document.get("intervals")
    if document.get("error") and not intervals:
        raise InputError(path, f"a test that failed: {quoted(document['error'])}", "a test that was done")
    if not isinstance(intervals, list):
        raise InputError(path, 'no list "intervals"', _FORM)
    for number, interval in enumerate(intervals):
        if not isinstance(interval, dict) or not isinstance(interval.get("sum"), dict):
            raise InputError(f"{path} (intervals.{number})", 'no object "sum"', _FORM)
    return [interval["sum"] for interval in intervals]


def _number(path: str, interval: int, one: dict[str, Any], key: str) -> float:
    value = one.get(key)
    if not is_number(value) or not 0 <= value < _LARGEST:
        expected = f"a number from 0 to below {_LARGEST:g}"
        raise InputError(f"{path} (intervals.{interval}.sum.{key})", quoted(value), expected)
    return float(value)

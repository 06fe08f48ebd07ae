"""Slices and counters in the JSON object form of "Trace Event Format" (Google, 2016).

Complete events (`X`) have times in microseconds. Counters (`C`) and metadata (`M`), which names tracks, accompany them.
Slices of one track may be nested but must not overlap partly. Therefore concurrent slices are put into parallel lanes,
each of which is a track of the format.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from headway.analysis.replay.slices import Slice

Event: TypeAlias = dict[str, Any]
GROUPS = ("run", "devices", "links")
_NANO = 1e9


def in_lanes(slices: Sequence[Slice]) -> Iterator[tuple[int, Slice]]:
    """Every slice with the first lane of its track that is free at its start."""
    free: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for one in sorted(slices, key=lambda s: (s.start_s, s.end_s)):
        ends = free[one.group, one.track]
        lane = next((i for i, end_s in enumerate(ends) if end_s <= one.start_s), len(ends))
        ends[lane:] = [one.end_s, *ends[lane + 1 :]]
        yield lane, one


def _numbers(lanes: Sequence[tuple[int, Slice]]) -> dict[tuple[str, str, int], int]:
    """The number of each lane, in alphabetical order within its group; no lane has the number of a group.

    Perfetto labels a thread with the number of its process as the main thread.
    """
    keys = sorted({(GROUPS.index(one.group), one.track, lane) for lane, one in lanes})
    return {(GROUPS[g], track, lane): i for i, (g, track, lane) in enumerate(keys, start=len(GROUPS) + 1)}


def slice_events(lanes: Sequence[tuple[int, Slice]]) -> Iterator[Event]:
    """A complete event for each slice in its lane."""
    numbers = _numbers(lanes)
    for lane, one in lanes:
        start_ns = _nano(one.start_s)
        yield {
            "ph": "X",
            "pid": GROUPS.index(one.group) + 1,
            "tid": numbers[one.group, one.track, lane],
            "name": one.name,
            "cat": one.kind,
            "ts": microseconds(start_ns),
            "dur": microseconds(_nano(one.end_s) - start_ns),
            "args": one.details,
        }


def track_names(lanes: Sequence[tuple[int, Slice]]) -> Iterator[Event]:
    """Metadata events that name and order the tracks."""
    for i, group in enumerate(GROUPS, start=1):
        yield {"ph": "M", "pid": i, "name": "process_name", "args": {"name": group}}
        yield {"ph": "M", "pid": i, "name": "process_sort_index", "args": {"sort_index": i}}
    for (group, track, lane), number in _numbers(lanes).items():
        of = {"ph": "M", "pid": GROUPS.index(group) + 1, "tid": number}
        name = f"{track} ({lane + 1})" if lane else track
        yield of | {"name": "thread_name", "args": {"name": name}}
        yield of | {"name": "thread_sort_index", "args": {"sort_index": number}}


def counter_event(group: str, name: str, at_s: float, values: dict[str, float]) -> Event:
    """A counter event: the values from a time [s] on."""
    return {
        "ph": "C",
        "pid": GROUPS.index(group) + 1,
        "tid": 0,
        "name": name,
        "ts": microseconds(_nano(at_s)),
        "args": values,
    }


def _nano(time_s: float) -> int:
    """In whole nanoseconds, the resolution of viewers."""
    return round(time_s * _NANO)


def microseconds(time_ns: int) -> float:
    """The time in microseconds, the unit of the format.

    Perfetto multiplies by a thousand and truncates. A value that is slightly too small would start a nanosecond early,
    inside the previous slice.
    """
    time_us = time_ns / 1000
    return time_us if int(time_us * 1000.0) >= time_ns else math.nextafter(time_us, math.inf)

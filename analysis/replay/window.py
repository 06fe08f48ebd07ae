"""The part of a run that a timeline shows, and what a trace does in it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from headway.analysis.replay.rerun import Replay
from headway.traces import Trace
from headway.traces.errors import InputError

_MOST_LEVELS = 1000


@dataclass(frozen=True)
class Window:
    """The part of a run that is shown [s]."""

    start_s: float
    end_s: float

    def meets(self, start_s: float, end_s: float) -> bool:
        """Whether something that lasts from `start_s` to `end_s` is seen for some time, or at all if a moment."""
        if start_s == end_s:
            return self.start_s <= start_s <= self.end_s
        return start_s < self.end_s and self.start_s < end_s


def window(replay: Replay, request: int, first: int, last: int) -> Window:
    """From the begin of a token to the end of another of the same request.

    Raises:
        InputError: the run made none of these tokens.
    """
    tokens = replay.result.tokens
    chosen = tokens[(tokens["request"] == request) & tokens["token"].between(first, last)]
    if chosen.empty:
        made = int((tokens["request"] == request).sum())
        expected = f"tokens from 0 to {made - 1}" if made else "a request that generated a token"
        raise InputError("--tokens", f"no token {first}-{last} of request {request}", expected)
    return Window(float(chosen["start_s"].min()), float((chosen["start_s"] + chosen["latency_s"]).max()))


def steps(trace: Trace, seen: Window) -> Iterator[tuple[float, float, float]]:
    """The values of a trace within a window, equal ones together: from when to when, and what."""
    start_s, value = seen.start_s, trace.value(seen.start_s)
    now_s = start_s
    while now_s < seen.end_s:
        now_s = min(trace.next_change(now_s), seen.end_s)
        after = trace.value(now_s) if now_s < seen.end_s else math.nan
        if after != value:
            yield start_s, now_s, value
            start_s, value = now_s, after


def levels(trace: Trace, seen: Window) -> list[tuple[float, float]]:
    """What a counter shows of a trace: when it changes, and to what; where that is too often, means of equal times."""
    found = list(islice(steps(trace, seen), _MOST_LEVELS + 1))
    if len(found) <= _MOST_LEVELS:
        return [(start_s, value) for start_s, _, value in found]
    edges = np.linspace(seen.start_s, seen.end_s, _MOST_LEVELS + 1)
    means = trace.mean(edges[:-1], edges[1:])
    return list(zip(edges[:-1].tolist(), means.tolist(), strict=True))

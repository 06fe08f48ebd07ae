"""The part of a run that a timeline shows, and the values of traces in it."""

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
    """A part of a run, from `start_s` to `end_s`."""

    start_s: float
    end_s: float

    def overlaps(self, start_s: float, end_s: float) -> bool:
        """Whether an activity overlaps the window for some time; if its duration is 0, whether it is in the window."""
        if start_s == end_s:
            return self.start_s <= start_s <= self.end_s
        return start_s < self.end_s and self.start_s < end_s


def window(replay: Replay, request: int, first: int, last: int) -> Window:
    """The window from the start of a token to the end of another token of the same request.

    Raises:
        InputError: the run generated none of these tokens.
    """
    tokens = replay.result.tokens
    selection = tokens[(tokens["request"] == request) & tokens["token"].between(first, last)]
    if selection.empty:
        count = int((tokens["request"] == request).sum())
        expected = f"tokens from 0 to {count - 1}" if count else "a request that generated a token"
        raise InputError("--tokens", f"no token {first}-{last} of request {request}", expected)
    return Window(
        float(selection["start_s"].min()), float((selection["start_s"] + selection["latency_s"]).max())
    )


def steps(trace: Trace, window: Window) -> Iterator[tuple[float, float, float]]:
    """The constant parts of a trace within a window: start, end and value."""
    start_s, value = window.start_s, trace.value(window.start_s)
    now_s = start_s
    while now_s < window.end_s:
        now_s = min(trace.next_change(now_s), window.end_s)
        after = trace.value(now_s) if now_s < window.end_s else math.nan
        if after != value:
            yield start_s, now_s, value
            start_s, value = now_s, after


def levels(trace: Trace, window: Window) -> list[tuple[float, float]]:
    """Times and values for a counter: the changes of a trace, or means over equal times if there are too many."""
    parts = list(islice(steps(trace, window), _MOST_LEVELS + 1))
    if len(parts) <= _MOST_LEVELS:
        return [(start_s, value) for start_s, _, value in parts]
    edges = np.linspace(window.start_s, window.end_s, _MOST_LEVELS + 1)
    means = trace.mean(edges[:-1], edges[1:])
    return list(zip(edges[:-1].tolist(), means.tolist(), strict=True))

"""The activity during some tokens, as trace events for ui.perfetto.dev and chrome://tracing."""

import json
from pathlib import Path
from typing import Any

from headway.analysis.files.atomic import writing
from headway.analysis.replay.counters import bandwidth_counters, memory_counters
from headway.analysis.replay.rerun import Replay
from headway.analysis.replay.slices import outages, run_slices
from headway.analysis.replay.trace_event_format import in_lanes, slice_events, track_names
from headway.analysis.replay.window import Window


def trace_events(replay: Replay, window: Window) -> dict[str, Any]:
    """A part of a run as an object of the trace event format."""
    slices = [part for part in run_slices(replay) if window.overlaps(part.start_s, part.end_s)]
    slices += outages(replay, window)
    lanes = list(in_lanes(slices))
    events = [
        *slice_events(lanes),
        *memory_counters(replay, window),
        *bandwidth_counters(replay, window, slices),
    ]
    events.sort(key=lambda event: event["ts"])
    return {
        "traceEvents": [*track_names(lanes), *events],
        "displayTimeUnit": "ms",
        "otherData": {"scenario": replay.scenario.name, "run": str(replay.result.runs["run"].iloc[0])},
    }


def write_timeline(path: Path, events: dict[str, Any]) -> None:
    """Write the object as JSON.

    Raises:
        InputError: the file cannot be written.
    """
    # Not ASCII only: Perfetto does not decode escape sequences.
    text = json.dumps(events, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    with writing(path):
        path.write_text(text, encoding="utf-8")

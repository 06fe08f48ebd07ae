"""What happened during some tokens, as trace events for ui.perfetto.dev and chrome://tracing."""

import json
from pathlib import Path
from typing import Any

from headway.analysis.files.atomic import writing
from headway.analysis.replay.counters import bandwidth_counters, memory_counters
from headway.analysis.replay.rerun import Replay
from headway.analysis.replay.slices import outages, run_slices
from headway.analysis.replay.trace_event_format import in_lanes, slice_events, track_names
from headway.analysis.replay.window import Window


def trace_events(replay: Replay, seen: Window) -> dict[str, Any]:
    """The part of a run as an object of the trace-event format."""
    slices = [one for one in run_slices(replay) if seen.meets(one.start_s, one.end_s)]
    slices += outages(replay, seen)
    laid = list(in_lanes(slices))
    events = [*slice_events(laid), *memory_counters(replay, seen), *bandwidth_counters(replay, seen, slices)]
    events.sort(key=lambda event: event["ts"])
    return {
        "traceEvents": [*track_names(laid), *events],
        "displayTimeUnit": "ms",
        "otherData": {"scenario": replay.scenario.name, "run": str(replay.result.runs["run"].iloc[0])},
    }


def write_timeline(path: Path, events: dict[str, Any]) -> None:
    """Write the object as JSON.

    Raises:
        InputError: the file cannot be written.
    """
    # Not in ASCII: Perfetto shows the escapes of other characters as they are.
    text = json.dumps(events, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    with writing(path):
        path.write_text(text, encoding="utf-8")

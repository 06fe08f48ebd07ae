"""What happened during some tokens, as trace events for ui.perfetto.dev and chrome://tracing.

The format is the JSON object form of "Trace Event Format" (Google, 2016): complete events (`X`) with times in
microseconds, counters (`C`), and metadata (`M`) that names tracks. Slices of one track of that format may nest but not
cross, so what goes on at once is put side by side into lanes, each a track of its own.
"""

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from headway.analysis.output import writing
from headway.analysis.replay.spans import TokenSpans, Work, block_names, by_token
from headway.analysis.replay.watch import Replay
from headway.simcore.engine.network.network import shared_cluster
from headway.simcore.instrument import Asked, Attempt, Message, Move, Standing
from headway.simcore.world.route import Route
from headway.traces import Trace
from headway.traces.errors import InputError

Event: TypeAlias = dict[str, Any]

_GROUPS = ("run", "devices", "links")
_NANO = 1e9
_MEGABIT = 8e-6
_MOST_LEVELS = 1000


@dataclass(frozen=True)
class Slice:
    """Something that lasted.

    Attributes:
        group: of tracks: the run, the devices or the links.
        track: what it belongs to there.
        name: what it says on it.
        kind: compute, transfer, wait and so on, by which viewers filter.
        start_s: when it began.
        end_s: when it ended.
        details: shown when it is selected.
    """

    group: str
    track: str
    name: str
    kind: str
    start_s: float
    end_s: float
    details: dict[str, Any] = field(default_factory=dict, compare=False)


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
        accepted = f"tokens from 0 to {made - 1}" if made else "a request that generated a token"
        raise InputError("--tokens", f"no token {first}-{last} of request {request}", accepted)
    return Window(float(chosen["start_s"].min()), float((chosen["start_s"] + chosen["latency_s"]).max()))


def trace_events(replay: Replay, seen: Window) -> dict[str, Any]:
    """The part of a run as an object of the trace-event format."""
    slices = [one for one in _slices(replay) if seen.meets(one.start_s, one.end_s)]
    slices += _outages(replay, seen)
    laid = list(_lanes(slices))
    events = [*_drawn(laid), *_memory(replay, seen), *_bandwidth(replay, seen, slices)]
    events.sort(key=lambda event: event["ts"])
    return {
        "traceEvents": [*_named(laid), *events],
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


def _slices(replay: Replay) -> Iterator[Slice]:
    for spans in by_token(replay.spans).values():
        yield from _token(replay, spans)
        for attempt, work in zip(spans.attempts, spans.work, strict=True):
            for one in work:
                yield from _worked(replay, attempt, one)
    for span in replay.spans:
        if isinstance(span, Move):
            yield _moved(replay, span)
        elif isinstance(span, Message) and span.block is not None:
            name = f"move of {replay.scenario.block_table.names[span.block]}"
            yield from _sent(replay, name, "migration", span)


def _token(replay: Replay, spans: TokenSpans) -> Iterator[Slice]:
    tokens = replay.result.tokens
    rows = tokens[(tokens["request"] == spans.request) & (tokens["token"] == spans.token)]
    for row in rows.to_dict("records"):
        start_s = float(row["start_s"])
        name = f"token {spans.token}" + (f" of request {spans.request}" if spans.request else "")
        details = {str(key): value for key, value in row.items() if str(key).endswith("_s")}
        end_s = start_s + float(row["latency_s"])
        yield Slice("run", "tokens", name, "token", start_s, end_s, details)
    for one in spans.before:
        match one:
            case Asked():
                details = {"outcome": one.outcome, "reason": one.reason, "moved blocks": one.moved}
                yield Slice("run", "decisions", one.outcome, "decision", one.asked_s, one.answered_s, details)
            case Standing():
                yield Slice("run", "standstills", one.cause, one.cause, one.start_s, one.end_s)


def _worked(replay: Replay, attempt: Attempt, span: Work) -> Iterator[Slice]:
    blocks = replay.scenario.block_table
    if isinstance(span, Message):
        name = "input"
        if span.kind is not None and span.layer is not None:
            name = f"output of {block_names(blocks, attempt, span.kind, span.layer, span.sender)}"
        yield from _sent(replay, name, "transfer", span)
        return
    name = block_names(blocks, attempt, span.kind, span.layer, span.device)
    device = replay.scenario.cluster.names[span.device]
    begin_s, end_s = span.computing(replay.scenario.memory.prefetch)
    if span.start_s > span.submitted_s:
        yield Slice("devices", f"{device} (waiting)", name, "wait", span.submitted_s, span.start_s)
    for reading_s, read_s in ((span.start_s, begin_s), (end_s, span.end_s)):
        if read_s > reading_s:
            yield Slice("devices", device, f"{name} from disk", "disk", reading_s, read_s)
    details = {"blocks": span.blocks, "seconds on the whole device": span.nominal_s}
    yield Slice("devices", device, name, "compute", begin_s, end_s, details)


def _sent(replay: Replay, name: str, kind: str, message: Message) -> Iterator[Slice]:
    """A message on every link of its way."""
    cluster = replay.scenario.cluster
    route = _route(replay, message)
    details = {
        "from": cluster.names[message.sender],
        "to": cluster.names[message.receiver],
        "bytes": message.wire_bytes,
        "flows after [s]": message.flow_s - message.sent_s,
    }
    at = cluster.names[message.sender]
    for i in route.links:
        link = cluster.links[i]
        at, start = link.ends[link.ends[0] == at], at
        track = f"{link.name}: {start} → {at}"
        yield Slice("links", track, name, kind, message.sent_s, message.arrived_s, details)


def _moved(replay: Replay, move: Move) -> Slice:
    names = replay.scenario.cluster.names
    block = replay.scenario.block_table.names[move.block]
    details = {
        "from": names[move.old],
        "to": names[move.new],
        "outcome": move.outcome,
        "load [s]": move.load_s,
    }
    return Slice("run", "migrations", block, "migration", move.start_s, move.end_s, details)


def _route(replay: Replay, message: Message) -> Route:
    cluster = shared_cluster(replay.scenario.cluster, replay.scenario.network.sharing)
    route = cluster.routes[message.sender][message.receiver]
    assert route is not None
    return route


def _outages(replay: Replay, seen: Window) -> Iterator[Slice]:
    cluster = replay.scenario.cluster
    for group, ones in (("devices", cluster.devices), ("links", cluster.links)):
        for one in ones:
            for start_s, until_s, up in steps(one.up, seen):
                if up == 0.0:
                    lost = _lost(replay, one.name, start_s, until_s) if group == "devices" else {}
                    yield Slice(group, f"{one.name} (down)", "down", "outage", start_s, until_s, lost)


def _lost(replay: Replay, device: str, start_s: float, end_s: float) -> dict[str, Any]:
    """What was lost with a device that went down while it was in use."""
    faults = replay.result.faults
    for row in faults[(faults["device"] == device) & faults["time_s"].between(start_s, end_s)].to_dict(
        "records"
    ):
        return {"blocks lost": row["lost_blocks"], "cache lost": row["lost_cache"]}
    return {}


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


def _lanes(slices: Sequence[Slice]) -> Iterator[tuple[int, Slice]]:
    """Every slice with the first lane of its track that is free by then."""
    free: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for one in sorted(slices, key=lambda s: (s.start_s, s.end_s)):
        ends = free[one.group, one.track]
        lane = next((i for i, end_s in enumerate(ends) if end_s <= one.start_s), len(ends))
        ends[lane:] = [one.end_s, *ends[lane + 1 :]]
        yield lane, one


def _numbers(laid: Sequence[tuple[int, Slice]]) -> dict[tuple[str, str, int], int]:
    """The number of each lane, in the order of names within its group; none is the number of a group.

    Perfetto takes the thread that has the number of its process for the main one, and says so.
    """
    lanes = sorted({(_GROUPS.index(one.group), one.track, lane) for lane, one in laid})
    return {(_GROUPS[g], track, lane): i for i, (g, track, lane) in enumerate(lanes, start=len(_GROUPS) + 1)}


def _drawn(laid: Sequence[tuple[int, Slice]]) -> Iterator[Event]:
    numbers = _numbers(laid)
    for lane, one in laid:
        start_ns = _nano(one.start_s)
        yield {
            "ph": "X",
            "pid": _GROUPS.index(one.group) + 1,
            "tid": numbers[one.group, one.track, lane],
            "name": one.name,
            "cat": one.kind,
            "ts": _micro(start_ns),
            "dur": _micro(_nano(one.end_s) - start_ns),
            "args": one.details,
        }


def _named(laid: Sequence[tuple[int, Slice]]) -> Iterator[Event]:
    for i, group in enumerate(_GROUPS, start=1):
        yield {"ph": "M", "pid": i, "name": "process_name", "args": {"name": group}}
        yield {"ph": "M", "pid": i, "name": "process_sort_index", "args": {"sort_index": i}}
    for (group, track, lane), number in _numbers(laid).items():
        of = {"ph": "M", "pid": _GROUPS.index(group) + 1, "tid": number}
        name = f"{track} ({lane + 1})" if lane else track
        yield of | {"name": "thread_name", "args": {"name": name}}
        yield of | {"name": "thread_sort_index", "args": {"sort_index": number}}


def _memory(replay: Replay, seen: Window) -> Iterator[Event]:
    """What the model holds on each device, and what is free beside it, as decoding of each token begins."""
    begun = {(s.request, s.token): s.begun_s for s in replay.spans if isinstance(s, Attempt)}
    for row in replay.result.devices.to_dict("records"):
        at_s = begun[row["request"], row["token"]]
        if seen.meets(at_s, at_s):
            held, free = row["held_bytes"], max(0.0, row["available_bytes"] - row["held_bytes"])
            yield _counter(
                "devices", f"memory of {row['device']} [MB]", at_s, {"held": held / 1e6, "free": free / 1e6}
            )


def _bandwidth(replay: Replay, seen: Window, slices: Sequence[Slice]) -> Iterator[Event]:
    """What links and media offer, and what messages make of each direction of a link, at their mean rates."""
    cluster = replay.scenario.cluster
    used = {one.track for one in slices if one.group == "links" and one.kind != "outage"}
    links = [link for link in cluster.links if any(track.startswith(f"{link.name}: ") for track in used)]
    media = [medium for medium in cluster.media if any(link.medium == medium.name for link in links)]
    offers = [(one.name, one.bandwidth) for one in links] + [(one.name, one.bandwidth) for one in media]
    for name, trace in offers:
        if trace is not None:
            shown = levels(trace, seen)
            # Trace Viewer draws a counter up to its last value.
            for at_s, value in (*shown, (seen.end_s, shown[-1][1])):
                yield _counter("links", f"{name} offers [Mbit/s]", at_s, {"rate": value * _MEGABIT})
    yield from _use(slices)


def _use(slices: Sequence[Slice]) -> Iterator[Event]:
    changes: defaultdict[str, dict[float, float]] = defaultdict(lambda: defaultdict(float))
    for one in slices:
        if one.group == "links" and "bytes" in one.details:
            flow_s = min(one.start_s + one.details["flows after [s]"], one.end_s)
            if one.end_s > flow_s:
                rate = one.details["bytes"] / (one.end_s - flow_s)
                changes[one.track][flow_s] += rate
                changes[one.track][one.end_s] -= rate
    for track, by_time in sorted(changes.items()):
        rate, peak = 0.0, max(map(abs, by_time.values()))
        for at_s in sorted(by_time):
            rate += by_time[at_s]
            # Rates that cancel out but for rounding.
            shown = rate if rate > 1e-9 * peak else 0.0
            yield _counter("links", f"{track} carries [Mbit/s]", at_s, {"rate": shown * _MEGABIT})


def _counter(group: str, name: str, at_s: float, values: dict[str, float]) -> Event:
    return {
        "ph": "C",
        "pid": _GROUPS.index(group) + 1,
        "tid": 0,
        "name": name,
        "ts": _micro(_nano(at_s)),
        "args": values,
    }


def _nano(time_s: float) -> int:
    """In whole nanoseconds: viewers keep no less."""
    return round(time_s * _NANO)


def _micro(time_ns: int) -> float:
    """In microseconds, as the format has it.

    Perfetto multiplies by a thousand and cuts off what is behind the point. A number that came out a little too small
    would begin a nanosecond early, inside the slice before.
    """
    found = time_ns / 1000
    return found if int(found * 1000.0) >= time_ns else math.nextafter(found, math.inf)

"""Activities of a run as slices of a timeline: tokens, decisions, tasks, messages, moves, outages."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from headway.analysis.replay.rerun import Replay
from headway.analysis.replay.spans import TokenSpans, Work, block_names, by_token
from headway.analysis.replay.window import Window, steps
from headway.simcore.engine.network.network import shared_cluster
from headway.simcore.instrument import Asked, Attempt, Message, Move, Standing
from headway.simcore.world.route import Route


@dataclass(frozen=True)
class Slice:
    """An activity with a start and an end.

    Attributes:
        group: group of tracks: `run`, `devices` or `links`.
        track: track within the group.
        name: text on the slice.
        kind: category for filters of viewers, such as compute, transfer or wait.
        start_s: start time.
        end_s: end time.
        details: values that a viewer shows for a selected slice.
    """

    group: str
    track: str
    name: str
    kind: str
    start_s: float
    end_s: float
    details: dict[str, Any] = field(default_factory=dict, compare=False)


def run_slices(replay: Replay) -> Iterator[Slice]:
    """Tokens, decisions, tasks, messages and moves of a whole run."""
    for spans in by_token(replay.spans).values():
        yield from _token(replay, spans)
        for attempt, work in zip(spans.attempts, spans.work, strict=True):
            for activity in work:
                yield from _work(replay, attempt, activity)
    for span in replay.spans:
        if isinstance(span, Move):
            yield _move(replay, span)
        elif isinstance(span, Message) and span.block is not None:
            name = f"move of {replay.scenario.block_table.names[span.block]}"
            yield from _message(replay, name, "migration", span)


def _token(replay: Replay, spans: TokenSpans) -> Iterator[Slice]:
    tokens = replay.result.tokens
    rows = tokens[(tokens["request"] == spans.request) & (tokens["token"] == spans.token)]
    for row in rows.to_dict("records"):
        start_s = float(row["start_s"])
        name = f"token {spans.token}" + (f" of request {spans.request}" if spans.request else "")
        details = {str(key): value for key, value in row.items() if str(key).endswith("_s")}
        end_s = start_s + float(row["latency_s"])
        yield Slice("run", "tokens", name, "token", start_s, end_s, details)
    for span in spans.before:
        match span:
            case Asked():
                details = {"outcome": span.outcome, "reason": span.reason, "moved blocks": span.moved}
                yield Slice(
                    "run", "decisions", span.outcome, "decision", span.asked_s, span.answered_s, details
                )
            case Standing():
                yield Slice("run", "pauses", span.cause, span.cause, span.start_s, span.end_s)


def _work(replay: Replay, attempt: Attempt, span: Work) -> Iterator[Slice]:
    blocks = replay.scenario.block_table
    if isinstance(span, Message):
        name = "input"
        if span.kind is not None and span.layer is not None:
            name = f"output of {block_names(blocks, attempt, span.kind, span.layer, span.sender)}"
        yield from _message(replay, name, "transfer", span)
        return
    name = block_names(blocks, attempt, span.kind, span.layer, span.device)
    device = replay.scenario.cluster.names[span.device]
    begin_s, end_s = span.computing(replay.scenario.memory.prefetch)
    if span.start_s > span.submitted_s:
        yield Slice("devices", f"{device} (waiting)", name, "wait", span.submitted_s, span.start_s)
    for disk_start_s, disk_end_s in ((span.start_s, begin_s), (end_s, span.end_s)):
        if disk_end_s > disk_start_s:
            yield Slice("devices", device, f"{name} from disk", "disk", disk_start_s, disk_end_s)
    details = {"blocks": span.blocks, "seconds on the fully available device": span.nominal_s}
    yield Slice("devices", device, name, "compute", begin_s, end_s, details)


def _message(replay: Replay, name: str, kind: str, message: Message) -> Iterator[Slice]:
    """A message on every link of its route."""
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


def _move(replay: Replay, move: Move) -> Slice:
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


def outages(replay: Replay, window: Window) -> Iterator[Slice]:
    """Outages of devices and links within a window."""
    cluster = replay.scenario.cluster
    for group, parts in (("devices", cluster.devices), ("links", cluster.links)):
        for part in parts:
            for start_s, end_s, up in steps(part.up, window):
                if up == 0.0:
                    losses = _losses(replay, part.name, start_s, end_s) if group == "devices" else {}
                    yield Slice(group, f"{part.name} (down)", "down", "outage", start_s, end_s, losses)


def _losses(replay: Replay, device: str, start_s: float, end_s: float) -> dict[str, Any]:
    """Lost blocks and caches of a device that went down while it was in use."""
    faults = replay.result.faults
    for row in faults[(faults["device"] == device) & faults["time_s"].between(start_s, end_s)].to_dict(
        "records"
    ):
        return {"blocks lost": row["lost_blocks"], "cache lost": row["lost_cache"]}
    return {}

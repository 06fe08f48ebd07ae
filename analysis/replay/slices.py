"""What lasted during a run, as slices of a timeline: tokens, decisions, work, messages, moves, outages."""

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


def run_slices(replay: Replay) -> Iterator[Slice]:
    """Tokens, decisions, work, messages and moves of a whole run."""
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


def outages(replay: Replay, seen: Window) -> Iterator[Slice]:
    """Times within a window in which a device or a link was down."""
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

"""Reasons for the length of a piece of a critical path: offered rates, shares of them, and concurrent activities."""

from headway.analysis.replay.critical_path import Path, Piece
from headway.analysis.replay.reasons import NEARLY, Reasons
from headway.analysis.replay.rerun import Replay
from headway.analysis.replay.spans import OUTSIDE, STAGES, block_names
from headway.simcore.engine.network.network import shared_cluster
from headway.simcore.instrument import Asked, Attempt, Compute, Message, Move
from headway.simcore.world.blocks import Kind
from headway.simcore.world.route import Route
from headway.traces import Trace


class Explainer:
    """Describes the pieces of the critical path of one token.

    Args:
        replay: the run.
        path: the critical path.
    """

    def __init__(self, replay: Replay, path: Path) -> None:
        self._replay = replay
        self._spans = path.spans
        self._messages, self._computes = _active_between(replay, path.start_s, path.start_s + path.latency_s)
        self._cluster = shared_cluster(replay.scenario.cluster, replay.scenario.network.sharing)
        self._end_s = float(replay.result.runs["end_s"].iloc[0])

    def what(self, piece: Piece) -> tuple[str, int | None]:
        """The activity of a piece, and its layer if it belongs to one."""
        cause = piece.cause
        match cause:
            case Compute():
                layer = cause.layer if cause.kind not in OUTSIDE else None
                return STAGES[cause.kind], layer
            case Message(block=None):
                if cause.kind is None:
                    return "input", None
                return f"output of {STAGES[cause.kind]}", cause.layer if cause.kind not in OUTSIDE else None
            case Message() | Move():
                assert cause.block is not None
                return self._move(cause.block)
            case Asked():
                return "decision", None
        return {"wait": "waiting request", "migration": "abandoned move"}.get(piece.part, "device down"), None

    def _move(self, block: int) -> tuple[str, int | None]:
        blocks = self._replay.scenario.block_table
        kind = Kind(blocks.kind[block])
        return f"move of {STAGES[kind]}", int(blocks.layer[block]) if kind not in OUTSIDE else None

    def where(self, piece: Piece) -> str:
        """The device, or the sender and receiver of a message."""
        names = self._cluster.names
        match piece.cause:
            case Compute(device=device):
                return names[device]
            case Message(sender=sender, receiver=receiver):
                return f"{names[sender]} → {names[receiver]}"
            case Move(new=new):
                return f"disk of {names[new]}"
        return ""

    def add(self, piece: Piece, reasons: Reasons) -> None:
        """Add the reasons for the length of a piece."""
        match piece.cause:
            case Message():
                self._add_message(piece.cause, reasons)
            case Compute() if piece.part == "compute":
                self._add_compute(piece, piece.cause, reasons)
            case Compute() if piece.part == "wait":
                reasons.beside.update(self._concurrent_tasks(piece, piece.cause))
            case Compute():
                reasons.texts["swapped bytes read from disk"] = None
            case Move():
                reasons.texts["weights loaded from disk"] = None
            case Asked():
                reasons.texts[f"{piece.cause.outcome}, in simulated time"] = None
            case None:
                reasons.texts.update(dict.fromkeys(self._waiting_reasons(piece)))

    def _waiting_reasons(self, piece: Piece) -> list[str]:
        if piece.part == "fault":
            faults = self._replay.result.faults
            rows = faults[(faults["request"] == self._spans.request) & (faults["token"] == self._spans.token)]
            names = ", ".join(sorted(set(rows["device"])))
            return [f"outage of {names or 'a device'}"]
        if piece.part == "wait":
            requests = self._replay.result.requests
            others = requests[(requests["finish_s"] > piece.start_s) & (requests["start_s"] < piece.end_s)]
            numbers = [str(n) for n in others["request"] if n != self._spans.request]
            return [f"behind request {', '.join(numbers)}"] if numbers else []
        return []

    def _add_compute(self, piece: Piece, cause: Compute, reasons: Reasons) -> None:
        device = self._cluster.devices[cause.device]
        free_s = device.availability.integral(piece.start_s, piece.end_s)
        reasons.busy_s += piece.length_s
        reasons.nominal_s += cause.nominal_s
        reasons.free_s += free_s
        reasons.usual_free_s += device.availability.mean(0.0, self._end_s) * piece.length_s
        if cause.nominal_s < NEARLY * free_s:
            reasons.beside.update(self._concurrent_tasks(piece, cause))

    def _concurrent_tasks(self, piece: Piece, cause: Compute) -> list[str]:
        """Other tasks of the device during a piece."""
        return [
            block_names(self._replay.scenario.block_table, attempt, span.kind, span.layer, span.device)
            for attempt, span in self._computes
            if span is not cause
            and span.device == cause.device
            and span.start_s < piece.end_s
            and piece.start_s < span.end_s
        ]

    def _add_message(self, message: Message, reasons: Reasons) -> None:
        route = self._cluster.routes[message.sender][message.receiver]
        assert route is not None
        start_s, end_s = message.flow_s, message.arrived_s
        reasons.size_bytes += message.size_bytes
        reasons.wire_bytes += message.wire_bytes
        latency_s = route.latency_at(message.sent_s)
        reasons.latency_s += min(latency_s, start_s - message.sent_s)
        reasons.transport_s += max(0.0, start_s - message.sent_s - latency_s)
        reasons.flow_s += end_s - start_s
        if end_s <= start_s:
            return
        alone = route.integral(start_s, end_s)
        reasons.alone_bytes += alone
        reasons.still_s += _stalled_s(route, start_s, end_s)
        narrow = min(range(len(route.bandwidths)), key=lambda i: route.bandwidths[i].integral(start_s, end_s))
        trace = route.bandwidths[narrow]
        name = self._cluster.resources[route.resources[narrow]].name
        length_s = end_s - start_s
        before = reasons.offered.get(name, (0.0, 0.0, 0.0))
        now = trace.integral(start_s, end_s), trace.mean(0.0, self._end_s) * length_s, length_s
        reasons.offered[name] = before[0] + now[0], before[1] + now[1], before[2] + now[2]
        if message.wire_bytes < NEARLY * alone:
            reasons.beside.update(self._concurrent_messages(message, route, start_s, end_s))

    def _concurrent_messages(self, message: Message, route: Route, start_s: float, end_s: float) -> list[str]:
        """Other messages on the same resources at the same time."""
        names = []
        for other in self._messages:
            other_route = self._cluster.routes[other.sender][other.receiver]
            if other is message or other_route is None:
                continue
            if not set(other_route.resources) & set(route.resources):
                continue
            if other.flow_s < end_s and start_s < other.arrived_s:
                names.append(self._name(other))
        return names

    def _name(self, message: Message) -> str:
        names = self._cluster.names
        ends = f"{names[message.sender]} → {names[message.receiver]}"
        if message.block is None:
            return ends
        return f"the move of {self._replay.scenario.block_table.names[message.block]} ({ends})"


def _active_between(
    replay: Replay, start_s: float, end_s: float
) -> tuple[list[Message], list[tuple[Attempt, Compute]]]:
    """Messages and tasks (with their attempts) that were active at some time in an interval."""
    messages, computes, attempt = [], [], None
    for span in replay.spans:
        match span:
            case Attempt():
                attempt = span
            case Message() if span.sent_s < end_s and start_s < span.arrived_s:
                messages.append(span)
            case Compute() if span.start_s < end_s and start_s < span.end_s and attempt is not None:
                computes.append((attempt, span))
    return messages, computes


def _stalled_s(route: Route, start_s: float, end_s: float) -> float:
    """Time during which the rate of a route was 0 [s]."""
    total, now_s = 0.0, start_s
    if all(
        isinstance(trace, Trace) and trace.values.min() > 0.0 and trace.end != "zero"
        for trace in route.bandwidths
    ):
        return 0.0
    while now_s < end_s:
        until_s = min(end_s, *(trace.next_change(now_s) for trace in route.bandwidths))
        if any(trace.value(now_s) == 0.0 for trace in route.bandwidths):
            total += until_s - now_s
        now_s = until_s
    return total

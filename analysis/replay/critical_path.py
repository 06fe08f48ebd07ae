"""The critical path of a token: consecutive pieces that make up its latency.

The search goes backwards. The last piece is the task or message that ended last. Its predecessor is the one that ended
when and where it started, and so on until the start of the step. The time before the step is waiting, decisions,
migrations or faults.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from headway.analysis.replay.rerun import Replay
from headway.analysis.replay.spans import TokenSpans, Work, by_token
from headway.simcore.instrument import Asked, Compute, Message, Move, Standing

Part: TypeAlias = Literal["compute", "disk", "transfer", "wait", "migration", "decision", "fault"]
"""Part of a latency, as in the columns of the table `tokens`."""


@dataclass(frozen=True)
class Piece:
    """A piece of the critical path of a token.

    Attributes:
        part: part of the latency.
        start_s: its start, which is the end of the previous piece.
        end_s: its end.
        cause: the span that took the time; None for waiting and faults, which have no span.
    """

    part: Part
    start_s: float
    end_s: float
    cause: Compute | Message | Asked | Move | None = None

    @property
    def length_s(self) -> float:
        """Duration of the piece [s]."""
        return self.end_s - self.start_s


@dataclass(frozen=True, eq=False)
class Path:
    """The critical path of a token.

    Attributes:
        start_s: start of the latency.
        latency_s: latency of the token.
        spans: spans of the token.
        pieces: consecutive pieces of the latency.
    """

    start_s: float
    latency_s: float
    spans: TokenSpans
    pieces: tuple[Piece, ...]


def critical_path(replay: Replay, request: int, token: int) -> Path:
    """The critical path of a generated token.

    Args:
        replay: the run.
        request: number of the request.
        token: number of the token in the request.
    """
    tokens = replay.result.tokens
    row = tokens[(tokens["request"] == request) & (tokens["token"] == token)].iloc[0]
    spans = by_token(replay.spans)[request, token]
    begun_s = spans.attempts[-1].begun_s
    pieces = [
        *_before(replay, spans, float(row["start_s"]), begun_s),
        *(piece for span in chain(spans.work[-1], begun_s) for piece in _pieces(replay, span)),
    ]
    return Path(
        float(row["start_s"]),
        float(row["latency_s"]),
        spans,
        tuple(piece for piece in pieces if piece.end_s > piece.start_s),
    )


def chain(work: Sequence[Work], begun_s: float) -> list[Work]:
    """The chain of tasks and messages that ends the step; each starts when its predecessor ends.

    If several predecessors end at the same time, the device with the lowest index counts, as in the engine.
    """
    path = [len(work) - 1]
    while begin(work[path[-1]]) > begun_s:
        now = work[path[-1]]
        ready = [i for i in range(path[-1]) if end(work[i]) == begin(now) and _leads_to(work[i], now)]
        path.append(min(ready, key=lambda i: (_begin_device(work[i]), -i)))
    return [work[i] for i in reversed(path)]


def _leads_to(before: Work, after: Work) -> bool:
    """Whether a span may wait for another: at the device where that ends, or on the connection that they share."""
    if _end_device(before) == _begin_device(after):
        return True
    messages = isinstance(before, Message) and isinstance(after, Message)
    return messages and (_begin_device(before), _end_device(before)) == (
        _begin_device(after),
        _end_device(after),
    )


def begin(span: Work) -> float:
    """When a task was submitted, or a message was sent."""
    return span.submitted_s if isinstance(span, Compute) else span.sent_s


def end(span: Work) -> float:
    """When a task ended, or a message arrived."""
    return span.end_s if isinstance(span, Compute) else span.arrived_s


def _begin_device(span: Work) -> int:
    return span.device if isinstance(span, Compute) else span.sender


def _end_device(span: Work) -> int:
    return span.device if isinstance(span, Compute) else span.receiver


def _pieces(replay: Replay, span: Work) -> Iterator[Piece]:
    if isinstance(span, Message):
        yield Piece("transfer", span.sent_s, span.arrived_s, span)
        return
    begin_s, end_s = span.computing(replay.scenario.memory.prefetch)
    yield Piece("wait", span.submitted_s, span.start_s, span)
    yield Piece("disk", span.start_s, begin_s, span)
    yield Piece("compute", begin_s, end_s, span)
    yield Piece("disk", end_s, span.end_s, span)


def _before(replay: Replay, spans: TokenSpans, start_s: float, begun_s: float) -> Iterator[Piece]:
    """Pieces from the start of the latency to the start of the last step; gaps between spans are waiting."""
    pieces: list[Piece] = []
    for span in spans.before:
        if isinstance(span, Asked):
            pieces.append(Piece("decision", span.asked_s, span.answered_s, span))
        elif span.cause == "migration":
            pieces.extend(_moving(replay, span))
        else:
            pieces.append(Piece("fault", span.start_s, span.end_s))
    for (attempt, work), after in zip(
        zip(spans.attempts, spans.work, strict=True), spans.attempts[1:], strict=False
    ):
        if spans.cached(attempt) < spans.cached(
            after
        ):  # a chunk of a prefill; other earlier attempts were lost
            pieces.extend(piece for span in chain(work, attempt.begun_s) for piece in _pieces(replay, span))
    now_s = start_s
    for piece in sorted(pieces, key=lambda piece: (piece.start_s, piece.end_s)):
        yield Piece("wait", now_s, piece.start_s)
        yield piece
        now_s = max(now_s, piece.end_s)
    yield Piece("wait", now_s, begun_s)


def _moving(replay: Replay, standing: Standing) -> list[Piece]:
    """Pieces of a migration during which decoding paused.

    Moves over routes that share nothing take place at the same time; the others wait for each other. The search goes
    backwards from the last end. If several spans end at the same time, one for which the next had to wait counts.
    """
    crossings = replay.scenario.cluster.crossings(0.0, 0.0)

    def resources(span: Message | Move) -> set[Hashable]:
        old, new = (span.sender, span.receiver) if isinstance(span, Message) else (span.old, span.new)
        route = old * len(replay.scenario.cluster.devices) + new
        return {*crossings.resources_of(route), ("disk", new)}

    def order(span: Message | Move) -> tuple[bool, bool, bool]:
        """A message of the same block first, then a span that shares a resource with the next, messages first."""
        after = span if following is None else following
        return (
            span.block != after.block,
            resources(span).isdisjoint(resources(after)),
            isinstance(span, Move),
        )

    inside = [
        span
        for span in replay.spans
        if isinstance(span, Message | Move)
        and span.block is not None
        and standing.start_s <= _start(span)
        and _stop(span) <= standing.end_s
    ]
    pieces: list[Piece] = []
    now_s = standing.end_s
    following: Message | Move | None = None
    while now_s > standing.start_s:
        ready = [span for span in inside if _start(span) < _stop(span) == now_s]
        span = min(ready, key=order, default=None)
        if span is None:  # the unfinished end of an abandoned move
            start_s = max((_stop(one) for one in inside if _stop(one) < now_s), default=standing.start_s)
            span = _covering(replay, start_s, now_s)
        elif isinstance(span, Move):  # a move ends with its load when that takes longer than its message
            arrivals = (m.arrived_s for m in inside if isinstance(m, Message) and m.block == span.block)
            start_s = max((t for t in arrivals if _start(span) < t < now_s), default=_start(span))
        else:
            start_s = span.sent_s
        pieces.append(Piece("migration", start_s, now_s, span))
        now_s, following = start_s, span
    return pieces[::-1]


def _covering(replay: Replay, start_s: float, end_s: float) -> Move | None:
    """A move that was in progress from start to end."""
    moves = (span for span in replay.spans if isinstance(span, Move))
    return next((move for move in moves if move.start_s <= start_s and end_s <= move.end_s), None)


def _start(span: Message | Move) -> float:
    return span.sent_s if isinstance(span, Message) else span.start_s


def _stop(span: Message | Move) -> float:
    return span.arrived_s if isinstance(span, Message) else span.end_s

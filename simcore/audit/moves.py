"""Laws of moving blocks: a move sends exactly the bytes of the block that its new device lacks."""

from collections import defaultdict

from headway.simcore.audit.checks import Checks, tolerance_s
from headway.simcore.audit.records import Record, Row
from headway.simcore.audit.reference_state import ReferenceState
from headway.simcore.instrument import Message, Move
from headway.simcore.scenario import Scenario
from headway.traces import Trace


class MoveLaws:
    """The laws of migrations.

    Attributes:
        ending: whether the run has come to its end, early or not.
    """

    def __init__(self, scenario: Scenario, state: ReferenceState, checks: Checks) -> None:
        self._live = scenario.controller.migration == "live"
        self._failing = any(device.up != Trace.constant(1.0) for device in scenario.cluster.devices)
        self._names = scenario.block_table.names
        self.ending = False
        self._state = state
        self._checks = checks
        self._sent: defaultdict[int, list[Message]] = defaultdict(list)

    def check(self, record: Record) -> None:
        """Check a span or row."""
        match record:
            case Message(block=int(block)):
                self._message(record, block)
            case Row(table="migrations"):
                self._row(record)
            case Move():
                self._move(record)

    def _message(self, span: Message, block: int) -> None:
        """The first message of a move has the bytes that its new device lacked when it was sent."""
        spans = self._sent[block]
        if not spans:
            state, warm = self._state, self._state.copies.warm(block, span.receiver)
            if self._live and not state.lost[block]:
                sizes = state.move_bytes_at(block, span.sent_s, warm)
            else:
                sizes = [state.move_bytes(block, warm)]
            expected = min(sizes, key=lambda size: abs(size - span.size_bytes))
            self._checks.equal("bytes", f"bytes sent of {self._names[block]}", expected, span.size_bytes)
        spans.append(span)

    def _row(self, row: Row) -> None:
        """The size of a move is that of its messages; its duration is theirs, or the longer loading time."""
        checks, block = self._checks, row["block"]
        spans = self._sent[self._state.rows[block]]
        sent = sum(span.size_bytes for span in spans)
        sending_s = sum(span.arrived_s - span.sent_s for span in spans)
        checks.equal("bytes", f"size_bytes of the move of {block}", sent, row["size_bytes"])
        slack = tolerance_s(checks.now_s) * (1 + len(spans))
        checks.at_most("clock", f"sending of {block}", row["duration_s"], sending_s, slack)
        checks.at_most("clock", f"move of {block}", sending_s + row["load_s"], row["duration_s"], slack)

    def _move(self, move: Move) -> None:
        """The messages of a finished move sum to the bytes that its new device lacked, and the growth since."""
        state, checks, name = self._state, self._checks, self._names[move.block]
        sent = self._sent.pop(move.block, [])
        for span in sent:
            ends = (span.sender, span.receiver)
            checks.that(ends == (move.old, move.new), "bytes", f"way of {name}", (move.old, move.new), ends)
        if move.outcome == "abandoned":
            over = self._state.done or self.ending or self._failing
            due = "cancelled only for a device or at the end"
            checks.that(over, "place", f"move of {name}", due, move.outcome)
        if move.outcome != "moved" or move.old == move.new:
            silent = move.old != move.new or not sent
            checks.that(silent, "bytes", f"messages of {name}, which stays", 0, len(sent))
            return
        warm = state.copies.warm(move.block, move.new)
        holds = state.move_bytes(move.block, warm)
        copied = sent[0].size_bytes if sent else 0.0
        if self._live and sent:
            # Sequences whose caches were copied may have ended.
            copied = state.valid_copy(move.block, sent[0].sent_s, copied, warm)
        gained = sum(span.size_bytes for span in sent[1:])
        missing, slack = max(0.0, holds - copied), 1e-9 * holds
        checks.equal("bytes", f"bytes sent of {name} after its copy", missing, gained, slack)
        if not self._live:
            checks.equal("bytes", f"bytes sent of {name}", holds, copied)
        if warm:
            checks.that(move.load_s == 0.0, "bytes", f"load time of {name}, which is there", 0.0, move.load_s)

"""Laws of time: time never goes back, spans end when they are reported, and the parts of a latency sum to it."""

from itertools import pairwise

from headway.simcore.audit.checks import Checks, tolerance_s
from headway.simcore.audit.records import Record, Row
from headway.simcore.audit.reference_state import ReferenceState
from headway.simcore.instrument import Asked, Attempt, Compute, Formed, Message, Move, Standing
from headway.simcore.scenario import Scenario

CHAIN = ("compute_s", "disk_s", "transfer_s", "wait_s")
"""Parts of a latency that come from the critical path of its steps."""

_MOMENTS = ("arrival_s", "start_s", "first_token_s", "finish_s")
_PAUSES = ("migration_s", "decision_s", "fault_s")


class ClockLaws:
    """The laws of time."""

    def __init__(self, scenario: Scenario, state: ReferenceState, checks: Checks) -> None:
        self._state = state
        self._checks = checks
        numbers = range(len(scenario.requests))
        self._started_s: dict[int, float] = {}
        self._first_s: dict[int, float] = {}
        self._since_s = {number: scenario.requests[number].arrival_s for number in numbers}
        self._paused_s = {number: dict.fromkeys(_PAUSES, 0.0) for number in numbers}
        self._spans = dict.fromkeys(numbers, 1)

    def advance(self, now_s: float) -> None:
        """An event has happened."""
        before_s = self._checks.now_s
        self._checks.that(now_s >= before_s, "clock", "time of an event", f"from {before_s!r} on", now_s)

    def check(self, record: Record) -> None:
        """Check a span or row."""
        match record:
            case Formed():
                self._times("a batch", record.time_s)
                for one in record.batch:
                    if one.tokens:
                        self._started_s.setdefault(one.request, record.time_s)
                        self._spans[one.request] += 1
            case Attempt():
                self._times("an attempt", record.begun_s)
            case Compute():
                read_s = record.start_s + record.disk_s
                self._times("a computation", record.submitted_s, record.start_s, read_s, record.end_s)
            case Message():
                self._times("a message", record.sent_s, record.flow_s, record.arrived_s)
            case Move():
                self._times("a move", record.start_s, record.end_s)
            case Asked():
                self._times("a decision", record.asked_s, record.answered_s)
                self._pause("decision_s", record.answered_s - record.asked_s)
            case Standing():
                self._times("a standstill", record.start_s, record.end_s)
                self._pause(f"{record.cause}_s", record.end_s - record.start_s)
            case Row(table="tokens"):
                self._token(record)
            case Row(table="requests"):
                self._request(record)

    def _times(self, what: str, *times_s: float) -> None:
        """The moments of a reported span are in order, and the last is now."""
        now_s = self._checks.now_s
        ordered = all(a <= b + tolerance_s(b) for a, b in pairwise(times_s))
        self._checks.that(ordered, "clock", f"moments of {what}", "one after another", times_s)
        self._checks.that(times_s[-1] == now_s, "clock", f"end of {what}, reported now", now_s, times_s[-1])

    def _pause(self, part: str, duration_s: float) -> None:
        for one in self._state.batch:
            if one.tokens:
                self._paused_s[one.request][part] += duration_s
                self._spans[one.request] += 1

    def _request(self, row: Row) -> None:
        """A request begins with its first batch, and ends with its last token."""
        checks, number = self._checks, row["request"]
        what = f"request {number}"
        for column, expected in (
            ("start_s", self._started_s.get(number)),
            ("first_token_s", self._first_s.get(number)),
            ("finish_s", self._since_s[number] if row["generated"] == row["output"] else None),
        ):
            checks.that(row[column] == expected, "clock", f"{column} of {what}", expected, row[column])
        times = [row[column] for column in _MOMENTS if row[column] is not None]
        checks.that(times == sorted(times), "clock", f"moments of {what}", "one after another", times)

    def _token(self, row: Row) -> None:
        checks, now_s, number = self._checks, self._checks.now_s, row["request"]
        what = f"token {row['token']} of request {number}"
        start_s, waited_s = self._since_s[number], self._state.waited_s[number]
        generated = self._state.generated[number]
        which = f"number of a token of request {number}"
        checks.that(row["token"] == generated, "clock", which, generated, row["token"])
        checks.that(row["start_s"] == start_s, "clock", f"start of {what}", start_s, row["start_s"])
        checks.equal("clock", f"latency of {what}", now_s - start_s, row["latency_s"])
        checks.that(row["latency_s"] > 0.0, "clock", f"latency of {what}", "above 0", row["latency_s"])
        parts = [row[part] for part in (*CHAIN, *_PAUSES)]
        slack = tolerance_s(now_s) * self._spans[number]
        checks.that(min(parts) >= -slack, "clock", f"parts of {what}", "none below 0", parts)
        checks.equal("clock", f"sum of the parts of {what}", row["latency_s"], sum(parts), slack)
        enough = row["wait_s"] >= waited_s - slack
        checks.that(enough, "clock", f"wait of {what}", f"from {waited_s}", row["wait_s"])
        for part, pause_s in self._paused_s[number].items():
            checks.equal("clock", f"{part} of {what}", pause_s, row[part], slack)
        self._since_s[number] = now_s
        self._first_s.setdefault(number, now_s)
        self._paused_s[number] = dict.fromkeys(_PAUSES, 0.0)
        self._spans[number] = 1

"""Laws of time: it never goes back, spans end when they are told, and the parts of a token sum to it."""

from itertools import pairwise

from simcore.audit.checks import Checks, grain
from simcore.audit.news import News, Row
from simcore.instrument import Asked, Attempt, Compute, Message, Move, Standing
from simcore.scenario import Scenario

_CHAIN = ("compute_s", "disk_s", "transfer_s", "wait_s")
_STILL = ("migration_s", "decision_s", "fault_s")


class ClockLaws:
    """What must hold of times."""

    def __init__(self, scenario: Scenario, checks: Checks) -> None:
        self._scenario = scenario
        self._checks = checks
        self._ended_s = self._done_s = self._first_s = 0.0
        self._still = dict.fromkeys(_STILL, 0.0)
        self._spans = 1

    def advance(self, now_s: float) -> None:
        """An event has happened."""
        self._checks.that(
            now_s >= self._checks.now_s, "clock", "time of an event", f"from {self._checks.now_s!r} on", now_s
        )

    def tell(self, news: News) -> None:
        """Something has happened."""
        match news:
            case Attempt():
                self._times("an attempt", news.begun_s)
            case Compute():
                self._times(
                    "a computation", news.submitted_s, news.start_s, news.start_s + news.disk_s, news.end_s
                )
            case Message():
                self._times("a message", news.sent_s, news.flow_s, news.arrived_s)
            case Move():
                self._times("a move", news.start_s, news.end_s)
            case Asked():
                self._times("a decision", news.asked_s, news.answered_s)
                self._stood("decision_s", news.answered_s - news.asked_s)
            case Standing():
                self._times("a standstill", news.start_s, news.end_s)
                self._stood(f"{news.cause}_s", news.end_s - news.start_s)
            case Row(table="tokens"):
                self._token(news)
            case Row(table="requests"):
                self._request(news)

    def _times(self, what: str, *times_s: float) -> None:
        """Moments of a span that is told now come one after another, and the last is now."""
        now_s = self._checks.now_s
        ordered = all(a <= b + grain(b) for a, b in pairwise(times_s))
        self._checks.that(ordered, "clock", f"moments of {what}", "one after another", times_s)
        self._checks.that(times_s[-1] == now_s, "clock", f"end of {what}, told now", now_s, times_s[-1])

    def _stood(self, part: str, duration_s: float) -> None:
        self._still[part] += duration_s
        self._spans += 1

    def _request(self, row: Row) -> None:
        """A request is begun when it has arrived and the one before it is done, and ends with its last token."""
        checks, what = self._checks, f"request {row['request']}"
        turn_s = max(row["arrival_s"], self._done_s)
        checks.equal("clock", f"start of {what}", turn_s, row["start_s"], grain(turn_s))
        first_s = row["first_token_s"]
        if first_s is not None:
            checks.that(first_s == self._first_s, "clock", f"first token of {what}", self._first_s, first_s)
        times = [
            time_s for time_s in (row["start_s"], row["first_token_s"], row["finish_s"]) if time_s is not None
        ]
        checks.that(times == sorted(times), "clock", f"moments of {what}", "one after another", times)
        if row["finish_s"] is not None:
            checks.that(
                row["finish_s"] == self._ended_s, "clock", f"end of {what}", self._ended_s, row["finish_s"]
            )
            self._done_s = row["finish_s"]

    def _token(self, row: Row) -> None:
        checks, now_s = self._checks, self._checks.now_s
        what = f"token {row['token']} of request {row['request']}"
        request = self._scenario.requests[row["request"]]
        start_s = self._ended_s if row["token"] else request.arrival_s
        waited_s = 0.0 if row["token"] else max(0.0, self._ended_s - start_s)
        checks.that(row["start_s"] == start_s, "clock", f"start of {what}", start_s, row["start_s"])
        checks.equal("clock", f"latency of {what}", now_s - start_s, row["latency_s"])
        checks.that(row["latency_s"] > 0.0, "clock", f"latency of {what}", "above 0", row["latency_s"])
        parts = [row[part] for part in (*_CHAIN, *_STILL)]
        slack = grain(now_s) * self._spans
        checks.that(min(parts) >= -slack, "clock", f"parts of {what}", "none below 0", parts)
        checks.equal("clock", f"sum of the parts of {what}", row["latency_s"], sum(parts), slack)
        checks.that(
            row["wait_s"] >= waited_s - slack, "clock", f"wait of {what}", f"from {waited_s}", row["wait_s"]
        )
        for part, stood_s in self._still.items():
            checks.equal("clock", f"{part} of {what}", stood_s, row[part], slack)
        self._ended_s = now_s
        if row["token"] == 0:
            self._first_s = now_s
        self._still = dict.fromkeys(_STILL, 0.0)
        self._spans = 1

"""Laws of serving: the members of batches; no sequence is lost, served twice, or served out of order."""

from headway.simcore.audit.checks import Checks, tolerance_s
from headway.simcore.audit.records import Record
from headway.simcore.audit.reference_state import ReferenceState
from headway.simcore.instrument import Formed
from headway.simcore.registry import name_of
from headway.simcore.scenario import Scenario
from headway.simcore.world.batch import SequenceStep


class ServingLaws:
    """The laws of batches; for `fcfs` also which sequence each holds."""

    def __init__(self, scenario: Scenario, state: ReferenceState, checks: Checks) -> None:
        self._requests = scenario.requests
        self._fcfs = name_of(scenario.scheduler) == "fcfs"
        self._state = state
        self._checks = checks

    def check(self, record: Record) -> None:
        """Check a span or row."""
        if isinstance(record, Formed):
            for one in record.batch:
                self._sequence(one, record.time_s)
            members = [one.request for one in record.batch]
            missing = sorted(number for number in self._state.cached if number not in members)
            self._checks.that(not missing, "order", "sequences with a cache in a batch", missing, "absent")
            once = len(set(members)) == len(members)
            self._checks.that(once, "order", "sequences of a batch", "each once", members)
            if self._fcfs:
                self._first_come(record)

    def _sequence(self, one: SequenceStep, time_s: float) -> None:
        """A sequence in a batch has arrived, is not finished, and its cache is that of its earlier steps."""
        state, checks, request = self._state, self._checks, self._requests[one.request]
        what = f"request {one.request} in a batch"
        arrived = request.arrival_s <= time_s + tolerance_s(time_s)
        checks.that(arrived, "order", what, "arrived", request.arrival_s)
        due = state.generated[one.request], request.prompt, state.cached.get(one.request, 0)
        checks.that(due == one[1:4], "order", f"{what}: token, prompt, cached", due, one[1:4])
        more = one.token < request.output
        checks.that(more, "order", what, f"at most {request.output} tokens", one.token)
        most = request.prompt + one.token - one.cached
        checks.that(0 <= one.tokens <= most, "order", f"tokens of {what}", f"at most {most}", one.tokens)

    def _first_come(self, record: Formed) -> None:
        """The only sequence is the earliest unfinished one, and it does not wait."""
        generated = self._state.generated
        unfinished = [n for n, request in enumerate(self._requests) if generated[n] < request.output]
        first = min(unfinished, key=lambda number: self._requests[number].arrival_s)
        (one, *others) = record.batch
        self._checks.that(one.request == first and not others, "order", "batch", first, record.batch)
        if one.token == 0:
            before_s = (self._state.served_s[number] for number in generated if generated[number])
            due_s = max(self._requests[first].arrival_s, max(before_s, default=0.0))
            self._checks.equal("clock", f"start of request {first}", due_s, record.time_s, tolerance_s(due_s))

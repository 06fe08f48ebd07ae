"""The auditor: receives spans and rows of a run, reads the engine after every event, and checks every law."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import simpy

from headway.simcore.audit.checks import Checks
from headway.simcore.audit.clock import ClockLaws
from headway.simcore.audit.fairness import FairnessLaws
from headway.simcore.audit.moves import MoveLaws
from headway.simcore.audit.order import OrderLaws
from headway.simcore.audit.place import PlaceLaws
from headway.simcore.audit.records import Record, ReportingRecorder
from headway.simcore.audit.reference_state import ReferenceState
from headway.simcore.audit.serving import ServingLaws
from headway.simcore.audit.traffic import TrafficLaws
from headway.simcore.audit.work import WorkLaws
from headway.simcore.engine.network.network import Network
from headway.simcore.engine.placement.deployment import Deployment
from headway.simcore.engine.placement.migration import Mover
from headway.simcore.instrument import Attempt, Instrument, Move, Spans, Together
from headway.simcore.recorder import Recorder
from headway.simcore.scenario import Scenario

_AFTER_PLACING = (Attempt, Move)
"""Events that occur only after the first placement."""


@dataclass(frozen=True)
class Audit:
    """How thoroughly a run was audited.

    Attributes:
        events: number of events after which all laws were checked.
        checks: number of checks.
    """

    events: int
    checks: int


class Auditor:
    """Checks one run. Give the run its `recorder` and its `instrument`, and let it `watch` the engine.

    Spans and rows are collected during an event and checked after it, so that no exception interrupts an event.

    Args:
        scenario: of the run.
        instrument: of the caller; it receives every call as well.

    Attributes:
        instrument: of the run.
    """

    def __init__(self, scenario: Scenario, instrument: Instrument) -> None:
        self._scenario = scenario
        self._records: list[Record] = []
        self.instrument = Together(Spans(self._records.append), instrument)
        self._checks = Checks()
        self._events = 0
        self._state = ReferenceState(scenario)
        self._clock = ClockLaws(scenario, self._state, self._checks)
        self._place = PlaceLaws(scenario, self._state, self._checks)
        self._traffic = TrafficLaws(scenario, self._state, self._checks)
        self._moves = MoveLaws(scenario, self._state, self._checks)
        self._record_checks: list[Callable[[Record], None]] = [
            self._clock.check,
            ServingLaws(scenario, self._state, self._checks).check,
            self._place.check,
            WorkLaws(scenario, self._state, self._checks).check,
            self._traffic.check,
            OrderLaws(scenario, self._state, self._checks).check,
            self._moves.check,
        ]

    def recorder(self, run: str, out: str | os.PathLike[str] | None = None) -> Recorder:
        """The recorder of the run, as `Recorder`; the auditor receives every row."""
        return ReportingRecorder(run, self._records.append, out)

    def watch(self, env: simpy.Environment, deployment: Deployment, mover: Mover, network: Network) -> None:
        """Check the engine after every event from now on, by the method that SimPy documents for monitoring."""
        self._deployment, self._mover, self._network = deployment, mover, network
        self._fairness = FairnessLaws(self._scenario, network, self._checks)
        self._record_checks.append(self._fairness.check)
        env.step = partial(self._step, env, env.step)  # type: ignore[method-assign]

    def end(self, now_s: float) -> Audit:
        """The run has ended, possibly during an event.

        Raises:
            AuditError: a law is broken.
        """
        self._moves.ending = True
        self._check_event(now_s)
        self._place.count(self._deployment)
        self._traffic.end(self._network.carried)
        return Audit(self._events, self._checks.count)

    def _step(self, env: simpy.Environment, step: Callable[[], None]) -> None:
        step()
        self._events += 1
        self._check_event(env.now)
        self._place.begin(self._deployment)
        self._place.settle(self._deployment)
        self._traffic.settle(self._network.carried)
        self._fairness.settle(env.peek())

    def _check_event(self, now_s: float) -> None:
        """Let every law check the spans and rows of an event."""
        self._clock.advance(now_s)
        self._checks.now_s = now_s
        self._fairness.advance(now_s)
        state = self._state
        state.copy_beside(self._mover.under_way)
        for record in self._records:
            if isinstance(record, _AFTER_PLACING):
                self._place.begin(self._deployment)
            if isinstance(record, Attempt):
                state.apply(record, now_s)
            for check in self._record_checks:
                check(record)
            if not isinstance(record, Attempt):
                state.apply(record, now_s)
        self._records.clear()

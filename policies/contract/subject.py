"""The policy under examination, and what it decision_validation."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from headway.policies.contract.question import Question, shown
from headway.policies.contract.views import thawed
from headway.simcore import Decision, Infeasible, IntArray, Keep, Observation, Placement, Policy
from headway.simcore.engine.placement import decision_validation
from headway.simcore.engine.placement.policy_timeout import Deadline, OverdueError
from headway.traces.errors import told as error_told

Factory: TypeAlias = Callable[[], Policy]
"""Makes a fresh policy, such as a class without required parameters."""


MOST_WAIT_S = 60.0
"""Wall time after which a decision is waited for no longer."""


_PATIENCE = 5.0
"""How much longer one is waited for that had less than such a share of the processor."""


class NotAskedError(Exception):
    """The policy is not asked any more: it has once not answered in time."""


class Subject:
    """Asks fresh policies, and remembers what the first two answered to each question.

    Attributes:
        overdue: what a policy saw when it gave no answer in time; none is asked again thereafter.
        spent_s: processor time of the last decision.
    """

    def __init__(self, factory: Factory, wait_s: float = MOST_WAIT_S) -> None:
        self._factory = factory
        self._wait_s = wait_s
        self._deadline = Deadline(wait_s)
        self.overdue: Observation | None = None
        self.spent_s = 0.0
        self._said: dict[Question, object] = {}
        self._second: dict[Question, Decision | None] = {}

    def factory(self) -> Policy:
        """A fresh policy that raises `OverdueError` where it does not decide, and `NotAskedError` ever after."""
        return _Limited(self._factory(), self)

    def ask(self, policy: Policy, seen: Observation) -> Decision:
        """What a policy decides.

        Raises:
            OverdueError: nothing.
            NotAskedError: it has come to that before.
        """
        if self.overdue is not None:
            raise NotAskedError
        try:
            return self._decided(policy, seen, self._deadline)
        except OverdueError as overdue:
            if overdue.spent_s > self._wait_s / _PATIENCE:
                self.overdue = seen
                raise
        # It has hardly been computing: it sleeps, or the machine has much else to do.
        try:
            return self._decided(policy, seen, Deadline(self._wait_s * _PATIENCE))
        except OverdueError:
            self.overdue = seen
            raise

    def _decided(self, policy: Policy, seen: Observation, limit: Deadline) -> Decision:
        def decide() -> Decision:
            begun_s = time.thread_time()  # of the thread in which the limit has calls made
            try:
                return policy.decide(seen)
            finally:
                self.spent_s = time.thread_time() - begun_s

        # Let the policy change how NumPy treats overflows, without an effect outside.
        with np.errstate():
            return limit.call(decide)

    def reply(self, seen: Observation) -> object:
        """What a fresh policy returns, or the exception that it raises, of whatever class."""
        try:
            return _as_it_is_now(self.factory().decide(seen))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            return error

    def said(self, question: Question) -> object:
        """What the first policy asked returned, or the exception that it raised."""
        if question not in self._said:
            self._said[question] = self._ask(shown(question))
        return self._said[question]

    def answer(self, question: Question) -> Decision | None:
        """The same where it is a decision; None otherwise, which is for two laws of their own to tell."""
        return _decision(shown(question), self.said(question))

    def second(self, question: Question) -> Decision | None:
        """The decision of another fresh policy."""
        if question not in self._second:
            self._second[question] = self.usable(shown(question))
        return self._second[question]

    def settled(self, question: Question) -> Decision | None:
        """As `answer`; None also when the second policy decides otherwise, which is for one law only to tell."""
        first, second = self.answer(question), self.second(question)
        if first is None or second is None:
            return None
        return first if same(shown(question), first, second) else None

    def usable(self, seen: Observation) -> Decision | None:
        """The decision of a fresh policy about any observation; None when it gives none."""
        return _decision(seen, self._ask(seen))

    def _ask(self, seen: Observation) -> object:
        """The reply to a copy, so that whoever writes to it spoils nothing else."""
        return self.reply(thawed(seen))


@dataclass(frozen=True, eq=False)
class _Limited:
    """A policy that is not waited for longer than its subject allows."""

    policy: Policy
    subject: Subject

    @property
    def name(self) -> str:
        return self.policy.name

    def decide(self, seen: Observation) -> Decision:
        return self.subject.ask(self.policy, seen)


def _as_it_is_now(said: object) -> object:
    """The answer, whatever the policy does to its array later."""
    if not isinstance(said, Placement):
        return said
    try:
        return Placement(np.array(said.devices))
    except Exception:  # `malformed` reports it
        return said


def _decision(seen: Observation, said: object) -> Decision | None:
    return said if isinstance(said, Placement | Keep | Infeasible) and not malformed(seen, said) else None


def malformed(seen: Observation, said: object) -> str:
    """Why an answer is not a decision that can be judged; empty when it is one."""
    if isinstance(said, BaseException):
        return _raised(said)
    if isinstance(said, Placement):
        return _misplaced(seen, said.devices)
    if isinstance(said, Keep):
        return "" if seen.placement is not None else "keeps a placement before there is one"
    if isinstance(said, Infeasible):
        return ""
    what = "None" if said is None else f"an object of the class {type(said).__name__}"
    return f"answers {what}; a decision is a Placement, Keep or Infeasible"


def _raised(error: BaseException) -> str:
    """What a policy raised, and where in its code."""
    if isinstance(error, OverdueError):
        place = decision_validation.place(error, _OURS)
        return f"gives {error}" + (place and f", stopped at {place}")
    place = decision_validation.place(error, _OURS)
    return f"raises {error_told(error)}" + (place and f", at {place}")


def _misplaced(seen: Observation, given: object) -> str:
    try:
        devices = np.asarray(given)
    except Exception as error:
        return f"gives devices that are no array: {error_told(error)}"
    count = len(seen.blocks)
    if devices.shape != (count,):
        return f"gives devices of shape {devices.shape}; for {count} blocks it is ({count},)"
    if devices.dtype.kind not in "iu":  # to numpy, times are whole numbers as well
        return f"gives devices of type {devices.dtype}, not whole numbers"
    strange = devices[(devices < 0) | (devices >= seen.devices)]
    return f"places a block on device {strange[0]}; there are 0 to {seen.devices - 1}" if len(strange) else ""


def devices_of(seen: Observation, decision: Decision) -> IntArray | None:
    """Where the blocks are to be, shape (B,); None when the decision is `Infeasible`."""
    if isinstance(decision, Infeasible):
        return None
    return seen.placement if isinstance(decision, Keep) else np.asarray(decision.devices)


def same(seen: Observation, one: Decision, other: Decision) -> bool:
    """Whether two decisions come to the same."""
    first, second = devices_of(seen, one), devices_of(seen, other)
    if first is None or second is None:
        return first is second
    return bool(np.array_equal(first, second))


def told(seen: Observation, decision: Decision) -> str:
    """A decision in words: runs of blocks with their device."""
    devices = devices_of(seen, decision)
    if devices is None:
        return str(decision)
    by_device = {
        name: [block for block, j in zip(seen.blocks.names, devices, strict=True) if j == i]
        for i, name in enumerate(seen.device_names)
    }
    parts = [f"{' '.join(blocks)} on {name}" for name, blocks in by_device.items() if blocks]
    return ("keep: " if isinstance(decision, Keep) else "") + ", ".join(parts)


def settled_in(seen: Observation, devices: IntArray) -> Observation:
    """The same observation with the placement `devices` in force, shape (B,), and no block lost."""
    return replace(seen, placement=devices, lost=np.zeros(len(seen.blocks), dtype=np.bool_))


_OURS = frozenset((__file__,))
"""Files that call a policy."""

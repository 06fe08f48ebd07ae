"""The policy under test: calls it with observations and caches its decisions."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from headway.policies.contract.question import Question, observation_of
from headway.policies.contract.views import writable_copy
from headway.simcore import Decision, Infeasible, IntArray, Keep, Observation, Placement, Policy
from headway.simcore.engine.placement import decision_validation
from headway.simcore.engine.placement.policy_timeout import Deadline, OverdueError
from headway.simcore.observe import is_fixed
from headway.traces.errors import error_text

Factory: TypeAlias = Callable[[], Policy]
"""Makes a new policy, such as a class without required parameters."""

MOST_WAIT_S = 60.0
"""Wall time limit of a decision [s]."""

_PATIENCE = 5.0
"""Factor on the limit for a policy that used less than 1 / `_PATIENCE` of the processor."""


class NotAskedError(Exception):
    """The policy is not called, because an earlier call exceeded its time limit."""


class Subject:
    """Calls new instances of a policy, and caches the decisions of the first two for each question.

    Attributes:
        overdue: observation of the call that exceeded the time limit; after that, the policy is not called again.
        spent_s: processor time of the last decision.
    """

    def __init__(self, factory: Factory, wait_s: float = MOST_WAIT_S) -> None:
        self._factory = factory
        self._wait_s = wait_s
        self._deadline = Deadline(wait_s)
        self.overdue: Observation | None = None
        self.spent_s = 0.0
        self._first_replies: dict[Question, object] = {}
        self._second_decisions: dict[Question, Decision | None] = {}

    def factory(self) -> Policy:
        """A new policy whose calls have a time limit (`ask`)."""
        return _TimeLimitedPolicy(self._factory(), self)

    def ask(self, policy: Policy, observation: Observation) -> Decision:
        """The decision of a policy.

        Raises:
            OverdueError: the call exceeds the time limit.
            NotAskedError: an earlier call exceeded it.
        """
        if self.overdue is not None:
            raise NotAskedError
        try:
            return self._decide(policy, observation, self._deadline)
        except OverdueError as overdue:
            if overdue.spent_s > self._wait_s / _PATIENCE:
                self.overdue = observation
                raise
        # The policy used little processor time: it sleeps, or the machine is busy. Call it again with a longer limit.
        try:
            return self._decide(policy, observation, Deadline(self._wait_s * _PATIENCE))
        except OverdueError:
            self.overdue = observation
            raise

    def _decide(self, policy: Policy, observation: Observation, limit: Deadline) -> Decision:
        def decide() -> Decision:
            start_s = time.thread_time()  # of the thread in which the limit makes calls
            try:
                return policy.decide(observation)
            finally:
                self.spent_s = time.thread_time() - start_s

        # A policy may change NumPy's error handling; restore it afterwards.
        with np.errstate():
            return limit.call(decide)

    def reply(self, observation: Observation) -> object:
        """The return value of a new policy, or the exception that it raises, of any class."""
        try:
            return _snapshot(self.factory().decide(observation))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            return error

    def first_reply(self, question: Question) -> object:
        """The reply of the first new policy to a question."""
        if question not in self._first_replies:
            self._first_replies[question] = self._reply_to_copy(observation_of(question))
        return self._first_replies[question]

    def first_decision(self, question: Question) -> Decision | None:
        """The first reply if it is a valid decision, otherwise None: only two laws report invalid replies."""
        return _valid(observation_of(question), self.first_reply(question))

    def second_decision(self, question: Question) -> Decision | None:
        """The decision of a second new policy; None if it is invalid."""
        if question not in self._second_decisions:
            self._second_decisions[question] = self.decision(observation_of(question))
        return self._second_decisions[question]

    def repeatable_decision(self, question: Question) -> Decision | None:
        """The first decision if the second equals it, otherwise None: only one law reports such differences."""
        first, second = self.first_decision(question), self.second_decision(question)
        if first is None or second is None:
            return None
        return first if same_placement(observation_of(question), first, second) else None

    def decision(self, observation: Observation) -> Decision | None:
        """The decision of a new policy for any observation; None if it is invalid."""
        return _valid(observation, self._reply_to_copy(observation))

    def _reply_to_copy(self, observation: Observation) -> object:
        """The reply to a copy, so that a policy that writes to it does not affect other calls."""
        return self.reply(writable_copy(observation))


@dataclass(frozen=True, eq=False)
class _TimeLimitedPolicy:
    """A policy whose calls go through `Subject.ask`."""

    policy: Policy
    subject: Subject

    @property
    def name(self) -> str:
        return self.policy.name

    @property
    def fixed(self) -> bool:
        return is_fixed(self.policy)

    def decide(self, observation: Observation) -> Decision:
        return self.subject.ask(self.policy, observation)


def _snapshot(reply: object) -> object:
    """The reply with a copy of its array, which the policy may change later."""
    if not isinstance(reply, Placement):
        return reply
    try:
        return Placement(np.array(reply.devices), reply.copies)
    except Exception:  # `malformation` reports it
        return reply


def _valid(observation: Observation, reply: object) -> Decision | None:
    if isinstance(reply, Placement | Keep | Infeasible) and not malformation(observation, reply):
        return reply
    return None


def malformation(observation: Observation, reply: object) -> str:
    """Why a reply is not a valid decision; empty if it is valid."""
    if isinstance(reply, BaseException):
        return _exception_text(reply)
    if isinstance(reply, Placement):
        return _placement_error(observation, reply.devices) or _copies_error(observation, reply.copies)
    if isinstance(reply, Keep):
        return "" if observation.placement is not None else "keeps a placement before there is one"
    if isinstance(reply, Infeasible):
        return ""
    name = "None" if reply is None else f"an object of the class {type(reply).__name__}"
    return f"returns {name}; a decision is a Placement, Keep or Infeasible"


def _exception_text(error: BaseException) -> str:
    """The exception of a policy, and the line of its code."""
    place = decision_validation.place(error, _OWN_FILES)
    if isinstance(error, OverdueError):
        return f"gives {error}" + (place and f", stopped at {place}")
    return f"raises {error_text(error)}" + (place and f", at {place}")


def _placement_error(observation: Observation, value: object) -> str:
    try:
        devices = np.asarray(value)
    except Exception as error:
        return f"returns devices that are not an array: {error_text(error)}"
    count = len(observation.blocks)
    if devices.shape != (count,):
        return f"returns devices of shape {devices.shape}; {count} blocks need shape ({count},)"
    if devices.dtype.kind not in "iu":  # NumPy also counts time differences as integers
        return f"returns devices of type {devices.dtype}, not integers"
    invalid = devices[(devices < 0) | (devices >= observation.devices)]
    if len(invalid):
        return f"places a block on device {invalid[0]}; devices are 0 to {observation.devices - 1}"
    return ""


def _copies_error(observation: Observation, copies: object) -> str:
    shape = (len(observation.blocks), observation.devices)
    valid = isinstance(copies, np.ndarray) and copies.dtype == np.bool_ and copies.shape == shape
    return "" if copies is None or valid else f"returns copies that are not an array of {shape} truth values"


def devices_of(observation: Observation, decision: Decision | None) -> IntArray | None:
    """The placement after a decision, shape (B,); None after `Infeasible`, or without a decision."""
    if decision is None or isinstance(decision, Infeasible):
        return None
    return observation.placement if isinstance(decision, Keep) else np.asarray(decision.devices)


def same_placement(observation: Observation, one: Decision, other: Decision) -> bool:
    """Whether two decisions lead to the same placement."""
    first, second = devices_of(observation, one), devices_of(observation, other)
    if first is None or second is None:
        return first is second
    return bool(np.array_equal(first, second))


def text_of(observation: Observation, decision: Decision) -> str:
    """A decision in words: the blocks of each device."""
    devices = devices_of(observation, decision)
    if devices is None:
        return str(decision)
    by_device = {
        name: [block for block, j in zip(observation.blocks.names, devices, strict=True) if j == i]
        for i, name in enumerate(observation.device_names)
    }
    parts = [f"{' '.join(blocks)} on {name}" for name, blocks in by_device.items() if blocks]
    return ("keep: " if isinstance(decision, Keep) else "") + ", ".join(parts)


def with_placement(observation: Observation, devices: IntArray) -> Observation:
    """The same observation with the current placement `devices`, shape (B,), no lost blocks and no copies."""
    lost, copies = np.zeros(len(observation.blocks), dtype=np.bool_), np.zeros_like(observation.copies)
    return replace(observation, placement=devices, lost=lost, copies=copies)


_OWN_FILES = frozenset((__file__,))
"""Files that call a policy; tracebacks in messages skip them."""

"""A question to a policy: a world, and the placement in force when it is asked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from headway.simcore import (
    Decision,
    IntArray,
    Keep,
    Observation,
    Placement,
    Policy,
    PolicyError,
    Scenario,
    simulate,
)


class Scripted:
    """A policy that gives out prepared placements one after another, then keeps the last.

    Attributes:
        seen: what it was shown, in order.
    """

    name = "scripted"

    def __init__(self, *placements: IntArray) -> None:
        self._left = list(placements)
        self.seen: list[Observation] = []

    def decide(self, seen: Observation) -> Decision:
        """The next of the placements."""
        self.seen.append(seen)
        return Placement(self._left.pop(0)) if self._left else Keep()


class _ShownError(Exception):
    """The run has come to the question; what would follow is of no interest."""


class _Spy(Scripted):
    """Gives out its placements, and ends the run when it is asked once more."""

    def decide(self, seen: Observation) -> Decision:
        decision = super().decide(seen)
        if isinstance(decision, Keep):
            raise _ShownError
        return decision


class AskedWith:
    """A policy that is asked with a placement in force: its first decision is that one, all others are its own.

    Args:
        policy: decides.
        in_force: device of each block.
    """

    def __init__(self, policy: Policy, in_force: Sequence[int]) -> None:
        self.name = policy.name
        self._policy = policy
        self._first: Decision | None = Placement(np.array(in_force, dtype=np.int64))

    def decide(self, seen: Observation) -> Decision:
        """The placement in force, and from then on what the policy decides."""
        first, self._first = self._first, None
        return self._policy.decide(seen) if first is None else first


@dataclass(frozen=True, eq=False)
class Question:
    """What a policy is asked: to place the blocks of a scenario for the first time, or anew.

    Attributes:
        scenario: the world, and the requests.
        in_force: device of each block, shape (B,): the first decision of the run, after which the policy is asked; None
            when it is asked for the first decision itself.
    """

    scenario: Scenario
    in_force: IntArray | None = None

    @cached_property
    def seen(self) -> Observation | None:
        """What the policy sees; None where the run does not come that far.

        Where there are disks the run swaps until then, so that no placement in force is too large to be shown.
        """
        swaps = all(device.disk_bandwidth > 0.0 for device in self.scenario.cluster.devices)
        memory = replace(self.scenario.memory, overflow="swap") if swaps else self.scenario.memory
        spy = _Spy(*(() if self.in_force is None else (self.in_force,)))
        try:
            simulate(replace(self.scenario, memory=memory), spy)
        except PolicyError as end:
            if not isinstance(end.__cause__, _ShownError):
                raise
            return replace(spy.seen[-1], overflow=self.scenario.memory.overflow)
        return None

    @property
    def size(self) -> int:
        """Blocks and devices, as a measure of how much there is to read."""
        return len(self.scenario.block_table) + len(self.scenario.cluster.devices)

    def __str__(self) -> str:
        if self.in_force is None:
            return "asked before the first token"
        names = self.scenario.cluster.names
        where = zip(self.scenario.block_table.names, self.in_force.tolist(), strict=True)
        return "asked with " + ", ".join(f"{block} on {names[device]}" for block, device in where)


def shown(question: Question) -> Observation:
    """What the policy sees in a question that the run comes to.

    Raises:
        ValueError: it does not come that far.
    """
    if question.seen is None:
        raise ValueError("the run ends before the policy is asked")
    return question.seen

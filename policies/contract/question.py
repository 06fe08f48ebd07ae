"""A question to a policy: a scenario, and the placement before the decision."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from headway.simcore import (
    Decision,
    IntArray,
    Observation,
    Placement,
    Policy,
    PolicyError,
    Scenario,
    simulate,
)


class _ReachedError(Exception):
    """The run has reached the question, with this observation."""

    def __init__(self, observation: Observation) -> None:
        super().__init__()
        self.observation = observation


class _Stop:
    """A policy that ends the run at the question."""

    name = "stop"

    def decide(self, observation: Observation) -> Decision:
        raise _ReachedError(observation)


class StartingFrom:
    """A policy whose first decision is a given placement; another policy makes all later decisions.

    Args:
        policy: makes all decisions after the first.
        in_force: device of each block in the first decision.
        copies: pairs of a block and a device for which the first decision asks for warm copies.
    """

    def __init__(
        self, policy: Policy, in_force: Sequence[int], copies: Sequence[tuple[int, int]] = ()
    ) -> None:
        self.name = policy.name
        self._policy = policy
        self._in_force: IntArray | None = np.array(in_force, dtype=np.int64)
        self._copies = copies

    def decide(self, observation: Observation) -> Decision:
        """The given placement at the first call, then the decisions of the policy."""
        in_force, self._in_force = self._in_force, None
        if in_force is None:
            return self._policy.decide(observation)
        copies = np.zeros((len(in_force), observation.devices), dtype=np.bool_)
        for block, device in self._copies:
            copies[block, device] = True
        return Placement(in_force, copies)


@dataclass(frozen=True, eq=False)
class Question:
    """A decision that a policy has to make in a scenario.

    Attributes:
        scenario: the world and the requests.
        in_force: current placement, shape (B,): it is the first decision of the run, and the policy makes the second.
            None: the policy makes the first decision.
        copies: pairs of a block and a device for which the current placement asks for warm copies.
    """

    scenario: Scenario
    in_force: IntArray | None = None
    copies: tuple[tuple[int, int], ...] = ()

    @cached_property
    def observation(self) -> Observation | None:
        """The observation at the decision; None if the run ends before it.

        If all devices have disks, the run swaps until then. Otherwise a current placement that is too large would end
        it.
        """
        swaps = all(device.disk_bandwidth > 0.0 for device in self.scenario.cluster.devices)
        memory = replace(self.scenario.memory, overflow="swap") if swaps else self.scenario.memory
        policy: Policy = _Stop()
        if self.in_force is not None:
            policy = StartingFrom(policy, self.in_force.tolist(), self.copies)
        try:
            simulate(replace(self.scenario, memory=memory), policy)
        except PolicyError as error:
            if not isinstance(error.__cause__, _ReachedError):
                raise
            return replace(error.__cause__.observation, overflow=self.scenario.memory.overflow)
        return None

    @property
    def size(self) -> int:
        """Number of blocks plus devices, a measure of how easy an example is to read."""
        return len(self.scenario.block_table) + len(self.scenario.cluster.devices)

    def __str__(self) -> str:
        if self.in_force is None:
            return "before the first token"
        blocks, names = self.scenario.block_table.names, self.scenario.cluster.names

        def text(pairs: Iterable[tuple[int, int]]) -> str:
            return ", ".join(f"{blocks[block]} on {names[device]}" for block, device in pairs)

        placed, copies = text(enumerate(self.in_force.tolist())), text(self.copies)
        return f"with the current placement {placed}" + (copies and f", and with warm copies of {copies}")


def observation_of(question: Question) -> Observation:
    """The observation at the decision.

    Raises:
        ValueError: the run ends before it.
    """
    if question.observation is None:
        raise ValueError("the run ends before the decision")
    return question.observation

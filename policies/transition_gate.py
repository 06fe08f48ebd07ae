"""A gate before another policy: that policy proposes placements, and the gate decides when to move to them.

At every decision the wrapped policy proposes a placement. The gate follows a proposal, or keeps the placement in force.
It always follows when there is no placement yet, blocks are lost, or the placement in force cannot stay. A proposal
that moves nothing, `Keep` and `Infeasible` pass through. The arms differ in all other decisions:

- `never` keeps the placement.
- `always` follows: the run is that of the wrapped policy.
- `hysteresis` follows when the proposal is predicted to be faster by more than `margin` at `patience` consecutive
  decisions. It ignores what the migration costs.
- `gate` follows when the gain over the horizon is larger than (1 + `margin`) times the price of the migration. The gain
  is D_T of the placement in force minus D_T of the proposal. The price is the predicted migration delay, because
  decoding waits. Under `live` migration it is lower, because decoding continues (`policies.search.transition`).
- `idle` follows when every sequence of the batch still waits for its first token. A migration then interrupts no
  answer, but it delays the first token of the request.

`never`, and `idle` in other moments, do not ask the wrapped policy while the placement can stay.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal, TypeAlias, get_args

import numpy as np

from headway.policies.search.transition import live_price
from headway.simcore import Decision, IntArray, Keep, Observation, Placement, Policy, predict

Arm: TypeAlias = Literal["never", "always", "hysteresis", "gate", "idle"]


@dataclass(frozen=True)
class TransitionGate:
    """Decides when to follow another policy: only if the gain over the horizon exceeds the price of the migration.

    Attributes:
        policy: the policy that proposes placements.
        arm: the rule: `never`, `always`, `hysteresis`, `gate` or `idle` (see the module).
        margin: for `gate`, the share by which the gain must exceed the price; for `hysteresis`, the share of the
            predicted delay per token that the proposal must save.
        patience: for `hysteresis`, the number of consecutive decisions.
    """

    name: ClassVar[str] = "transition-gate"

    policy: Policy
    arm: Arm = "gate"
    margin: float = 0.1
    patience: int = 2

    def __post_init__(self) -> None:
        if isinstance(self.policy, TransitionGate):
            raise ValueError("policy must not be another transition-gate")
        if self.arm not in get_args(Arm):
            raise ValueError(f"arm must be one of {', '.join(get_args(Arm))}, not {self.arm!r}")
        if not 0.0 <= self.margin < math.inf:
            raise ValueError(f"margin must be a finite number of at least 0, not {self.margin}")
        if self.patience < 1:
            raise ValueError(f"patience must be at least 1, not {self.patience}")

    @property
    def declares(self) -> Mapping[str, str]:
        """The laws that the wrapped policy declares to break."""
        return getattr(self.policy, "declares", {})

    @cached_property
    def _better_at(self) -> list[float]:
        """State of `hysteresis`: the times of the last consecutive decisions with a better proposal [s]."""
        return []

    def decide(self, observation: Observation) -> Decision:
        """The proposal of the wrapped policy, or `Keep`."""
        placement = observation.placement
        if placement is None or observation.lost.any() or not predict.can_stay(observation):
            self._better_at.clear()
            return self.policy.decide(observation)
        if self.arm == "never" or (self.arm == "idle" and not _idle(observation)):
            return Keep()
        proposal = self.policy.decide(observation)
        if self.arm in ("always", "idle"):
            return proposal
        if not isinstance(proposal, Placement) or np.array_equal(proposal.devices, placement):
            self._better_at.clear()
            return proposal
        return proposal if self._follows(observation, placement, np.asarray(proposal.devices)) else Keep()

    def _follows(self, observation: Observation, placement: IntArray, devices: IntArray) -> bool:
        """Whether `gate` or `hysteresis` moves from a placement to another one, shape (B,) each."""
        target = predict.reachable(observation, devices)
        stay_s, new_s = (predict.shared_delay(observation, one) for one in (placement, target))
        if self.arm == "hysteresis":
            better_at = [*self._better_at, observation.time_s] if new_s < (1.0 - self.margin) * stay_s else []
            follows = len(better_at) >= self.patience
            self._better_at[:] = [] if follows else better_at
            return follows
        if not new_s < stay_s:  # Both may be infinite, and then the gain is not a number.
            return False
        price_s = predict.migration_delay(observation, target)
        if observation.migration == "live":
            price_s = float(live_price(price_s, new_s, stay_s))
        return bool(stay_s - new_s > (1.0 + self.margin) * price_s)


def _idle(observation: Observation) -> bool:
    """Whether every sequence of the batch still waits for its first token."""
    return observation.generated == 0 and all(sequence.token == 0 for sequence in observation.batch)

"""The cost of placements: delay over the horizon, memory, and the transition from the placement in force."""

from dataclasses import dataclass

import numpy as np

from headway.policies.common.transfer_times import finite
from headway.policies.search.chain_times import ChainTimes
from headway.policies.search.stages import State
from headway.policies.search.transition import Transition
from headway.simcore import FloatArray, IntArray, Observation, predict


@dataclass(frozen=True, eq=False)
class Change:
    """A change of a placement.

    Attributes:
        cost_s: cost of the placement after the change [s].
        rows: blocks that move.
        device: their new device.
    """

    cost_s: float
    rows: IntArray
    device: int


class PlacementCost:
    """Costs of placements under one observation [s].

    A cost is the delay over the horizon, the time to read from disk what does not fit, and the price of the transition
    from the placement in force. Without a disk, each byte that does not fit costs more than any delay.

    Args:
        observation: the observation.
        most_pause_s: a pause for moves above this costs extra.
        before: the world in which blocks move, with the placement that they leave; by default the observation itself.
        compiled: whether compiled code computes times; otherwise array code does.

    Attributes:
        observation: the observation.
        before: the world in which blocks move.
        times: of the stages of a step.
        transition: the price of moves.
        usable: devices that are up, shape (n,).
        per_excess: cost of a byte beyond the memory of each device [s], shape (D,).
    """

    def __init__(
        self,
        observation: Observation,
        most_pause_s: float,
        before: Observation | None = None,
        compiled: bool = False,
    ) -> None:
        self.observation = observation
        self.before = observation if before is None else before
        self.times = ChainTimes(observation, compiled)
        self.transition = Transition(self.before, most_pause_s)
        self.usable = np.flatnonzero(observation.up)
        self._exact: dict[bytes, float] = {}
        self.per_excess = np.full(observation.devices, 1e9 / max(observation.memory_bytes.sum(), 1.0))
        if observation.overflow == "swap":
            with np.errstate(divide="ignore"):
                self.per_excess = finite(observation.tokens / observation.disk_bandwidth)

    def excess(self, over_bytes: FloatArray) -> FloatArray:
        """Cost of bytes beyond the memory of each device; negative numbers are free bytes, shape (..., D)."""
        seconds: FloatArray = np.where(over_bytes > 0.0, over_bytes, 0.0) * self.per_excess
        return seconds

    def total(
        self, delay_s: FloatArray | float, excess_s: FloatArray | float, loads: FloatArray
    ) -> FloatArray:
        """The cost from its parts; `loads` of moves as in `Transition`."""
        return delay_s + excess_s + self.transition.price(loads, delay_s)

    def of(self, devices: IntArray) -> float:
        """Cost of a placement, shape (B,), with the estimated delay of `ChainTimes`."""
        return self.of_state(self.times.state(devices))

    def of_state(self, state: State) -> float:
        """The same for the stages of a placement."""
        excess_s = float(self.excess(state.used - self.observation.available_bytes).sum())
        return float(self.total(state.delay_s, excess_s, self.transition.loads(state.devices)))

    def exact(self, devices: IntArray) -> float:
        """Cost of a placement, shape (B,), with the predicted delay and moves; infinite if it cannot be in force."""
        key = devices.tobytes()
        if key not in self._exact:
            self._exact[key] = self._exact_cost(devices)
        return self._exact[key]

    def _exact_cost(self, devices: IntArray) -> float:
        observation = self.observation
        in_force = self.before.placement is not None and np.array_equal(devices, self.before.placement)
        possible = observation.up[devices].all() and (in_force or predict.fits(observation, devices))
        delay_s = predict.shared_delay(observation, devices) if possible else np.inf
        if not np.isfinite(delay_s):
            return np.inf
        target = predict.reachable(self.before, devices)
        price = float(self.transition.price(np.array([predict.pause(self.before, target)]), delay_s))
        return delay_s + price + predict.recomputing_delay(self.before, target)

"""Triggers: events at which the policy is asked before its interval is over."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from headway.simcore import predict
from headway.simcore.arrays import BoolArray, FloatArray, IntArray
from headway.simcore.engine.network.network import shared_cluster
from headway.simcore.engine.placement.context import RunContext
from headway.simcore.observe import Observation, Step
from headway.simcore.world.batch import Batch, later

Trigger: TypeAlias = Literal[
    "interval", "fault", "overflow", "device-back", "slowdown", "misprediction", "pause-budget"
]
"""Why the policy is asked."""


@dataclass(frozen=True, eq=False)
class OverflowWatch:
    """The need for memory until the next decision, for D devices.

    It is the same before all steps until then: the sizes at the end of the last of them.

    Attributes:
        held_bytes: held by blocks on each device, shape (D,).
        activation_bytes: additional bytes on each device with blocks.
        runtime_bytes: memory of the inference engine on each device with blocks, shape (D,).
        full: whether each device lacked memory at the last check, shape (D,).
    """

    held_bytes: FloatArray
    activation_bytes: float
    runtime_bytes: FloatArray
    full: BoolArray

    def lacking(self, available_bytes: FloatArray) -> BoolArray:
        """Whether each device with blocks lacks memory if it has `available_bytes`, shape (D,)."""
        excess = self.held_bytes + self.activation_bytes - (available_bytes - self.runtime_bytes)
        return (self.held_bytes > 0.0) & (excess > predict.TOLERANCE_BYTES)

    @property
    def _needed_bytes(self) -> FloatArray:
        """Memory below which each device lacks some, shape (D,)."""
        needed = self.held_bytes + self.activation_bytes + self.runtime_bytes - predict.TOLERANCE_BYTES
        return np.where(self.held_bytes > 0.0, needed, 0.0)

    @property
    def least_bytes(self) -> FloatArray:
        """Memory with which no other device begins to lack some, shape (D,)."""
        return np.where(self.full, 0.0, self._needed_bytes)

    @property
    def most_bytes(self) -> FloatArray:
        """Memory with which no device has enough again, shape (D,); infinite for devices that have enough."""
        return np.where(self.full, self._needed_bytes, np.inf)


class Triggers:
    """Compares the world with that of the last decision.

    An event triggers once: the policy is asked again for the same reason only when something else has changed.
    """

    def __init__(self, run: RunContext) -> None:
        self._run = run
        self._options = run.scenario.controller.triggers
        self._cluster = shared_cluster(run.scenario.cluster, run.scenario.network.sharing)
        self._kind = run.scenario.block_table.kind
        self._full: BoolArray = np.zeros(len(self._cluster.devices), dtype=np.bool_)
        self._up: BoolArray = np.ones(len(self._cluster.devices), dtype=np.bool_)
        self._speeds: FloatArray = np.empty(0)
        self._expected_s: float | None = None
        self._mispredicted = False

    def decided(self, observation: Observation, target: IntArray | None, count: int) -> None:
        """Remember the world of a decision, and what it expects of the next `count` tokens."""
        self._mispredicted = False
        self._up = observation.up
        if target is None:
            return
        if self._options.overflow:
            self._full = self._lacking(self._watch(observation.batch, target, count))
        if self._options.slowdown is not None:
            self._speeds = self._speeds_of(target, observation.availability, observation.rate)
        if self._options.misprediction is not None:
            decode = observation.with_steps((Step(observation.steps[-1].cost, 1),))
            self._expected_s = predict.shared_delay(decode, target)

    def made(self, batch: Batch, seconds: float) -> None:
        """Compare the duration of a step with the prediction; a prefill is not compared."""
        share, expected_s = self._options.misprediction, self._expected_s
        if share is None or expected_s is None or any(one.tokens > 1 for one in batch):
            return
        if abs(seconds - expected_s) > share * expected_s:
            self._mispredicted, self._expected_s = True, seconds

    def fired(self, batch: Batch, placement: IntArray, count: int) -> Trigger | None:
        """The trigger that asks for a decision now.

        Args:
            batch: of the next step.
            placement: in force, shape (blocks,).
            count: tokens until the next decision is due.
        """
        now, options = self._run.env.now, self._run.scenario.controller
        if options.triggers.overflow:
            full = self._lacking(self._watch(batch, placement, count))
            newly, self._full = full & ~self._full, full
            if newly.any():
                return "overflow"
        if options.triggers.device_back and self._run.outages.devices:
            up = self._cluster.up(now)
            back, self._up = up & ~self._up, up
            if back.any():
                return "device-back"
        if options.triggers.slowdown is not None:
            rate = self._cluster.rates(now, options.window_s)
            speeds = self._speeds_of(placement, self._cluster.availability(now, options.window_s), rate)
            known = len(speeds) == len(self._speeds)
            if known and np.any(speeds < (1.0 - options.triggers.slowdown) * self._speeds):
                return "slowdown"
        return "misprediction" if self._mispredicted else None

    @property
    def watchable(self) -> bool:
        """Whether only outages and memory (`overflow_watch`) can trigger before the next decision."""
        return self._options.slowdown is None and self._options.misprediction is None

    def overflow_watch(self, batch: Batch, placement: IntArray, count: int) -> OverflowWatch | None:
        """The memory that triggers when it becomes scarce, see `fired`; None if the scenario has no such trigger."""
        return self._watch(batch, placement, count) if self._options.overflow else None

    def _watch(self, batch: Batch, placement: IntArray, count: int) -> OverflowWatch:
        cost = self._run.scenario.step_cost(later(batch, count - 1))
        held = np.bincount(placement, weights=cost.memory_bytes[self._kind], minlength=len(self._full))
        return OverflowWatch(
            held.astype(np.float64), cost.activation_bytes, self._cluster.runtime_bytes, self._full
        )

    def _lacking(self, watch: OverflowWatch) -> BoolArray:
        return watch.lacking(self._cluster.available_bytes(self._run.env.now))

    def _speeds_of(self, placement: IntArray, availability: FloatArray, rate: FloatArray) -> FloatArray:
        """Availabilities of the devices in use, and rates between them."""
        used = np.unique(np.append(placement, self._cluster.source_index))
        between = rate[np.ix_(used, used)]
        return np.concatenate((availability[used], between[np.isfinite(between)]))

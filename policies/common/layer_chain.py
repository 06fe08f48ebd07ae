"""A model as a chain of units, each of which is placed as a whole."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np

from headway.policies.common.layer_units import units
from headway.policies.common.transfer_times import messages_s, output_bytes
from headway.simcore import FloatArray, IntArray, Observation, StepCost

Objective: TypeAlias = Literal["latency", "throughput"]
Cost: TypeAlias = Objective | Literal["longest"]


@dataclass(frozen=True, eq=False)
class LayerChain:
    """The units as a chain of tasks, for U units and D devices; times are totals over the horizon.

    Attributes:
        observation: the world.
        seconds: of each unit on each device, shape (U, D).
        bytes_held: by each unit, shape (U,).
        messages: for each step of the horizon, bytes of the message into each unit, and of the one back to the source,
            shape (S, U + 1).
    """

    observation: Observation
    seconds: FloatArray
    bytes_held: FloatArray
    messages: FloatArray

    @property
    def memory(self) -> FloatArray:
        """Free bytes of each device, shape (D,)."""
        return self.observation.available_bytes

    @property
    def source(self) -> int:
        """Index of the source."""
        return self.observation.source

    def moving(self, unit: int) -> FloatArray:
        """Seconds of the message into a unit, or of the one back to the source, between devices, shape (D, D).

        Computed once for all messages of one size: one table for each unit could take a lot of memory.
        """
        sizes = self.messages[:, unit].tobytes()
        if sizes not in self._moving:
            self._moving[sizes] = messages_s(self.observation, self.messages[:, unit])
        return self._moving[sizes]

    @cached_property
    def _moving(self) -> dict[bytes, FloatArray]:
        return {}

    @cached_property
    def is_finite(self) -> bool:
        """Whether every plan that fits takes a finite time."""
        roomy = np.flatnonzero(self.memory >= self.bytes_held.min())
        ends = np.append(roomy, self.source)
        pairs = np.ix_(ends, ends)
        connected = (self.observation.rate[pairs] > 0.0) & np.isfinite(self.observation.latency_s[pairs])
        return bool(connected.all() and np.isfinite(self.seconds[:, roomy]).all())

    @cached_property
    def usual_bytes(self) -> float:
        """The median of the bytes that units hold."""
        return float(np.median(self.bytes_held))

    @cached_property
    def slots(self) -> FloatArray:
        """How many units of the usual size each device has room for, shape (D,)."""
        return np.floor(self.memory / self.usual_bytes + 1e-9)

    @cached_property
    def latency_to_go(self) -> FloatArray:
        """The least latency from the end of each unit on each device, if memory were no matter, shape (U, D)."""
        to_go = np.empty_like(self.seconds)
        to_go[-1] = self.moving(len(self.seconds))[:, self.source]
        for unit in reversed(range(1, len(self.seconds))):
            to_go[unit - 1] = (self.moving(unit) + self.seconds[unit] + to_go[unit]).min(axis=1)
        return to_go


def layer_chain(observation: Observation) -> LayerChain:
    """The units of the model of an observation."""
    parts = units(observation.blocks)
    seconds = _seconds(observation, parts)
    # What takes neither time nor memory would fit on a device that is down.
    seconds[:, ~observation.up] = np.inf
    return LayerChain(
        observation=observation,
        seconds=seconds,
        bytes_held=np.array([observation.memory_bytes[rows].sum() for rows in parts]),
        messages=np.array([_messages(observation, parts, step.cost) for step in observation.steps]),
    )


def _seconds(observation: Observation, parts: tuple[IntArray, ...]) -> FloatArray:
    """Seconds of each unit on each device, shape (U, D); computed once for units of the same blocks, as most are."""
    kind, layer = observation.blocks.kind, observation.blocks.layer
    known: dict[tuple[bytes, bytes], FloatArray] = {}
    seconds = []
    for rows in parts:
        key = kind[rows].tobytes(), (layer[rows] - layer[rows[0]]).tobytes()
        if key not in known:
            known[key] = observation.seconds_together(rows)
        seconds.append(known[key])
    return np.array(seconds)


def _messages(observation: Observation, parts: tuple[IntArray, ...], cost: StepCost) -> list[float]:
    """Bytes of the message into each unit, and of the one back to the source."""
    chain = observation.step_graphs.chain
    sizes = []
    for rows in parts:
        number = chain.stage_of[int(rows[0])]
        stage, before = chain.stages[number], chain.stages[number - 1] if number else None
        if before is not None and before.gathers in stage.rows:
            # This unit gathers what the one before sends on for all of its blocks.
            once, each = output_bytes(before, cost)
            sizes.append(len(before.rows) * each + once)
        else:
            sizes.append(float(cost.message_bytes[stage.input]))
    return [*sizes, float(cost.message_bytes[chain.result])]


def prolonged(
    objective: Cost, finished: FloatArray, stage: FloatArray, seconds: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """`finished` and `stage` after one more unit on the same device."""
    return (finished + seconds, stage) if objective == "latency" else (finished, stage + seconds)


def joined(
    objective: Cost, finished: FloatArray, stage: FloatArray, message: FloatArray, seconds: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """`finished` and `stage` after a message to a new device and the first unit there."""
    if objective == "latency":
        return finished + message + seconds, np.zeros(len(seconds))
    slowest = stage + message if objective == "longest" else np.maximum(stage, message)
    return np.maximum(finished, slowest), seconds

"""Runs of consecutive layers on devices, chosen by dynamic programming.

A programme over (layer, device) alone cannot say which devices a path has used and how much memory it took on them. So
a state here also carries the set of devices used and the unit at which the run of the present device began. Of two
states with the same device and set, only the one that is cheaper or began its run later is kept. The result is exact
until there are more than `most_states` states; then those with the lowest estimated cost are kept: for latency by the
programme without memory, run backwards, and for throughput by work that can be divided arbitrarily among free devices.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headway.policies.common.layer_units import spread, units
from headway.policies.common.transfer_times import output_bytes
from headway.simcore import FloatArray, IntArray, Observation, StepCost, predict

Objective: TypeAlias = Literal["latency", "throughput"]
_Cost: TypeAlias = Objective | Literal["longest"]

MOST_STATES = 2048


def layer_runs(
    observation: Observation,
    objective: _Cost = "latency",
    most_states: int = MOST_STATES,
    *,
    first_on_source: bool = True,
    first: int | None = None,
) -> IntArray | None:
    """The best placement in which each device holds at most one run of consecutive units.

    Args:
        observation: the observation; moves are not counted.
        objective: `latency` of one token; `throughput` of a pipeline, which its slowest stage or transfer limits; or
            the `longest` stage, which is computing and sending on together.
        most_states: states kept per unit.
        first_on_source: keep the first unit on the source as long as such a plan takes a finite time.
        first: without `first_on_source`, keep the first unit on this device, under the same condition.

    Returns:
        The device of each block, shape (B,); None if no plan fits.
    """
    parts = units(observation.blocks)
    chain = _chain(observation, parts)
    first = chain.source if first_on_source else first
    cost, plan = (np.inf, None) if first is None else _search(chain, objective, most_states, first)
    if np.isinf(cost):
        elsewhere, other = _search(chain, objective, most_states, None)
        if plan is None or elsewhere < cost:
            plan = other
    return None if plan is None else spread(observation.blocks, plan)


def cost_of_runs(observation: Observation, devices: IntArray, objective: _Cost) -> float:
    """The objective of a placement of whole units [s]; infinite if it splits a unit.

    Args:
        observation: the observation; moves are not counted.
        devices: the device of each block, shape (B,).
        objective: as in `layer_runs`.
    """
    parts = units(observation.blocks)
    chain = _chain(observation, parts)
    if any((devices[rows] != devices[rows[0]]).any() for rows in parts):
        return float("inf")
    finished, stage, at = np.zeros(1), np.zeros(1), observation.source
    for unit, rows in enumerate(parts):
        device = int(devices[rows[0]])
        seconds = chain.seconds[unit, [device]]
        if unit and device == at:
            grows = (finished + seconds, stage) if objective == "latency" else (finished, stage + seconds)
            finished, stage = grows
        else:
            message = chain.moving(unit)[[at], [device]]
            finished, stage = _joined(objective, finished, stage, message, seconds)
        at = device
    back = chain.moving(len(parts))[[at], [observation.source]]
    return float(_joined(objective, finished, stage, back, np.zeros(1))[0][0])


@dataclass(frozen=True, eq=False)
class _Chain:
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

        Computed when asked for: those of all units together would take U times the memory of the observation.
        """
        moving = np.zeros((self.observation.devices, self.observation.devices))
        for step, sizes in zip(self.observation.steps, self.messages, strict=True):
            moving += step.count * (self.observation.latency_s + sizes[unit] * self.observation.per_byte_s)
        return moving

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


def _chain(observation: Observation, parts: tuple[IntArray, ...]) -> _Chain:
    seconds = np.array([observation.seconds_together(rows) for rows in parts])
    # What takes neither time nor memory would fit on a device that is down.
    seconds[:, ~observation.up] = np.inf
    return _Chain(
        observation=observation,
        seconds=seconds,
        bytes_held=np.array([observation.memory_bytes[rows].sum() for rows in parts]),
        messages=np.array([_messages(observation, parts, step.cost) for step in observation.steps]),
    )


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


@dataclass(frozen=True, eq=False)
class _States:
    """Ways to place the units up to some unit, one per row, each made from one for the units before it.

    The devices that have a run are no part of it: for every state and device that would be too much to hold before the
    states to keep are chosen.

    Attributes:
        finished: latency so far; or, for throughput, the slowest of the finished stages and transfers [s], shape (n,).
        stage: seconds of the run in progress, 0 for latency, shape (n,).
        held: bytes of the run in progress, shape (n,).
        start: unit with which it began, shape (n,).
        device: that has it, shape (n,).
        others: rank of the set of devices with earlier runs among all such sets, shape (n,).
        parent: row of the state one unit before, shape (n,).
    """

    finished: FloatArray
    stage: FloatArray
    held: FloatArray
    start: IntArray
    device: IntArray
    others: IntArray
    parent: IntArray

    @property
    def cost(self) -> FloatArray:
        """What the objective is so far [s], shape (n,)."""
        return np.maximum(self.finished, self.stage)

    def __getitem__(self, rows: IntArray) -> "_States":
        return _States(
            self.finished[rows], self.stage[rows], self.held[rows], self.start[rows],
            self.device[rows], self.others[rows], self.parent[rows],
        )  # fmt: skip


def _search(chain: _Chain, objective: _Cost, most: int, first: int | None) -> tuple[float, IntArray | None]:
    """The lowest cost found and the device of each unit; the first unit on device `first`, if one is given."""
    history: list[tuple[IntArray, IntArray]] = []
    states = _begin(chain, objective, first)
    # Whether each device has a run: in the states one unit before, and then in those at hand, shape (n, D).
    used = np.zeros((1, len(chain.memory)), dtype=np.bool_)
    for unit in range(len(chain.seconds)):
        if unit:
            states = _extend(chain, objective, states, used, unit)
        states = states[_undominated(states, len(chain.seconds))]
        states = states[_promising(chain, objective, states, used, unit, most)]
        used = used[states.parent]
        used[np.arange(len(used)), states.device] = True
        history.append((states.device, states.parent))
    cost = _close(chain, objective, states)
    if not len(cost):
        return np.inf, None
    row = int(cost.argmin())
    plan = np.empty(len(history), dtype=np.int64)
    best = float(cost[row])
    for unit in reversed(range(len(history))):
        device, parent = history[unit]
        plan[unit] = device[row]
        row = int(parent[row])
    return best, plan


def _begin(chain: _Chain, objective: _Cost, first: int | None) -> _States:
    """The first unit on every device that may have it and has the room."""
    device = np.flatnonzero(chain.bytes_held[0] <= chain.memory)
    if first is not None:
        device = device[device == first]
    zeros, none = np.zeros(len(device)), np.zeros(len(device), dtype=np.int64)
    arrival, seconds = chain.moving(0)[chain.source, device], chain.seconds[0, device]
    finished, stage = _joined(objective, zeros, zeros, arrival, seconds)
    return _States(finished, stage, np.full(len(device), chain.bytes_held[0]), none, device, none, none)


def _extend(chain: _Chain, objective: _Cost, old: _States, used: NDArray[np.bool_], unit: int) -> _States:
    """Every state with the next unit on the same device, or on one that has none yet, where there is room."""
    size, seconds = chain.bytes_held[unit], chain.seconds[unit]
    stay = np.flatnonzero(old.held + size <= chain.memory[old.device])
    parent, device = np.nonzero(~used & (size <= chain.memory))
    message = chain.moving(unit)[old.device[parent], device]
    same = (old.finished[stay], old.stage[stay])
    if objective == "latency":
        same = (same[0] + seconds[old.device[stay]], same[1])
    else:
        same = (same[0], same[1] + seconds[old.device[stay]])
    moved = _joined(objective, old.finished[parent], old.stage[parent], message, seconds[device])
    earlier = used[stay]
    earlier[np.arange(len(stay)), old.device[stay]] = False
    ranks = _ranks(np.concatenate((earlier, used)))
    return _States(
        finished=np.concatenate((same[0], moved[0])),
        stage=np.concatenate((same[1], moved[1])),
        held=np.concatenate((old.held[stay] + size, np.full(len(parent), size))),
        start=np.concatenate((old.start[stay], np.full(len(parent), unit))),
        device=np.concatenate((old.device[stay], device)),
        others=np.concatenate((ranks[: len(stay)], ranks[len(stay) :][parent])),
        parent=np.concatenate((stay, parent)),
    )


def _joined(
    objective: _Cost, finished: FloatArray, stage: FloatArray, message: FloatArray, seconds: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """`finished` and `stage` after a message to a new device and the first unit there."""
    if objective == "latency":
        return finished + message + seconds, np.zeros(len(seconds))
    slowest = stage + message if objective == "longest" else np.maximum(stage, message)
    return np.maximum(finished, slowest), seconds


def _close(chain: _Chain, objective: _Cost, states: _States) -> FloatArray:
    """The cost of complete plans, with the way back to the source, shape (n,)."""
    back = chain.moving(len(chain.seconds))[states.device, chain.source]
    if objective == "latency":
        cost: FloatArray = states.finished + back
        return cost
    return _joined(objective, states.finished, states.stage, back, back)[0]


def _ranks(sets: NDArray[np.bool_]) -> IntArray:
    """The place of each row, a set of devices, in the order of all different ones; shape (n,) from (n, D)."""
    bits = np.packbits(sets, axis=1)
    words = np.zeros((len(bits), -(-bits.shape[1] // 8) * 8), dtype=np.uint8)
    words[:, : bits.shape[1]] = bits
    keys = words.view(np.uint64)
    order = np.lexsort(keys.T)
    fresh = np.zeros(len(order), dtype=np.int64)
    fresh[1:] = (keys[order[1:]] != keys[order[:-1]]).any(axis=1)
    ranks = np.empty_like(fresh)
    ranks[order] = np.cumsum(fresh)
    return ranks


def _undominated(states: _States, count: int) -> IntArray:
    """Rows for which no state with the same device and set costs no more and began its run no earlier.

    A run that began later holds fewer bytes and has taken less time.
    """
    order = np.lexsort((-states.start, states.finished, states.others, states.device))
    fresh = np.zeros(len(order), dtype=np.bool_)
    for key in (states.others[order], states.device[order]):
        fresh[1:] |= key[1:] != key[:-1]
    # The latest start so far within each set: the offset grows from set to set by more than any start.
    latest = np.maximum.accumulate(np.cumsum(fresh) * count + states.start[order])
    better = np.ones(len(order), dtype=np.bool_)
    better[1:] = latest[1:] > latest[:-1]
    return order[better]


def _promising(
    chain: _Chain, objective: _Cost, states: _States, used: NDArray[np.bool_], unit: int, most: int
) -> IntArray:
    """Rows that can be completed as far as memory tells, at most `most` of them, of the lowest estimates.

    `used` says which devices had a run one unit before.
    """
    rows = np.flatnonzero(_room(chain, states, used, unit))
    if len(rows) <= most:
        return rows
    kept = states[rows]
    if objective == "latency":
        estimate = kept.finished + chain.latency_to_go[unit][kept.device]
    else:
        estimate = np.maximum(kept.cost, _divided(chain, kept, used, unit))
    return rows[np.argsort(estimate, kind="stable")[:most]]


def _free(states: _States, used: NDArray[np.bool_], unit: int, amount: FloatArray) -> FloatArray:
    """The sum of an amount of each device, shape (D,), over the devices without a run, shape (n,).

    Not `@`: the order in which BLAS adds depends on the processor, and states may tie.
    """
    before = np.where(used, 0.0, amount).sum(axis=1)[states.parent]
    free: FloatArray = np.where(states.start == unit, before - amount[states.device], before)
    return free


def _room(chain: _Chain, states: _States, used: NDArray[np.bool_], unit: int) -> NDArray[np.bool_]:
    """Whether the units to come could be held by what is left, counted in bytes and in units of the usual size."""
    left = chain.bytes_held[unit + 1 :]
    slack = predict.TOLERANCE_BYTES
    here = chain.memory[states.device] - states.held
    # No device counts for more than all remaining units, so that small numbers keep their precision.
    memory = np.minimum(chain.memory, left.sum())
    enough: NDArray[np.bool_] = _free(states, used, unit, memory) + here + slack >= left.sum()
    usual = chain.usual_bytes
    if usual > 0.0:
        here = np.floor(here / usual + 1e-9)
        enough &= _free(states, used, unit, chain.slots) + here >= (left >= usual * (1.0 - 1e-9)).sum()
    return enough


def _divided(chain: _Chain, states: _States, used: NDArray[np.bool_], unit: int) -> FloatArray:
    """The slowest stage if the work to come could be divided arbitrarily among the devices still free, shape (n,)."""
    speed = 1.0 / np.maximum(chain.seconds[unit + 1 :].sum(axis=0), 1e-300)
    here = speed[states.device]
    begun = np.where(np.isfinite(states.stage), states.stage, 0.0) * here
    slowest: FloatArray = (1.0 + begun) / np.maximum(_free(states, used, unit, speed) + here, 1e-300)
    return slowest

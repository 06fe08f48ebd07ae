"""Runs of consecutive layers on devices, chosen by dynamic programming over states.

A programme over (layer, device) alone cannot say which devices a path has used and how much memory it took on them. So
a state here also carries the set of devices used and the unit at which the run of the present device began. Of two
states with the same device and set, only the one that is cheaper or began its run later is kept. The result is exact
until there are more states than are kept; then those with the lowest estimated cost are kept: for latency by the
programme without memory, run backwards, and for throughput by work that can be divided arbitrarily among free devices.
"""

from dataclasses import dataclass

import numpy as np

from headway.policies.common.layer_chain import Cost, LayerChain, joined, prolonged
from headway.simcore import BoolArray, FloatArray, IntArray, predict


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
        return _States(*(values[rows] for values in vars(self).values()))


def runs_by_states(
    chain: LayerChain, objective: Cost, most: int, first: int | None
) -> tuple[float, IntArray | None]:
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


def _begin(chain: LayerChain, objective: Cost, first: int | None) -> _States:
    """The first unit on every device that may have it and has the room."""
    device = np.flatnonzero(chain.bytes_held[0] <= chain.memory)
    if first is not None:
        device = device[device == first]
    zeros, none = np.zeros(len(device)), np.zeros(len(device), dtype=np.int64)
    arrival, seconds = chain.moving(0)[chain.source, device], chain.seconds[0, device]
    finished, stage = joined(objective, zeros, zeros, arrival, seconds)
    return _States(finished, stage, np.full(len(device), chain.bytes_held[0]), none, device, none, none)


def _extend(chain: LayerChain, objective: Cost, old: _States, used: BoolArray, unit: int) -> _States:
    """Every state with the next unit on the same device, or on one that has none yet, where there is room."""
    size, seconds = chain.bytes_held[unit], chain.seconds[unit]
    stay = np.flatnonzero(old.held + size <= chain.memory[old.device])
    parent, device = np.nonzero(~used & (size <= chain.memory))
    message = chain.moving(unit)[old.device[parent], device]
    same = prolonged(objective, old.finished[stay], old.stage[stay], seconds[old.device[stay]])
    moved = joined(objective, old.finished[parent], old.stage[parent], message, seconds[device])
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


def _close(chain: LayerChain, objective: Cost, states: _States) -> FloatArray:
    """The cost of complete plans, with the way back to the source, shape (n,)."""
    back = chain.moving(len(chain.seconds))[states.device, chain.source]
    return joined(objective, states.finished, states.stage, back, np.zeros(len(back)))[0]


def _ranks(sets: BoolArray) -> IntArray:
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
    chain: LayerChain, objective: Cost, states: _States, used: BoolArray, unit: int, most: int
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


def _free(states: _States, used: BoolArray, unit: int, amount: FloatArray) -> FloatArray:
    """The sum of an amount of each device, shape (D,), over the devices without a run, shape (n,).

    Not `@`: the order in which BLAS adds depends on the processor, and states may tie.
    """
    before = np.where(used, 0.0, amount).sum(axis=1)[states.parent]
    free: FloatArray = np.where(states.start == unit, before - amount[states.device], before)
    return free


def _room(chain: LayerChain, states: _States, used: BoolArray, unit: int) -> BoolArray:
    """Whether the units to come could be held by what is left, counted in bytes and in units of the usual size."""
    left = chain.bytes_held[unit + 1 :]
    slack = predict.TOLERANCE_BYTES
    here = chain.memory[states.device] - states.held
    # No device counts for more than all remaining units, so that small numbers keep their precision.
    memory = np.minimum(chain.memory, left.sum())
    enough: BoolArray = _free(states, used, unit, memory) + here + slack >= left.sum()
    usual = chain.usual_bytes
    if usual > 0.0:
        here = np.floor(here / usual + 1e-9)
        enough &= _free(states, used, unit, chain.slots) + here >= (left >= usual * (1.0 - 1e-9)).sum()
    return enough


def _divided(chain: LayerChain, states: _States, used: BoolArray, unit: int) -> FloatArray:
    """The slowest stage if the work to come could be divided arbitrarily among the devices still free, shape (n,)."""
    speed = 1.0 / np.maximum(chain.seconds[unit + 1 :].sum(axis=0), 1e-300)
    here = speed[states.device]
    begun = np.where(np.isfinite(states.stage), states.stage, 0.0) * here
    slowest: FloatArray = (1.0 + begun) / np.maximum(_free(states, used, unit, speed) + here, 1e-300)
    return slowest

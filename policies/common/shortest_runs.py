"""The runs of consecutive layers with the least latency, for few devices.

The least latency is computed unit by unit for every state, and every unit at which the present run can have begun. A
state is the device of the present run and the set of devices that had earlier runs.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from headway.policies.common.layer_chain import LayerChain
from headway.simcore import BoolArray, FloatArray, IntArray
from headway.simcore.arrays import immutable


class _States(NamedTuple):
    """All states that occur, for N states and D devices.

    Attributes:
        device: of the present run, shape (N,).
        begins: whether there was no earlier run, shape (N,).
        before: the state before the present run, by the device of the run before; N if there is none, shape (D, N).
    """

    device: IntArray
    begins: BoolArray
    before: IntArray


def shortest_runs(chain: LayerChain, first: int | None) -> tuple[float, IntArray | None]:
    """The least latency and the device of each unit; the first unit on device `first`, if one is given.

    Returns:
        Latency [s], and the device of each unit, shape (U,); None if no plan fits or takes a finite time.
    """
    units, devices = chain.seconds.shape
    states = _states(devices, first)
    every_second, memory = chain.seconds[:, states.device], chain.memory[states.device]
    # Latency with a run that begins at a unit, at the end of that unit and at the end of the present one; and the least
    # of the latter at the end of each unit, with an infinite last column, which stands for no state.
    entered, latency = (np.full(every_second.shape, np.inf) for _ in range(2))
    least = np.full((units, len(memory) + 1), np.inf)
    held = np.zeros(units)
    roomiest = float(memory.max())
    oldest = 0
    for unit, seconds in enumerate(every_second):
        latency[oldest:unit] += seconds
        held[oldest : unit + 1] += chain.bytes_held[unit]
        while held[oldest] > roomiest and oldest < unit:
            oldest += 1
        if unit:
            arriving = least[unit - 1][states.before] + chain.moving(unit)[:, states.device]
            entered[unit] = arriving.min(axis=0) + seconds
        else:
            arriving = chain.moving(0)[chain.source, states.device]
            entered[0] = np.where(states.begins, arriving + seconds, np.inf)
        latency[unit] = entered[unit]
        latency[oldest : unit + 1][held[oldest : unit + 1, None] > memory] = np.inf
        latency[oldest : unit + 1].min(axis=0, out=least[unit, :-1])
    total = least[-1, :-1] + chain.moving(units)[states.device, chain.source]
    best = int(total.argmin())
    if np.isinf(total[best]):
        return float(total[best]), None
    return float(total[best]), _plan(chain, states, entered, least, best)


@cache
def _states(devices: int, first: int | None) -> _States:
    """The states of this number of devices, of which `first` has the first run, if it is given."""
    bit = 1 << np.arange(devices - 1, -1, -1)
    every = np.arange(1 << devices)
    occurs = (every & bit[:, None]) == 0
    if first is not None:
        occurs &= (every & bit[first]) > 0
        occurs[first, 0] = True
    device, earlier = np.nonzero(occurs)
    number = np.full(occurs.shape, len(device))
    number[device, earlier] = np.arange(len(device))
    had_run = (earlier & bit[:, None]) > 0
    before = np.where(had_run, number[np.arange(devices)[:, None], earlier ^ bit[:, None]], len(device))
    return _States(immutable(device), immutable(earlier == 0), immutable(before))


def _plan(chain: LayerChain, states: _States, entered: FloatArray, least: FloatArray, state: int) -> IntArray:
    """The device of each unit, shape (U,), in the least latency in which `state` is the last state."""
    plan = np.empty(len(entered), dtype=np.int64)
    end = len(entered) - 1
    while True:
        device = int(states.device[state])
        begin = _begin(chain, entered[:, state], least[end, state], device, end)
        plan[begin : end + 1] = device
        if begin == 0:
            return plan
        before = states.before[:, state]
        arriving = least[begin - 1, before] + chain.moving(begin)[:, device] + chain.seconds[begin, device]
        end, state = begin - 1, int(before[arriving.argmin()])


def _begin(chain: LayerChain, entered: FloatArray, least_s: float, device: int, end: int) -> int:
    """The last unit at which a run on a device can have begun that reaches the unit `end` after `least_s`.

    `entered` is the latency at the end of the first unit of the run, by that unit.
    """
    for begin in range(end, -1, -1):
        latency_s, held = entered[begin], chain.bytes_held[begin]
        for unit in range(begin + 1, end + 1):
            latency_s += chain.seconds[unit, device]
            held += chain.bytes_held[unit]
        if latency_s == least_s and held <= chain.memory[device]:
            return begin
    raise AssertionError("the least latency is that of a run")

"""The runs of consecutive layers with the least latency, for few devices.

The least latency is computed unit by unit for every device, every set of devices that had earlier runs, and every unit
at which the present run can have begun. Sets are numbers: device d of D is the bit D - 1 - d.
"""

import numpy as np

from headway.policies.common.layer_chain import LayerChain
from headway.simcore import FloatArray, IntArray


def shortest_runs(chain: LayerChain, first: int | None) -> tuple[float, IntArray | None]:
    """The least latency and the device of each unit; the first unit on device `first`, if one is given.

    Returns:
        Latency [s], and the device of each unit, shape (U,); None if no plan fits or takes a finite time.
    """
    units, devices = chain.seconds.shape
    bit, sets = _bits(devices)[:, None], np.arange(1 << devices)
    is_in, without = (sets & bit) > 0, sets ^ bit
    # Latency with a run that begins at a unit, at the end of that unit and at the end of the present one; and the least
    # of the latter at the end of each unit. By device and the set of devices with earlier runs.
    entered, latency = (np.full((units, devices, len(sets)), np.inf) for _ in range(2))
    least = np.empty_like(entered)
    held = np.zeros(units)
    roomiest = float(chain.memory.max())
    oldest = 0
    for unit in range(units):
        size, seconds = chain.bytes_held[unit], chain.seconds[unit][:, None]
        latency[oldest:unit] += seconds
        held[oldest : unit + 1] += size
        while held[oldest] > roomiest and oldest < unit:
            oldest += 1
        if unit:
            before = np.where(is_in, np.take_along_axis(least[unit - 1], without, axis=1), np.inf)
            arriving = before[:, None, :] + chain.moving(unit)[:, :, None]
            arriving += seconds
            entered[unit] = arriving.min(axis=0)
            entered[unit][is_in] = np.inf
        else:
            entered[0, :, 0] = chain.moving(0)[chain.source] + chain.seconds[0]
            if first is not None:
                entered[0, np.arange(devices) != first] = np.inf
        latency[unit] = entered[unit]
        latency[oldest : unit + 1][held[oldest : unit + 1, None] > chain.memory] = np.inf
        latency[oldest : unit + 1].min(axis=0, out=least[unit])
    total = least[-1] + chain.moving(units)[:, chain.source, None]
    device, others = np.unravel_index(int(total.argmin()), total.shape)
    best_s = float(total[device, others])
    if np.isinf(best_s):
        return best_s, None
    return best_s, _plan(chain, entered, least, int(device), int(others))


def _bits(devices: int) -> IntArray:
    """The set of each device alone, shape (D,)."""
    return 1 << np.arange(devices - 1, -1, -1)


def _plan(chain: LayerChain, entered: FloatArray, least: FloatArray, device: int, others: int) -> IntArray:
    """The device of each unit, shape (U,), from the last run on `device` after runs on the set `others`."""
    units, devices = chain.seconds.shape
    bits, every = _bits(devices), np.arange(devices)
    plan = np.empty(units, dtype=np.int64)
    end = units - 1
    while True:
        begin = _begin(chain, entered[:, device, others], least[end, device, others], device, end)
        plan[begin : end + 1] = device
        if begin == 0:
            return plan
        before = np.where(others & bits, least[begin - 1, every, others ^ bits], np.inf)
        arriving = before + chain.moving(begin)[:, device] + chain.seconds[begin, device]
        end, device = begin - 1, int(arriving.argmin())
        others ^= int(bits[device])


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

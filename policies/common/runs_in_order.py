"""Runs of consecutive units on devices in a given order."""

import math

import numpy as np

from headway.policies.common.layer_units import spread, units
from headway.policies.common.reachability import usable_first
from headway.simcore import FloatArray, IntArray, Observation


def cut(sizes: FloatArray, room: FloatArray, cost: FloatArray) -> IntArray | None:
    """Cut U units into one run for each of N devices, in their order, so that all runs fit at the least cost.

    A dynamic programme over devices and the ends of their runs; runs may be empty.

    Args:
        sizes: of the units [bytes], shape (U,).
        room: free bytes of the devices, shape (N,).
        cost: of each number of units on each device, shape (N, U + 1).

    Returns:
        The number of units on each device, shape (N,); None if no cut fits.
    """
    before = np.concatenate(([0.0], np.cumsum(sizes)))
    held = before - before[:, None]
    length = np.arange(len(before)) - np.arange(len(before))[:, None]
    # Sums depend on their order by rounding: a run that fits by one order must not overflow by another.
    limits = room * (1.0 + 1e-12)
    total = np.where(np.arange(len(before)) == 0, 0.0, np.inf)
    starts = []
    for limit, costs in zip(limits, cost, strict=True):
        possible = (length >= 0) & ((held <= limit) | (length == 0))
        totals = total[:, None] + np.where(possible, costs[length], np.inf)
        starts.append(totals.argmin(axis=0))
        total = totals.min(axis=0)
    if np.isinf(total[-1]):
        return None
    counts = np.empty(len(room), dtype=np.int64)
    end = len(sizes)
    for number in reversed(range(len(room))):
        counts[number] = end - starts[number][end]
        end = int(starts[number][end])
    return counts


def cut_over(observation: Observation, order: IntArray, cost: FloatArray) -> IntArray | None:
    """The device of each block, shape (B,), after a `cut` of all units over the devices `order`; None if none fits."""
    sizes = np.array([observation.memory_bytes[rows].sum() for rows in units(observation.blocks)])
    counts = cut(sizes, observation.available_bytes[order], cost)
    return None if counts is None else spread(observation.blocks, np.repeat(order, counts))


def proportional_runs(observation: Observation, weight: FloatArray) -> IntArray | None:
    """Runs of units in proportion to the weights of devices, shape (D,), as far as memory allows.

    The devices follow one another from the largest weight to the smallest. Of all cuts that fit, the one with the least
    sum of squared differences from the exact shares is chosen. Where memory is ample, these are largest remainders.

    Returns:
        The device of each block, shape (B,); None if no cut in this order fits.
    """
    count = len(units(observation.blocks))
    for devices in usable_first(observation):
        order = devices[np.argsort(-weight[devices], kind="stable")]
        share = relative(weight[order])
        exact = count * share / share.sum()
        placed = cut_over(observation, order, (np.arange(count + 1) - exact[:, None]) ** 2)
        if placed is not None:
            return placed
    return None


def relative(weight: FloatArray) -> FloatArray:
    """Weights, shape (N,), of which some may be infinite or all 0, as finite weights of which the largest is 1."""
    largest = float(weight.max())
    scaled: FloatArray = np.array(weight == largest, dtype=np.float64)
    if math.isinf(largest) or largest == 0.0:
        return scaled
    return weight / largest

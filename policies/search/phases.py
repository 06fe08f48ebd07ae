"""The phases of a forecast: spans of time in which the world changes little, each seen as an observation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from headway.simcore import FloatArray, IntArray, Observation, Period

_MOST = 6
"""Maximum number of phases; the last one then stands for the rest of the forecast."""

_CHANGE = 0.01
"""Share of a device's memory by which its free memory has to change for a new phase to begin."""


@dataclass(frozen=True, eq=False)
class Phase:
    """A span of the future.

    Attributes:
        length_s: its length; infinite for the last phase.
        world: the observation with the world of the phase: the least memory, mean rates and shares, and only the
            devices that are up all the time.
    """

    length_s: float
    world: Observation


def phases(observation: Observation, first_s: float) -> list[Phase]:
    """The phases of the forecast of an observation.

    A phase ends where a device or a link goes down or comes back, or free memory changes. The first one is at least as
    long as `first_s`, the time until the next decision, because the placement stays until then.
    """
    periods = observation.forecast
    first = max(1, sum(period.begin_s - periods[0].begin_s < first_s for period in periods))
    begins = [0, first] if first < len(periods) else [0]
    for i in range(first + 1, len(periods)):
        if len(begins) < _MOST and _differ(observation, periods[i - 1], periods[i]):
            begins.append(i)
    ends = [*begins[1:], len(periods)]
    spans = [_phase(observation, periods[a:b]) for a, b in zip(begins, ends, strict=True)]
    return [*spans[:-1], replace(spans[-1], length_s=np.inf)]


def moving_from(devices: IntArray, world: Observation) -> Observation:
    """A future world in which blocks move from a placement, shape (B,), as large as at the end of the horizon.

    Blocks on devices that are down in this world are lost. If there is no placement in force yet, the first placement
    may ask for copies of all blocks everywhere.
    """
    weights = world.moving_bytes - world.cache_bytes
    copies, lost = world.copies, ~world.up[devices]
    if world.warm_copies:
        copies = np.ones_like(copies) if world.placement is None else copies.copy()
        if world.placement is not None:
            copies[np.arange(len(devices)), world.placement] = True
    return replace(
        world,
        placement=devices,
        lost=lost,
        moving_bytes=np.where(lost, weights, world.memory_bytes),
        cache_bytes=np.where(lost, 0.0, world.memory_bytes - weights),
        copies=copies,
    )


def worst(worlds: Sequence[Observation]) -> Observation:
    """The world with the least of everything that several worlds have."""
    slowest = [world.crossings.rate for world in worlds]
    return replace(
        worlds[0],
        available_bytes=np.min([world.available_bytes for world in worlds], axis=0),
        availability=np.min([world.availability for world in worlds], axis=0),
        rate=np.min([world.rate for world in worlds], axis=0),
        crossings=replace(worlds[0].crossings, rate=np.min(slowest, axis=0)),
        up=np.all([world.up for world in worlds], axis=0),
    )


def _differ(observation: Observation, one: Period, other: Period) -> bool:
    memory = np.abs(one.available_bytes - other.available_bytes) > _CHANGE * observation.capacity_bytes
    links = (one.rate > 0.0) != (other.rate > 0.0)
    return bool(memory.any() or links.any() or (one.up != other.up).any())


def _phase(observation: Observation, periods: tuple[Period, ...]) -> Phase:
    lengths = np.array([period.end_s - period.begin_s for period in periods])
    weights = lengths / lengths.sum()
    up = np.all([period.up for period in periods], axis=0)
    rates = np.array([period.rate for period in periods])
    rate = np.where((rates > 0.0).all(axis=0), _mean(rates, weights), 0.0)
    crossing = periods[0].crossings
    world = replace(
        observation,
        available_bytes=np.min([period.available_bytes for period in periods], axis=0),
        availability=_mean(np.array([period.availability for period in periods]), weights) * up,
        rate=rate,
        crossings=replace(
            crossing, rate=_mean(np.array([period.crossings.rate for period in periods]), weights)
        ),
        up=up,
        forecast=(),
    )
    return Phase(float(lengths.sum()), world)


def _mean(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Weighted mean over the first axis; infinite values stay infinite."""
    with np.errstate(invalid="ignore"):
        mean: FloatArray = np.tensordot(weights, values, axes=1)
    return mean

"""Devices that can take part: up, and connected to the source."""

from collections.abc import Iterator

import numpy as np

from headway.simcore import BoolArray, IntArray, Observation


def usable(observation: Observation) -> BoolArray:
    """Which devices are up, and can be reached from the source and back, shape (D,)."""
    source = observation.source
    connected: BoolArray = (observation.rate[source] > 0.0) & (observation.rate[:, source] > 0.0)
    return connected & np.isfinite(observation.kind_seconds).all(axis=0)


def usable_first(observation: Observation) -> Iterator[IntArray]:
    """The devices to plan with: first those that are usable; then, if a plan needs them, all that are up."""
    first = np.flatnonzero(usable(observation) & observation.up)
    if len(first):
        yield first
    if len(first) < observation.up.sum():
        yield np.flatnonzero(observation.up)

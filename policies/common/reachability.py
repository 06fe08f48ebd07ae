"""Devices that can take part: up, and connected to the source."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from headway.simcore import IntArray, Observation


def usable(seen: Observation) -> NDArray[np.bool_]:
    """Which devices are up, and can be reached from the source and back, shape (D,)."""
    source = seen.source
    connected: NDArray[np.bool_] = (seen.rate[source] > 0.0) & (seen.rate[:, source] > 0.0)
    return connected & np.isfinite(seen.kind_seconds).all(axis=0)


def usable_first(seen: Observation) -> Iterator[IntArray]:
    """The devices to plan with: first those that are usable; then, if a plan needs them, all that are up."""
    first = np.flatnonzero(usable(seen) & seen.up)
    if len(first):
        yield first
    if len(first) < seen.up.sum():
        yield np.flatnonzero(seen.up)

"""Devices that can take part: up, and connected to the source."""

import numpy as np
from numpy.typing import NDArray

from headway.simcore import Observation


def usable(seen: Observation) -> NDArray[np.bool_]:
    """Which devices are up, and can be reached from the source and back, shape (D,)."""
    source = seen.source
    connected: NDArray[np.bool_] = (seen.rate[source] > 0.0) & (seen.rate[:, source] > 0.0)
    return connected & np.isfinite(seen.kind_seconds).all(axis=0)

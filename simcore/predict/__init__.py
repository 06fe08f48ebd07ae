"""Predictions of the costs of a placement: inference delay, migration delay, memory.

In a world that does not change during the horizon, `shared_delay` equals the event simulation; `horizon_delay` does if
links are dedicated. Tests compare them to 1e-9. Policies use predictions to compare placements.
"""

from headway.simcore.predict.delay import horizon_delay, shared_delay, swap_seconds
from headway.simcore.predict.memory import can_stay, fits, held_bytes, live_waves, reachable
from headway.simcore.predict.migration import (
    migration_delay,
    move_seconds,
    objective,
    pause,
    recomputes,
    recomputing_delay,
)
from headway.simcore.world.memory import TOLERANCE_BYTES

__all__ = [
    "TOLERANCE_BYTES",
    "can_stay",
    "fits",
    "held_bytes",
    "horizon_delay",
    "live_waves",
    "migration_delay",
    "move_seconds",
    "objective",
    "pause",
    "reachable",
    "recomputes",
    "recomputing_delay",
    "shared_delay",
    "swap_seconds",
]

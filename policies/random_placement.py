"""Random placement: a baseline that considers memory only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from headway.policies.common.reachability import usable
from headway.simcore import Decision, Infeasible, IntArray, Keep, Observation, Placement, predict, stream

_MOST_DRAWS = 20


@dataclass(frozen=True)
class Random:
    """Every block on a random device with room, chosen once and kept.

    Blocks are drawn largest first; each device with room is equally likely, those that are up and in reach of the
    source before any other. A draw that runs out of room is thrown away, twenty times at most, so in a very tight
    world `Infeasible` does not mean that no placement exists. A placement that no longer fits is drawn again, unless
    the scenario swaps.

    Attributes:
        seed: of the draws, which also depend on the request and the number of tokens generated.
        replan: draw again at every interval.
    """

    name: ClassVar[str] = "random"
    declares: ClassVar[Mapping[str, str]] = {"reordering": "the same draw is another device in another order"}

    seed: int = 0
    replan: bool = False

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, not {self.seed}")

    def decide(self, observation: Observation) -> Decision:
        """Draw once, or at every interval."""
        if not self.replan and predict.can_stay(observation):
            return Keep()
        random = stream(self.seed, f"random/{observation.request}/{observation.generated}")
        for _ in range(_MOST_DRAWS):
            devices = _draw(observation, random)
            if devices is not None:
                return Placement(devices)
        return Infeasible(f"no room for all blocks in {_MOST_DRAWS} random placements")


def _draw(observation: Observation, random: np.random.Generator) -> IntArray | None:
    """A random placement, shape (B,); None if it ran out of room."""
    devices = np.empty(len(observation.blocks), dtype=np.int64)
    free = observation.available_bytes.copy()
    good = usable(observation)
    for block in np.argsort(-observation.memory_bytes, kind="stable"):
        room = observation.memory_bytes[block] <= free
        candidates = np.flatnonzero(room & good if (room & good).any() else room)
        if not len(candidates):
            return None
        devices[block] = candidates[random.integers(len(candidates))]
        free[devices[block]] -= observation.memory_bytes[block]
    return devices

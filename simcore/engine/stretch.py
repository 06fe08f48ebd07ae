"""Stretches: consecutive steps of one batch that the compiled executor runs without a return to Python.

During a stretch nothing is decided, nothing moves, and every device has enough memory or may swap. So steps differ only
in sizes and times, which are known before, and in what they read from disk.
"""

from typing import NamedTuple

import numpy as np

from headway.simcore.engine.compiled.stretch_rows import NO_SWAP, SWAP_ALL, SWAP_EXCESS, StretchLoad
from headway.simcore.engine.placement.deployment import Deployment
from headway.simcore.engine.placement.triggers import OverflowWatch
from headway.simcore.scenario import Scenario
from headway.simcore.world.batch import Batch
from headway.simcore.world.cost_models import costs_of_stretch
from headway.simcore.world.device_time import DEVICE_TIMES, times_of_stretch

FIRST_STEPS = 16
"""Maximum length of the first stretch of a run, and of one after an interruption."""

GROWTH = 4
"""Factor by which the maximum length grows after a stretch without an interruption."""

MOST_STEPS = 1000
"""Maximum length of a stretch, so that progress shows and Ctrl-C works."""

_SWAPS = {"pinned": SWAP_EXCESS, "lru": SWAP_ALL}


class Stretch(NamedTuple):
    """The steps of a stretch: the batch of the first one, and the load of all."""

    batch: Batch
    load: StretchLoad


def stretch_from(
    scenario: Scenario,
    deployment: Deployment,
    watch: OverflowWatch | None,
    batch: Batch,
    steps: int,
    until_s: float,
) -> Stretch:
    """The stretch of `steps` steps that begins with the step of a batch.

    Args:
        scenario: of the run.
        deployment: the placement in force.
        watch: limits of memory; the stretch ends when a device lacks memory, or has enough again.
        batch: of the first step.
        steps: their number.
        until_s: when a device goes down or comes back.
    """
    cluster, costs = scenario.cluster, costs_of_stretch(scenario.cost, batch, steps)
    times = times_of_stretch(DEVICE_TIMES.find(scenario.device_time), costs, cluster)
    of_blocks = deployment.ledger.held_by_blocks(costs.memory_bytes)
    beside = deployment.ledger.held_beside(costs.activation_bytes)
    held, most = of_blocks + beside, np.full(len(cluster.devices), np.inf)
    swap = _SWAPS[scenario.memory.swap] if scenario.memory.overflow == "swap" else NO_SWAP
    least = held if swap == NO_SWAP else np.zeros_like(held)
    copies = deployment.copies.held_bytes
    if copies.any():
        with_copies = np.maximum(held, cluster.runtime_bytes) + copies
        least = np.where(copies > 0.0, with_copies, least)
    if watch is not None:
        least, most = np.maximum(least, watch.least_bytes), watch.most_bytes
    load = StretchLoad(
        times.block_s,
        times.task_s,
        costs.message_bytes,
        costs.memory_bytes,
        of_blocks,
        beside,
        swap,
        cluster.disk_bandwidth,
        least,
        most,
        until_s,
    )
    return Stretch(batch, load)

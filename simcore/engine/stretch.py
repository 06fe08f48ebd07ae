"""Stretches: consecutive steps of one batch that the compiled executor runs without a return to Python.

During a stretch nothing is decided, nothing moves, and every device has enough memory. So steps differ only in sizes
and times, which are known before.
"""

from typing import NamedTuple

import numpy as np

from headway.simcore.arrays import FloatArray
from headway.simcore.engine.compiled.stretch_rows import StretchLoad
from headway.simcore.engine.placement.deployment import Deployment
from headway.simcore.engine.placement.triggers import OverflowWatch
from headway.simcore.scenario import Scenario
from headway.simcore.world.batch import Batch
from headway.simcore.world.cost_models import costs_of_stretch
from headway.simcore.world.device_time import DEVICE_TIMES, times_of_stretch

FIRST_STEPS = 16
"""Maximum length of the first stretch of a run, and of one after an interruption; later ones double it."""

MOST_STEPS = 1000
"""Maximum length of a stretch, so that progress shows and Ctrl-C works."""


class Stretch(NamedTuple):
    """The steps of a stretch, with their memory and their load.

    Attributes:
        batch: of the first step.
        memory_bytes: of a block of each kind after each step, shape (steps, 5).
        of_blocks: bytes that blocks hold on each device, shape (steps, devices).
        beside: bytes of activations and runtime, shape (steps, devices).
        load: of the steps.
    """

    batch: Batch
    memory_bytes: FloatArray
    of_blocks: FloatArray
    beside: FloatArray
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
    least, most = of_blocks + beside, np.full(len(cluster.devices), np.inf)
    copies = deployment.copies.held_bytes
    if copies.any():
        least = np.maximum(least, np.where(copies > 0.0, cluster.runtime_bytes, 0.0)) + copies
    if watch is not None:
        least, most = np.maximum(least, watch.least_bytes), watch.most_bytes
    load = StretchLoad(times.block_s, times.task_s, costs.message_bytes, least, most, until_s)
    return Stretch(batch, costs.memory_bytes, of_blocks, beside, load)

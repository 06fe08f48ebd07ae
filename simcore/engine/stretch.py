"""Stretches: consecutive steps of one batch that the compiled executor runs without a return to Python.

In a stretch nothing is decided, nothing moves, and every device has memory to spare. So only sizes and times differ from
step to step, and they are known before.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from headway.simcore.arrays import FloatArray
from headway.simcore.engine.placement.deployment import Deployment
from headway.simcore.engine.placement.triggers import OverflowWatch
from headway.simcore.scenario import Scenario
from headway.simcore.world.batch import Batch, later
from headway.simcore.world.cost import StepCost
from headway.simcore.world.device_time import DEVICE_TIMES

MOST_STEPS = 1000
"""Maximum length of a stretch, so that progress shows and Ctrl-C works."""


class StretchLoad(NamedTuple):
    """The costs of the steps of a stretch, and the memory for which they go on.

    Attributes:
        block_s: seconds of one block, see `TaskTimes`, shape (steps, 5, devices).
        task_s: fixed seconds of a task, shape (steps, 5, devices).
        message_bytes: by payload, see `StepCost`, shape (steps, 6).
        least_bytes: memory that each device must have when a step begins, shape (steps, devices).
        most_bytes: and how much at most, shape (devices,): more memory would have to be noticed too.
    """

    block_s: FloatArray
    task_s: FloatArray
    message_bytes: FloatArray
    least_bytes: FloatArray
    most_bytes: FloatArray


class StretchRows(NamedTuple):
    """The rows of the steps of a stretch that have ended.

    Attributes:
        end_s: when it ended, shape (steps,).
        parts_s: computing, reading, sending and waiting on its critical path, shape (steps, 4).
        busy_s: seconds in which each device has been busy since the start of the run, shape (steps, devices).
        available_bytes: memory of each device when it began, shape (steps, devices).
    """

    end_s: FloatArray
    parts_s: FloatArray
    busy_s: FloatArray
    available_bytes: FloatArray


def empty_rows(load: StretchLoad) -> StretchRows:
    """Rows for all steps of a stretch."""
    steps, devices = load.least_bytes.shape
    shapes = (steps,), (steps, 4), (steps, devices), (steps, devices)
    return StretchRows(*(np.zeros(shape) for shape in shapes))


class Stretch(NamedTuple):
    """The steps of a stretch: their batches, costs and memory, and their load.

    Attributes:
        batches: of the steps; the first step has its costs already.
        costs: of the steps.
        of_blocks: bytes that blocks hold on each device, shape (steps, devices).
        beside: bytes of activations and runtime, shape (steps, devices).
        load: of the steps.
    """

    batches: Sequence[Batch]
    costs: Sequence[StepCost]
    of_blocks: FloatArray
    beside: FloatArray
    load: StretchLoad


def stretch_from(
    scenario: Scenario, deployment: Deployment, watch: OverflowWatch | None, batch: Batch, cost: StepCost, steps: int
) -> Stretch:
    """The stretch of `steps` steps that begins with the step of a batch.

    Args:
        scenario: of the run.
        deployment: the placement in force; its ledger is as before the step.
        watch: memory whose shortage, or whose end, has to be noticed.
        batch: of the first step.
        cost: of the first step.
        steps: their number.
    """
    batches = [batch, *(later(batch, i) for i in range(1, steps))]
    costs = [cost, *map(scenario.cost.step, itertools.islice(batches, 1, None))]
    device_time, cluster = DEVICE_TIMES.find(scenario.device_time), scenario.cluster
    times = [device_time.times(one, cluster) for one in costs]
    memory = np.array([one.memory_bytes for one in costs])
    of_blocks = deployment.ledger.held_by_blocks(memory)
    beside = deployment.ledger.held_beside(np.array([one.activation_bytes for one in costs]))
    least = of_blocks + beside
    copies = deployment.copies.held_bytes
    if copies.any():
        least = np.maximum(least, np.where(copies > 0.0, cluster.runtime_bytes, 0.0)) + copies
    most = np.full(len(cluster.devices), np.inf)
    if watch is not None:
        least, most = np.maximum(least, watch.least_bytes), watch.most_bytes
    load = StretchLoad(
        np.array([one.block_s for one in times]),
        np.array([one.task_s for one in times]),
        np.array([one.message_bytes for one in costs]),
        least,
        most,
    )
    return Stretch(batches, costs, of_blocks, beside, load)

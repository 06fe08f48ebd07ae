"""Load and rows of a stretch: consecutive steps that kernels run without a return to Python."""

from typing import NamedTuple

import numpy as np

from headway.simcore.arrays import FloatArray


class StretchLoad(NamedTuple):
    """The costs of the steps of a stretch, and the limits of memory and time at which it ends early.

    Attributes:
        block_s: seconds of one block, see `TaskTimes`, shape (steps, kinds, devices).
        task_s: fixed seconds of a task, shape (steps, kinds, devices).
        message_bytes: by payload, see `StepCost`, shape (steps, 6).
        least_bytes: memory that each device needs when a step begins, shape (steps, devices).
        most_bytes: no step begins when a device has this much memory: a shortage is over, shape (devices,).
        until_s: when a device goes down or comes back; no step begins from then on.
    """

    block_s: FloatArray
    task_s: FloatArray
    message_bytes: FloatArray
    least_bytes: FloatArray
    most_bytes: FloatArray
    until_s: float


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

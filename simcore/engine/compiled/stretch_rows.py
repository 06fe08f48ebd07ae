"""Load and rows of a stretch: consecutive steps that kernels run without a return to Python."""

from typing import NamedTuple

import numpy as np

from headway.simcore.arrays import FloatArray

NO_SWAP, SWAP_EXCESS, SWAP_ALL = range(3)
"""Without swapping; every block is read in part; all blocks of a full device are read (`lru`)."""


class StretchLoad(NamedTuple):
    """The costs of the steps of a stretch, and the limits of memory and time at which it ends early.

    Attributes:
        block_s: seconds of one block, see `TaskTimes`, shape (steps, kinds, devices).
        task_s: fixed seconds of a task, shape (steps, kinds, devices).
        message_bytes: by payload, see `StepCost`, shape (steps, 6).
        memory_bytes: of a block of each kind after each step, shape (steps, kinds).
        of_blocks: bytes that blocks hold on each device, shape (steps, devices).
        beside: bytes of activations and runtime, shape (steps, devices).
        swap: how blocks without room are read from disk: `NO_SWAP`, `SWAP_EXCESS` or `SWAP_ALL`.
        disk_bandwidth: of each device [bytes/s], shape (devices,).
        least_bytes: no step begins when a device has less memory than this, shape (steps, devices).
        most_bytes: no step begins when a device has this much memory: a shortage is over, shape (devices,).
        until_s: when a device goes down or comes back; no step begins from then on.
    """

    block_s: FloatArray
    task_s: FloatArray
    message_bytes: FloatArray
    memory_bytes: FloatArray
    of_blocks: FloatArray
    beside: FloatArray
    swap: int
    disk_bandwidth: FloatArray
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
        reading: of the step in flight: seconds of reading per byte of the blocks on each device, shape (devices,).
    """

    end_s: FloatArray
    parts_s: FloatArray
    busy_s: FloatArray
    available_bytes: FloatArray
    reading: FloatArray


def empty_rows(load: StretchLoad) -> StretchRows:
    """Rows for all steps of a stretch."""
    steps, devices = load.least_bytes.shape
    shapes = (steps,), (steps, 4), (steps, devices), (steps, devices), (devices,)
    return StretchRows(*(np.zeros(shape) for shape in shapes))

"""Disciplines: the order in which a device serves its tasks in simulated time.

A task of s nominal seconds ends when it has received s seconds of the device's availability. Under `fifo` tasks run one
after another; under `ps` (processor sharing) all tasks run at once, each with an equal share.

A task reads from disk before it computes, or under `prefetch` while it computes; it ends when both have ended.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import simpy

from headway.simcore.engine.fifo import FifoProcessor
from headway.simcore.engine.processor_sharing import SharedProcessor
from headway.simcore.engine.task import Processor
from headway.simcore.registry import Registry
from headway.simcore.world.device import Device


@dataclass(frozen=True)
class Discipline:
    """The order in which a device serves its tasks.

    Attributes:
        name: in scenarios.
        processor: creates the processor of a device, without tasks.
        prefetching: creates one whose tasks read and compute at the same time; None if there is none.
    """

    name: str
    processor: Callable[[simpy.Environment, Device], Processor]
    prefetching: Callable[[simpy.Environment, Device], Processor] | None = None


FIFO = Discipline("fifo", FifoProcessor, partial(FifoProcessor, prefetch=True))
PROCESSOR_SHARING = Discipline("ps", SharedProcessor, partial(SharedProcessor, prefetch=True))

DISCIPLINES: Registry[Discipline] = Registry(
    "discipline", "headway.disciplines", {one.name: one for one in (FIFO, PROCESSOR_SHARING)}
)
"""Every discipline by name."""


def processor(env: simpy.Environment, device: Device, prefetch: bool = False) -> Processor:
    """The processor of a device, by its discipline.

    Args:
        env: the SimPy environment.
        device: whose tasks it computes.
        prefetch: whether its tasks read and compute at the same time.

    Raises:
        ValueError: the discipline has no such processor.
    """
    discipline = DISCIPLINES.find(device.discipline)
    make = discipline.prefetching if prefetch else discipline.processor
    if make is None:
        raise ValueError(f"the discipline {discipline.name!r} has no processor that reads while it computes")
    return make(env, device)

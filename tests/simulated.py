"""What tests need to act at moments of simulated time, and to wait in processes for what calls back."""

from collections.abc import Callable, Generator
from typing import Any

import simpy

from headway.simcore.engine.task import Processor, Task
from headway.simcore.errors import RunEndedError


def at(env: simpy.Environment, time_s: float, action: Callable[[], object]) -> None:
    """Do something at a moment that is not over."""

    def act(_: simpy.Event) -> None:
        action()

    env.timeout(time_s - env.now).callbacks.append(act)


def unexpected(error: RunEndedError) -> None:
    """What is told of a failure where there must be none."""
    raise error


def computed(
    env: simpy.Environment, device: Processor, nominal_s: float, disk_s: float = 0.0
) -> Generator[simpy.Event, Any, Task]:
    """Compute a task in a process; the generator ends when it is done. Closing it cancels the task.

    Raises:
        RunEndedError: the task can never be done.
    """
    done = env.event()

    def succeed(task: Task) -> None:
        done.succeed(task)

    def fail(error: RunEndedError) -> None:
        done.fail(error)

    task = device.submit(nominal_s, disk_s, succeed, fail)
    try:
        yield done
    finally:
        done.defused = True
        device.cancel(task)
    return task

"""Many tasks on several processes, with the same results for any number of them."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

_Task = TypeVar("_Task")
_Done = TypeVar("_Done")


def mapped(function: Callable[[_Task], _Done], tasks: Sequence[_Task], workers: int) -> Iterator[_Done]:
    """The result of each task, in the order of the tasks.

    Args:
        function: of one task; like tasks and results it must survive pickling.
        tasks: they share nothing.
        workers: processes; with 1, or a single task, everything happens in this one.
    """
    if min(workers, len(tasks)) <= 1:
        yield from map(function, tasks)
        return
    # New interpreters and not forks: the same on every system, and nothing is inherited by accident.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(tasks)), context, _end_quietly) as pool:
        try:
            yield from pool.map(function, tasks)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _end_quietly() -> None:
    """Let Ctrl-C, which a terminal sends to workers too, end them without a traceback each."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)

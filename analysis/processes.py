"""Many tasks on several processes, with the same results for any number of them."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

_Task = TypeVar("_Task")
_Done = TypeVar("_Done")

_CAN_BLOCK = hasattr(signal, "pthread_sigmask")  # not on Windows


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
    with Processes(min(workers, len(tasks)), context, _end_quietly) as pool:
        try:
            yield from pool.map(function, tasks)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class Processes(ProcessPoolExecutor):
    """A pool whose processes do not hear Ctrl-C, which a terminal sends to them too, from their first moment.

    What begins is told in a traceback otherwise; a process that is to end by Ctrl-C can listen for it when it is ready.
    """

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """As any pool; it is here that processes begin, and they inherit which signals are blocked."""
        with blocked("SIGINT"):
            return super().submit(fn, *args, **kwargs)


@contextmanager
def blocked(name: str) -> Iterator[None]:
    """Keep a signal from this thread for a while, and from processes that begin meanwhile for good."""
    if not _CAN_BLOCK:
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.Signals[name]})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_quietly() -> None:
    """Let Ctrl-C end workers without a traceback each; also one that came while they began."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if _CAN_BLOCK:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

"""A pool of processes that end with this process, and not with Ctrl-C.

A process of the pool imports this module and those of its calls; so this one imports no others of Headway.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any


@contextmanager
def process_pool(count: int) -> Iterator[Executor]:
    """A pool of processes that is stopped at once when the block ends; by then its work is done or given up."""
    context = multiprocessing.get_context("spawn")
    # Workers wait until this pipe is closed. Only this process holds the other end, so they end with it, also after
    # SIGKILL.
    theirs, ours = context.Pipe(duplex=False)
    # The pool starts Python's resource tracker, which prints warnings if it ends with the terminal.
    with _blocked("SIGHUP"):
        pool = _Processes(count, context, _end_with_parent, (theirs,))
    try:
        yield pool
    finally:
        ours.close()
        pool.shutdown(wait=True, cancel_futures=True)


class _Processes(ProcessPoolExecutor):
    """A pool whose processes ignore Ctrl-C from their start. A terminal sends it to them too."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Submit a call. The pool starts its processes here, and they inherit the blocked signals."""
        with _blocked("SIGINT"):
            return super().submit(fn, *args, **kwargs)


@contextmanager
def _blocked(name: str) -> Iterator[None]:
    """Block a signal for this thread during the block, and permanently for processes that start in it."""
    if not hasattr(signal, "pthread_sigmask"):  # as on Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.Signals[name]})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent(parent: "Connection[Any, Any]") -> None:
    """Let this worker, and processes that a policy forks, end with the runner instead of with the terminal."""

    def wait() -> None:
        parent.poll(None)
        os._exit(1)

    def watch() -> None:
        threading.Thread(target=wait, daemon=True).start()

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.register_at_fork(after_in_child=watch)
    watch()

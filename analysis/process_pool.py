"""A pool of processes that end with this process, and not with Ctrl-C.

On Linux they are forks of another process, the fork server, which has imported the policies once for all of them
(docs/decisions, 48). Elsewhere each is a new interpreter, which imports this module and those of its calls; so this one
imports no others of Headway.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from types import FrameType
from typing import Any

_HAS_FORK_SERVER = sys.platform == "linux"  # libraries of macOS may crash in a fork


def get_ready() -> BaseContext:
    """Start what pools need beside their processes; the fork server imports the policies while this process goes on.

    Returns:
        How processes start. Without a fork server each is a new interpreter.
    """
    # Both end with this process, not with the terminal: Python's resource tracker would print warnings.
    with _blocked("SIGHUP"):
        resource_tracker.ensure_running()  # it ignores Ctrl-C by itself, and unblocks it here
        if _HAS_FORK_SERVER:
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(["headway.policies"])
            try:
                with _blocked("SIGINT"):
                    forkserver.ensure_running()
                return context
            except OSError:  # the path of its socket, which is in the folder for temporary files, is too long
                pass
    return multiprocessing.get_context("spawn")


@contextmanager
def process_pool(count: int) -> Iterator[Executor]:
    """A pool of processes that is stopped at once when the block ends; by then its work is done or given up."""
    context = get_ready()
    # Workers wait until this pipe is closed. Only this process holds the other end, so they end with it, also after
    # SIGKILL.
    theirs, ours = context.Pipe(duplex=False)
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
        with _ctrl_c_afterwards(), _blocked("SIGINT"):
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


@contextmanager
def _ctrl_c_afterwards() -> Iterator[None]:
    """Let Ctrl-C interrupt this process after the block: another thread may receive the signal that this one blocks."""
    if threading.current_thread() is not threading.main_thread():  # Python handles signals in the main thread
        yield
        return
    pressed = False

    def press(_: int, __: FrameType | None) -> None:
        nonlocal pressed
        pressed = True

    before = signal.signal(signal.SIGINT, press)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if pressed:
            signal.raise_signal(signal.SIGINT)


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

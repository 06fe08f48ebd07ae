"""Ctrl-C ends a command with one line and the exit code 130, at any time.

While a command runs, Ctrl-C raises `KeyboardInterrupt`, so that unfinished files are removed. Before and after that
there is nothing to remove, and the process ends at once. This module is imported first, so it imports little.
"""

import _thread
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

INTERRUPTED = 130
_RETRY_S = 0.01


def end_at_once() -> None:
    """Let Ctrl-C end the process at once from now on, unless the parent process has set it to be ignored."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)
        sys.unraisablehook = _raise_again


def _end(_: int, __: FrameType | None) -> None:
    os.write(2, b"headway: interrupted\n")
    os._exit(INTERRUPTED)


def _raise_again(lost: Any) -> None:
    """Raise a lost `KeyboardInterrupt` again: Python ignores exceptions in callbacks of its garbage collector."""
    if isinstance(lost.exc_value, KeyboardInterrupt):
        # Not `threading.Thread`, whose `start` waits: on a busy machine the signal would arrive here and be lost again.
        _thread.start_new_thread(_press, ())
    else:
        sys.__unraisablehook__(lost)


def _press() -> None:
    time.sleep(_RETRY_S)
    os.kill(os.getpid(), signal.SIGINT)


@contextmanager
def raised() -> Iterator[None]:
    """Let Ctrl-C raise `KeyboardInterrupt` in this block instead of ending the process at once.

    If code in the block catches it, as some libraries do on import, it is raised again at the end of the block.
    """
    if signal.getsignal(signal.SIGINT) is not _end:
        yield
        return
    pressed = False

    def press(_: int, __: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        raise KeyboardInterrupt

    try:
        signal.signal(signal.SIGINT, press)
        yield
    finally:
        signal.signal(signal.SIGINT, _end)
        if pressed:
            raise KeyboardInterrupt

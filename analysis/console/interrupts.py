"""Ctrl-C ends a command with one line and the exit code 130, whenever it is pressed.

While a command is at work, Ctrl-C raises `KeyboardInterrupt`, so that what was begun is cleaned up. Before and after
that there is nothing to clean up, and the process ends at once. This module imports little, for it is imported first.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

INTERRUPTED = 130
_RETRY_S = 0.01


def end_at_once() -> None:
    """Let Ctrl-C end the process at once from now on, unless the caller lets it be ignored."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)
        sys.unraisablehook = _raise_again


def _end(_: int, __: FrameType | None) -> None:
    os.write(2, b"headway: interrupted\n")
    os._exit(INTERRUPTED)


def _raise_again(lost: Any) -> None:
    """Raise `KeyboardInterrupt` once more where it was lost: Python drops what callbacks of its collector raise."""
    if isinstance(lost.exc_value, KeyboardInterrupt):
        retry = threading.Timer(_RETRY_S, os.kill, (os.getpid(), signal.SIGINT))
        retry.daemon = True
        retry.start()
    else:
        sys.__unraisablehook__(lost)


@contextmanager
def raised() -> Iterator[None]:
    """Let Ctrl-C raise `KeyboardInterrupt` in this block, where it would end the process at once otherwise.

    It is raised at the end of the block once more if somebody has caught it there, as some libraries do on import.
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

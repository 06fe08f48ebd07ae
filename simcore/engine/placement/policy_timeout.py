"""A limit to the wall time of a call: the net under policies that never answer.

In the main thread a timer of the operating system interrupts what runs, sleeps included. In other threads a watchdog
has the interpreter raise an exception between two of its instructions, so a sleep or a long call into C code is found
out when it returns. Whoever catches every exception and goes on is interrupted again, ever faster; what still comes
back in the end is refused for being late. Nothing helps against C code that never returns, and little against a loop
that sleeps all the time and catches everything.
"""

import ctypes
import math
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

from traces.errors import InputError, shown

DEFAULT_LIMIT_S = 300.0
"""Far above any decision that is worth waiting for: `exact-milp`, the slowest that is shipped, gives up after 60 s."""

_LONGEST_S = 1e7
"""Timers refuse very long times; four months are as good as for ever."""

_AGAIN_S = 0.05
_SOONEST_S = 1e-4

Answer = TypeVar("Answer")


class OverdueError(Exception):
    """The call took longer than it may; its cause was raised where it was interrupted, if it was."""


class Interruption(BaseException):
    """Raised in the midst of a call that is overdue; no `Exception`, so that nobody catches it by accident.

    It must be let through: it may belong to a call that another is a part of.
    """


class Deadline:
    """Makes calls one after another, all from one thread, each with the same limit.

    Args:
        limit_s: wall time that a call may take [s]; None for any.

    Raises:
        InputError: the limit is not a finite number above 0.
    """

    _bell: "_Alarm | _Watchdog | None" = None

    def __init__(self, limit_s: float | None) -> None:
        if limit_s is not None and not 0.0 < limit_s < math.inf:
            accepted = "seconds above 0, or None for no limit"
            raise InputError("decision_limit_s", shown(limit_s), accepted)
        self._limit_s = None if limit_s is None else min(limit_s, _LONGEST_S)

    def call(self, function: Callable[[], Answer]) -> Answer:
        """What a function returns, if it does so in time.

        Raises:
            OverdueError: it does not.
            BaseException: what the function raises.
        """
        if self._limit_s is None:
            return function()
        bell = self._chosen(self._limit_s)
        begun = time.monotonic()
        try:
            answer = bell.call(function)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if bell.rung:  # Whatever became of the interruption on its way here.
                raise self._overdue() from error
            raise
        if bell.rung or time.monotonic() - begun > self._limit_s:
            raise self._overdue()
        return answer

    def close(self) -> None:
        """No more calls will be made: end the watchdog, if there is one."""
        if isinstance(self._bell, _Watchdog):
            self._bell.close()
        self._bell = None

    def __del__(self) -> None:
        """Whoever forgets a deadline has no use for its watchdog."""
        self.close()

    def _overdue(self) -> OverdueError:
        return OverdueError(f"no answer within {self._limit_s:g} s")

    def _chosen(self, limit_s: float) -> "_Alarm | _Watchdog":
        if _alarm_is_free():
            if not isinstance(self._bell, _Alarm):
                self.close()
                self._bell = _Alarm(limit_s)
        elif not isinstance(self._bell, _Watchdog):
            self._bell = _Watchdog(limit_s)
        return self._bell


def _alarm_is_free() -> bool:
    """Whether the timer of the operating system can be used: here, and by nobody else now."""
    return (
        hasattr(signal, "setitimer")
        and threading.current_thread() is threading.main_thread()
        and signal.getitimer(signal.ITIMER_REAL)[0] == 0.0
        and signal.getsignal(signal.SIGALRM) is not None
    )


class _Alarm:
    """Interrupts calls of the main thread by a signal.

    Python looks for signals when a call returns and when a loop begins anew, never between an assignment and what
    stands before it: after `_armed = False`, the first thing that happens when a call is over, none is raised any more.

    Attributes:
        rung: whether the last call was interrupted.
    """

    def __init__(self, limit_s: float) -> None:
        self.rung = False
        self._armed = False
        self._limit_s = limit_s
        self._pause_s = _AGAIN_S

    def call(self, function: Callable[[], Answer]) -> Answer:
        self.rung, self._pause_s = False, _AGAIN_S
        before = signal.signal(signal.SIGALRM, self._ring)
        try:
            self._armed = True
            signal.setitimer(signal.ITIMER_REAL, self._limit_s, _AGAIN_S)
            return function()
        finally:
            self._armed = False
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, before)

    def _ring(self, _: int, frame: FrameType | None) -> None:
        if self._armed:
            self.rung = True
            signal.setitimer(signal.ITIMER_REAL, self._pause_s, _AGAIN_S)
            self._pause_s = max(self._pause_s / 2, _SOONEST_S)
            raise Interruption


class _Watchdog:
    """Interrupts calls of the thread that makes it, from a thread of its own.

    The watchdog says that it barks before it looks whether a call is under way, and the caller says that its call is
    over before it looks whether the watchdog barks: so one of them sees the other, and nothing is raised afterwards.

    Attributes:
        rung: whether the last call was interrupted.
    """

    def __init__(self, limit_s: float) -> None:
        self.rung = False
        self._limit_s = limit_s
        self._pause_s = _AGAIN_S
        self._due_s: float | None = None
        self._barking = False
        self._closed = threading.Event()
        self._master = ctypes.c_ulong(threading.get_ident())
        threading.Thread(target=self._watch, name="headway-watchdog", daemon=True).start()

    def call(self, function: Callable[[], Answer]) -> Answer:
        self.rung, self._pause_s = False, _AGAIN_S
        try:
            self._due_s = time.monotonic() + self._limit_s
            return function()
        finally:
            self._due_s = None
            if self._barking or self.rung:
                self._hush()

    def close(self) -> None:
        self._closed.set()

    def _hush(self) -> None:
        """Wait until the watchdog has barked, and hear what it said.

        What was said is heard and not unsaid, for which CPython 3.11 has no way: it would look out for it ever after,
        and hang where it traces.
        """
        while True:
            try:
                while self._barking:
                    time.sleep(1e-5)
                self._say()
                while True:
                    time.sleep(1e-5)
            except Interruption:
                if not self._barking:
                    return

    def _say(self) -> None:
        """Have the caller's thread raise an `Interruption` before long; said twice before it is heard, that is one."""
        ctypes.pythonapi.PyThreadState_SetAsyncExc(self._master, ctypes.py_object(Interruption))

    def _watch(self) -> None:
        pause_s = self._limit_s
        while not self._closed.wait(pause_s):
            pause_s = self._look()

    def _look(self) -> float:
        """Bark if the call is overdue; how long nothing can be overdue from now on [s]."""
        self._barking = True
        try:
            due_s = self._due_s
            if due_s is None:
                return self._limit_s
            if (left_s := due_s - time.monotonic()) > 0.0:
                return left_s
            self.rung = True
            self._say()
            pause_s, self._pause_s = self._pause_s, max(self._pause_s / 2, _SOONEST_S)
            return pause_s
        finally:
            self._barking = False

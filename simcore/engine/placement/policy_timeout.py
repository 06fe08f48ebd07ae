"""A limit to the wall time of a call: the safety net under policies that never answer.

The call is made in a thread of its own, and the caller stops waiting when the time is over. That works in every thread
and whatever the call does: it may loop, sleep, wait for a lock, run C code, or catch all exceptions. Ctrl-C reaches the
caller and not the call, so that the call cannot catch it.

No thread can be ended from outside. Python raises `SystemExit` in a call that is given up, which ends a loop of Python
code. A call that catches it, or that is in C code for longer than a second, goes on in the background until the process
ends. C code that never releases the global interpreter lock stops the caller too: nothing in the same process helps
against that.
"""

import contextlib
import contextvars
import ctypes
import math
import sys
import threading
import time
import traceback
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias, TypeVar

from headway.traces.errors import InputError, shown

DEFAULT_LIMIT_S = 300.0
"""Far above any decision that is worth waiting for: `exact-milp`, the slowest that is shipped, gives up after 60 s."""

_ATTEMPTS, _PAUSE_S = 10, 0.1
"""How often a call that is given up is told to end, and how long it is waited for each time."""

Answer = TypeVar("Answer")
_Calls: TypeAlias = "SimpleQueue[Callable[[], Any] | None]"
_Outcomes: TypeAlias = "SimpleQueue[tuple[Any, BaseException | None]]"


class OverdueError(Exception):
    """A call took longer than it may.

    Attributes:
        stack: file and line of each call that was under way when it was given up, the innermost last.
        spent_s: processor time of the process meanwhile.
    """

    def __init__(self, limit_s: float, stack: tuple[tuple[str, int], ...], spent_s: float) -> None:
        self.stack = stack
        self.spent_s = spent_s
        super().__init__(f"no answer within {limit_s:g} s")


class Deadline:
    """Makes calls one after another, each with the same limit. All of them are made in one thread.

    Args:
        limit_s: wall time that a call may take [s]. None: any, and calls are made in the thread of the caller.

    Raises:
        InputError: the limit is not a finite number above 0.
    """

    _thread: "_Thread | None" = None

    def __init__(self, limit_s: float | None) -> None:
        if limit_s is not None and not 0.0 < limit_s < math.inf:
            accepted = "seconds above 0, or None for no limit"
            raise InputError("decision_limit_s", shown(limit_s), accepted)
        self._limit_s = limit_s

    def call(self, function: Callable[[], Answer]) -> Answer:
        """What a function returns, if it does so in time.

        Raises:
            OverdueError: it does not.
            BaseException: what the function raises.
        """
        if self._limit_s is None:
            return function()
        # Kept for the next call only if it answers this one.
        thread, self._thread = self._thread or _Thread(), None
        begun_s = time.process_time()
        try:
            answer, error = thread.call(function, self._limit_s)
        except Empty:
            spent_s = time.process_time() - begun_s
            raise OverdueError(self._limit_s, thread.give_up(), spent_s) from None
        except BaseException:  # such as Ctrl-C
            thread.give_up()
            raise
        self._thread = thread
        if error is not None:
            raise error
        done: Answer = answer
        return done

    def close(self) -> None:
        """No more calls will be made: end the thread."""
        if self._thread is not None:
            self._thread.calls.put(None)
        self._thread = None

    def __del__(self) -> None:
        """Whoever forgets a deadline has no use for its thread."""
        self.close()


class _Thread:
    """A thread that makes calls.

    Attributes:
        calls: to be made; None is the last.
    """

    def __init__(self) -> None:
        self.calls: _Calls = SimpleQueue()
        self._outcomes: _Outcomes = SimpleQueue()
        self._ended: SimpleQueue[None] = SimpleQueue()
        arguments = (self.calls, self._outcomes, self._ended)
        self._thread = threading.Thread(target=_serve, args=arguments, name="headway-policy", daemon=True)
        self._thread.start()

    def call(self, function: Callable[[], Any], limit_s: float) -> tuple[Any, BaseException | None]:
        """What a function returns and what it raises; `Empty` when that takes too long."""
        context = contextvars.copy_context()
        self.calls.put(lambda: context.run(function))
        return self._outcomes.get(timeout=min(limit_s, threading.TIMEOUT_MAX))

    def give_up(self) -> tuple[tuple[str, int], ...]:
        """End the thread, now or when its call returns; where that call is, as in `OverdueError`."""
        ident = self._thread.ident
        assert ident is not None  # it has been started, and does not end before it is told to below
        steps = traceback.walk_stack(sys._current_frames()[ident])
        stack = [(frame.f_code.co_filename, line) for frame, line in steps]
        self.calls.put(None)
        threading.Thread(target=_end, args=(ident, self._ended), name="headway-end", daemon=True).start()
        return tuple(reversed(stack))


def _end(ident: int, ended: "SimpleQueue[None]") -> None:
    """Raise `SystemExit` in a thread, and take it back if that has not ended it in time.

    As long as it is not raised, because the thread is in C code, all Python code of the process is slower; and in
    Python 3.11 a debugger or a measurement of coverage makes any function that is called meanwhile wait for ever. So
    nothing is called here that is written in Python.
    """
    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
    other, me = ctypes.c_ulong(ident), ctypes.c_ulong(threading.get_ident())
    error, nothing = ctypes.py_object(SystemExit), ctypes.c_void_p()
    for _ in range(_ATTEMPTS):
        # Not once: what is raised in a callback of the garbage collector is ignored.
        raise_in(other, error)
        try:
            return ended.get(True, _PAUSE_S)
        except Empty:
            pass
    raise_in(other, nothing)
    # Python forgets that something is to be raised only where something is, which may be here.
    try:
        raise_in(me, error)
        while True:
            pass
    except SystemExit:
        pass


def _serve(calls: _Calls, outcomes: _Outcomes, ended: "SimpleQueue[None]") -> None:
    try:
        _answer(calls, outcomes)
    finally:
        ended.put(None)


def _answer(calls: _Calls, outcomes: _Outcomes) -> None:
    # It is raised here if the call returns in the moment in which it is given up.
    with contextlib.suppress(SystemExit):
        while (call := calls.get()) is not None:
            try:
                outcomes.put((call(), None))
            except BaseException as error:
                outcomes.put((None, error))
            del call  # and with it what the function holds

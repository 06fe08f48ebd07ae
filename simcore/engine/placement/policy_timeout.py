"""A limit on the wall time of a call, for policies that may never return.

A call runs in another thread, and the caller stops waiting when the time is over. This works in every thread and
whatever the call does: it may loop, sleep, wait for a lock, run C code, or catch all exceptions. Ctrl-C reaches the
caller and not the call, so that the call cannot catch it.

Python cannot stop a thread from outside. This module raises `SystemExit` in an overdue call, which ends a loop of
Python code. A call that catches it, or that is in C code for longer than a second, runs on in the background
until the process ends. C code that never releases the global interpreter lock stops the caller too: nothing in the same
process helps against that.
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

from headway.traces.errors import InputError, quoted

DEFAULT_LIMIT_S = 300.0
"""Default limit [s], far above any useful decision time: `exact-milp`, the slowest shipped policy, stops after 60 s."""

_ATTEMPTS, _PAUSE_S = 10, 0.1
"""Number of attempts to end an overdue call, and the wait after each [s]."""

_SHORT = 0.01
"""Share of the limit below which a call is short."""

_WAIT_S = 1.0
"""The longest wait for a call without a look at signals [s]."""

Answer = TypeVar("Answer")
_Calls: TypeAlias = "SimpleQueue[Callable[[], Any] | None]"
_Outcomes: TypeAlias = "SimpleQueue[tuple[Any, BaseException | None]]"


class OverdueError(Exception):
    """A call exceeded its time limit.

    Attributes:
        stack: file and line of each active frame when the call was stopped, the innermost last.
        spent_s: processor time of the process during the call.
    """

    def __init__(self, limit_s: float, stack: tuple[tuple[str, int], ...], spent_s: float) -> None:
        self.stack = stack
        self.spent_s = spent_s
        super().__init__(f"no answer within {limit_s:g} s")


class Deadline:
    """Makes calls one after another, each with the same time limit.

    Args:
        limit_s: wall time that a call may take [s]. None: no limit, and calls run in the thread of the caller.
        ends: whether calls always end. Then a call after a short one runs in the thread of the caller, which notices
            an overdue call after its end. Another thread often is another processor, with nothing of the run in its
            caches.

    Raises:
        InputError: the limit is not a finite number above 0.
    """

    _thread: "_Thread | None" = None

    def __init__(self, limit_s: float | None, *, ends: bool = False) -> None:
        if limit_s is not None and not 0.0 < limit_s < math.inf:
            expected = "seconds above 0, or None for no limit"
            raise InputError("decision_limit_s", quoted(limit_s), expected)
        self._limit_s = limit_s
        self._ends = ends
        self._last_s = math.inf  # the time of the last call

    def call(self, function: Callable[[], Answer]) -> Answer:
        """Call a function and return its result.

        Raises:
            OverdueError: the function exceeds the limit.
            BaseException: the function raises it.
        """
        if self._limit_s is None:
            return function()
        here = self._ends and self._last_s < _SHORT * self._limit_s
        begun_s, begun = time.process_time(), time.monotonic()
        answer = function() if here else self._elsewhere(function, self._limit_s)
        self._last_s = time.monotonic() - begun
        if here and self._last_s > self._limit_s:
            raise OverdueError(self._limit_s, (), time.process_time() - begun_s)
        return answer

    def _elsewhere(self, function: Callable[[], Answer], limit_s: float) -> Answer:
        """The result of a function that is called in another thread; raises what it raises, and `OverdueError`."""
        # Keep the thread for the next call only if this call returns in time.
        thread, self._thread = self._thread or _Thread(), None
        begun_s = time.process_time()
        try:
            answer, error = thread.call(function, limit_s)
        except Empty:
            spent_s = time.process_time() - begun_s
            raise OverdueError(limit_s, thread.give_up(), spent_s) from None
        except BaseException:  # such as Ctrl-C
            thread.give_up()
            raise
        self._thread = thread
        if error is not None:
            raise error
        done: Answer = answer
        return done

    def close(self) -> None:
        """End the thread; make no more calls."""
        if self._thread is not None:
            self._thread.close()
        self._thread = None

    def __del__(self) -> None:
        """End the thread of a `Deadline` that was not closed."""
        self.close()


class _Thread:
    """A thread that makes calls."""

    def __init__(self) -> None:
        self._calls: _Calls = SimpleQueue()
        self._outcomes: _Outcomes = SimpleQueue()
        self._ended: SimpleQueue[None] = SimpleQueue()
        self._released: SimpleQueue[None] = SimpleQueue()
        arguments = (self._calls, self._outcomes, self._ended, self._released)
        self._thread = threading.Thread(target=_serve, args=arguments, name="headway-policy", daemon=True)
        self._thread.start()

    def call(self, function: Callable[[], Any], limit_s: float) -> tuple[Any, BaseException | None]:
        """The result and the exception of a function; raises `Empty` if it takes too long."""
        context = contextvars.copy_context()
        self._calls.put(lambda: context.run(function))
        end_s = time.monotonic() + limit_s
        while True:
            # Ctrl-C in the moment before the wait is only noticed at its end, so one wait is short.
            left_s = max(0.0, end_s - time.monotonic())
            try:
                return self._outcomes.get(timeout=min(left_s, _WAIT_S))
            except Empty:
                if left_s <= _WAIT_S:
                    raise

    def close(self) -> None:
        """End the thread, which makes no call."""
        self._released.put(None)
        self._calls.put(None)

    def give_up(self) -> tuple[tuple[str, int], ...]:
        """End the thread, now or when its call returns; returns the `stack` of `OverdueError`."""
        ident = self._thread.ident
        assert ident is not None  # it has been started, and does not end before the request below
        steps = traceback.walk_stack(sys._current_frames()[ident])
        stack = [(frame.f_code.co_filename, line) for frame, line in steps]
        self._calls.put(None)
        arguments = (ident, self._ended, self._released)
        threading.Thread(target=_end, args=arguments, name="headway-end", daemon=True).start()
        return tuple(reversed(stack))


def _end(ident: int, ended: "SimpleQueue[None]", released: "SimpleQueue[None]") -> None:
    """Raise `SystemExit` in a thread, and take it back if that has not ended it in time; then release the thread.

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
            ended.get(True, _PAUSE_S)
        except Empty:
            continue
        released.put(None)
        return
    raise_in(other, nothing)
    released.put(None)
    # Python forgets that something is to be raised only where something is, which may be here.
    try:
        raise_in(me, error)
        while True:
            pass
    except SystemExit:
        pass


def _serve(
    calls: _Calls, outcomes: _Outcomes, ended: "SimpleQueue[None]", released: "SimpleQueue[None]"
) -> None:
    """Make calls until one is None."""
    # `SystemExit` is raised outside a call if that returns in the moment in which it is given up.
    with contextlib.suppress(SystemExit):
        try:
            while (call := calls.get()) is not None:
                try:
                    outcomes.put((call(), None))
                except BaseException as error:
                    outcomes.put((None, error))
                del call  # and with it what the function holds
        finally:
            ended.put(None)
            # A new thread can have the identity of one that is over, and would be ended in its place.
            released.get()

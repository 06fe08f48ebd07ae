"""Sending calls to workers that may die.

Few calls are in progress at a time. If a call is lost, because its worker died or could not be reached, its parts are
tried one at a time with nothing else in progress, to find the part that ends its worker. A part that is lost `ATTEMPTS`
times is given up.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from headway.analysis.experiments.executors import Workers, processes
from headway.traces.errors import InputError, error_text

ATTEMPTS = 3
"""Number of times that a part of a call may be lost before it is given up."""

_POLL_S = 0.5

_Call = TypeVar("_Call")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Lost:
    """The outcome of a call that was given up.

    Attributes:
        reason: for messages.
    """

    reason: str


@dataclass
class Dispatcher(Generic[_Call, _Result]):
    """Sends calls to workers and collects the results.

    Attributes:
        workers: make the calls.
        submit: submits a call to an executor.
        split: splits a call into parts that can be made alone.
        is_fatal: whether an exception of a call ends everything; after other exceptions the call is tried again.
        log: receives a line about each loss.
    """

    workers: Workers
    submit: Callable[[Executor, _Call], "Future[_Result]"]
    split: Callable[[_Call], Iterable[_Call]]
    is_fatal: Callable[[BaseException], bool]
    log: Callable[[str], None] = lambda _: None
    _in_progress: "dict[Future[_Result], _Sent[_Call]]" = field(default_factory=dict)
    _suspects: "deque[tuple[_Call, int]]" = field(default_factory=deque)

    def results(
        self, calls: Iterator[_Call], stop: Callable[[], bool] = lambda: False
    ) -> Iterator[list[tuple[_Call, _Result | Lost]]]:
        """Yield the calls, or parts of calls, that have ended, with their results; a list every half second or sooner.

        Args:
            calls: taken one by one, when a worker is free.
            stop: whether to finish the calls in progress and start no others.

        Raises:
            BaseException: a fatal exception of a call, or that of a broken executor that cannot be replaced.
        """
        while True:
            if stop():
                self._cancel_waiting()
            else:
                self._send(calls)
            if not self._in_progress:
                return
            done, _ = wait(self._in_progress, timeout=_POLL_S, return_when=FIRST_COMPLETED)
            yield [one for future in done for one in self._outcome(future, self._in_progress.pop(future))]

    def _send(self, calls: Iterator[_Call]) -> None:
        """Keep two calls per worker in progress, so that none waits; send a suspect only while nothing else runs."""
        # If all workers are gone, `count` raises that error before a call is suspected.
        limit = 2 * max(1, self.workers.count())
        if self._suspects:
            if not self._in_progress:
                self._submit(*self._suspects.popleft())
            return
        while len(self._in_progress) < limit:
            for call in calls:
                self._submit(call)
                break
            else:
                return

    def _submit(self, call: _Call, losses: int | None = None) -> None:
        executor = self.workers.executor
        try:
            future = self.submit(executor, call)
        except BrokenExecutor as error:
            future = Future()
            future.set_exception(error)
        self._in_progress[future] = _Sent(call, executor, losses)

    def _cancel_waiting(self) -> None:
        """Cancel the calls that no worker has started."""
        for future in [future for future in self._in_progress if future.cancel()]:
            del self._in_progress[future]

    def _outcome(
        self, future: "Future[_Result]", sent: "_Sent[_Call]"
    ) -> Iterator[tuple[_Call, _Result | Lost]]:
        error = CancelledError() if future.cancelled() else future.exception()
        if error is None:
            yield sent.call, future.result()
        elif self.is_fatal(error):
            raise error
        else:
            yield from self._retry(sent, error)

    def _retry(self, sent: "_Sent[_Call]", error: BaseException) -> Iterator[tuple[_Call, Lost]]:
        """Suspect each part of a lost call; give up a part that was lost too often while it ran alone."""
        parts = list(self.split(sent.call))
        self.log(f"lost {len(parts)} runs: {error!r}")
        if not isinstance(error, BrokenExecutor):
            self.workers.forget()
        elif sent.executor is self.workers.executor and not self.workers.renew():
            raise error
        if sent.losses is None:
            self._suspects.extend((part, 0) for part in parts)
            return
        losses = sent.losses + (ATTEMPTS if self.workers.has_retried(error) else 1)
        if losses < ATTEMPTS:
            self._suspects.append((sent.call, losses))
        else:
            yield sent.call, Lost(f"no worker survived it, or none could make it: {error_text(error)}")


@dataclass(frozen=True)
class _Sent(Generic[_Call]):
    """A call in progress.

    Attributes:
        call: that was sent.
        executor: that received it.
        losses: how often it was lost while it ran alone; None if other calls run at the same time.
    """

    call: _Call
    executor: Executor
    losses: int | None


def mapped(
    function: Callable[[_Call], _Result],
    tasks: Sequence[_Call],
    count: int,
    describe: Callable[[_Call], str],
    watch: Callable[[], None] = lambda: None,
) -> Iterator[_Result]:
    """Apply a function to tasks on several processes, and yield the results in the order of the tasks.

    Args:
        function: of one task. The function, the tasks and the results must be picklable.
        tasks: independent of each other.
        count: number of processes; with 1, or a single task, this process does everything.
        describe: the name of a task in a message.
        watch: called every half second or sooner while other processes work.

    Raises:
        InputError: a task ends every process that tries it.
        Exception: an exception of the function.
    """
    if min(count, len(tasks)) <= 1:
        yield from map(function, tasks)
        return
    with processes(min(count, len(tasks))) as workers:
        dispatcher: Dispatcher[int, _Result] = Dispatcher(
            workers,
            lambda executor, number: executor.submit(function, tasks[number]),
            lambda number: [number],
            lambda error: not isinstance(error, BrokenExecutor),
        )
        early: dict[int, _Result] = {}
        due = 0
        for ended in dispatcher.results(iter(range(len(tasks)))):
            watch()
            for number, result in ended:
                if isinstance(result, Lost):
                    expected = "policies that do not end the worker process"
                    raise InputError(describe(tasks[number]), result.reason, expected)
                early[number] = result
            while due in early:
                yield early.pop(due)
                due += 1

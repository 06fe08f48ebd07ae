"""Calls to workers, whatever happens to the workers.

Only few calls are under way at a time. A call that never comes back, because its worker died or could not be reached,
is taken apart, and its parts are tried one at a time with nothing else under way: so it is known which of them it was.
One that fails `_STRIKES` times in this manner is given up.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from headway.analysis.experiments.executors import Workers, processes
from headway.traces.errors import InputError, told

_STRIKES = 3
_LOOK_S = 0.5

_Call = TypeVar("_Call")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Lost:
    """What comes back from a call that no worker could make.

    Attributes:
        reason: in words.
    """

    reason: str


@dataclass
class Dispatcher(Generic[_Call, _Result]):
    """Has calls made by workers.

    Attributes:
        workers: who makes them.
        submit: gives a call to an executor.
        apart: the parts of a call that can be made on their own.
        raises: whether an error is of the call itself, and ends everything; after others it is tried again.
        log: is told what is lost.
    """

    workers: Workers
    submit: Callable[[Executor, _Call], "Future[_Result]"]
    apart: Callable[[_Call], Iterable[_Call]]
    raises: Callable[[BaseException], bool]
    log: Callable[[str], None] = lambda _: None
    _under_way: "dict[Future[_Result], _Sent[_Call]]" = field(default_factory=dict)
    _suspects: "deque[tuple[_Call, int]]" = field(default_factory=deque)

    def results(
        self, calls: Iterator[_Call], stop: Callable[[], bool] = lambda: False
    ) -> Iterator[list[tuple[_Call, _Result | Lost]]]:
        """What has come back, each call or part of one with its result; at least every half second, if it be nothing.

        Args:
            calls: to be made; asked for one when there is room for it.
            stop: whether to finish what is under way, and leave the rest.

        Raises:
            BaseException: what `raises` says, or a broken executor that cannot be replaced.
        """
        while True:
            if stop():
                self._recall()
            else:
                self._send(calls)
            if not self._under_way:
                return
            done, _ = wait(self._under_way, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
            yield [one for future in done for one in self._received(future, self._under_way.pop(future))]

    def _send(self, calls: Iterator[_Call]) -> None:
        """Let every worker have something to do, and one call more; suspects go alone."""
        # Whoever is gone altogether says so here, before a call is blamed for it.
        room = 2 * max(1, self.workers.count())
        if self._suspects:
            if not self._under_way:
                self._submit(*self._suspects.popleft())
            return
        while len(self._under_way) < room:
            for call in calls:
                self._submit(call)
                break
            else:
                return

    def _submit(self, call: _Call, strikes: int | None = None) -> None:
        executor = self.workers.executor
        try:
            future = self.submit(executor, call)
        except BrokenExecutor as error:
            future = Future()
            future.set_exception(error)
        self._under_way[future] = _Sent(call, executor, strikes)

    def _recall(self) -> None:
        """Take back what no worker has begun."""
        for future in [future for future in self._under_way if future.cancel()]:
            del self._under_way[future]

    def _received(
        self, future: "Future[_Result]", sent: "_Sent[_Call]"
    ) -> Iterator[tuple[_Call, _Result | Lost]]:
        error = CancelledError() if future.cancelled() else future.exception()
        if error is None:
            yield sent.call, future.result()
        elif self.raises(error):
            raise error
        else:
            yield from self._lose(sent, error)

    def _lose(self, sent: "_Sent[_Call]", error: BaseException) -> Iterator[tuple[_Call, Lost]]:
        """A call will never come back: find out which part of it is to blame."""
        parts = list(self.apart(sent.call))
        self.log(f"lost {len(parts)} runs: {error!r}")
        if not isinstance(error, BrokenExecutor):
            self.workers.forget()
        elif sent.executor is self.workers.executor and not self.workers.renew():
            raise error
        if sent.strikes is None:
            self._suspects.extend((part, 0) for part in parts)
            return
        strikes = sent.strikes + (_STRIKES if self.workers.has_insisted(error) else 1)
        if strikes < _STRIKES:
            self._suspects.append((sent.call, strikes))
        else:
            yield sent.call, Lost(f"no worker survived it, or none could make it: {told(error)}")


@dataclass(frozen=True)
class _Sent(Generic[_Call]):
    """A call under way.

    Attributes:
        call: what is to be made.
        executor: who has it.
        strikes: how often it was lost when nothing else was under way; None where something else is.
    """

    call: _Call
    executor: Executor
    strikes: int | None


def mapped(
    function: Callable[[_Call], _Result],
    tasks: Sequence[_Call],
    count: int,
    describe: Callable[[_Call], str],
) -> Iterator[_Result]:
    """The result of each task, in the order of the tasks.

    Args:
        function: of one task; like tasks and results it must survive pickling.
        tasks: they share nothing.
        count: processes; with 1, or a single task, everything happens in this one.
        describe: what a task is called in a message.

    Raises:
        InputError: a task ends every process that tries it.
        Exception: what the function raises.
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
        waiting: dict[int, _Result] = {}
        due = 0
        for back in dispatcher.results(iter(range(len(tasks)))):
            for number, result in back:
                if isinstance(result, Lost):
                    expected = "policies that do not end the worker process"
                    raise InputError(describe(tasks[number]), result.reason, expected)
                waiting[number] = result
            while due in waiting:
                yield waiting.pop(due)
                due += 1

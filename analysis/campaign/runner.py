"""Makes the runs that a store lacks: bundles go out to workers, tables come back, whatever happens to the workers.

Only few bundles are on their way at a time, and worlds are read when they are needed, so memory does not grow with the
number of runs. An exception within a run is a row of the store. A bundle that never comes back, because a worker died
or could not be reached, is taken apart, and its runs are tried one at a time with nothing else under way: so it is
known which of them it was. One that fails `_STRIKES` times in this manner is recorded as failed.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from dataclasses import dataclass, replace
from functools import partial

from analysis.campaign.executors import Workers
from analysis.campaign.identity import engine_code
from analysis.campaign.log import Log
from analysis.campaign.plan import Plan
from analysis.campaign.store import Store, Writer
from analysis.campaign.survey import Survey, look
from analysis.campaign.worker import Batch, Bundle, Task, WrongCodeError, failure, probe, work
from analysis.campaign.world import packed
from simcore.simulate import RunOptions
from traces import Trace
from traces.errors import InputError, told

_STRIKES = 3
_CALL_S = 1.0
_MOST_IN_CALL = 64
_LOOK_S = 0.5


@dataclass(frozen=True)
class Tally:
    """How far a campaign is, in different runs.

    Attributes:
        total: of the campaign.
        before: in the store when this began.
        done: made since.
        failed: failed since.
        skipped: failed earlier and not tried again.
        stopped: whether somebody asked to stop before the end.
    """

    total: int
    before: int
    done: int = 0
    failed: int = 0
    skipped: int = 0
    stopped: bool = False

    @property
    def left(self) -> int:
        """Runs that are not in the store, whatever became of them."""
        return self.total - self.before - self.done


def run(
    plan: Plan,
    store: Store,
    workers: Workers,
    *,
    retry_failed: bool = False,
    options: RunOptions = RunOptions(),  # noqa: B008 (frozen)
    progress: Callable[[Tally], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Tally:
    """Make the runs of a campaign that a store lacks.

    Args:
        plan: of the campaign.
        store: may hold runs of other campaigns too.
        workers: who makes them; results are the same for any.
        retry_failed: try again what failed earlier.
        options: how runs are made; names and results are the same for any. A run whose policy takes too long, or that
            breaks a law in an audit, fails.
        progress: called whenever something has come back.
        stop: asked every half second whether to finish what is under way, and leave the rest.

    Raises:
        InputError: the store cannot be written, or workers have other code, do not live, or are gone for good.
    """
    with store.writer() as writer:
        survey = look(plan, store.view(), retry_failed=retry_failed)
        return _Runner(
            plan,
            workers,
            writer,
            Log(store.folder),
            partial(work, options=options),
            progress or (lambda _: None),
        ).go(survey, stop)


@dataclass(frozen=True)
class _Call:
    """What goes to a worker at once: bundles, and the traces that are not in them."""

    bundles: tuple[Bundle, ...]
    traces: Mapping[str, Trace]
    alone: bool = False

    @property
    def tasks(self) -> list[Task]:
        return [task for bundle in self.bundles for task in bundle.tasks]

    def apart(self) -> Iterator["_Call"]:
        """A call for each run, to be made when no other is under way."""
        for bundle in self.bundles:
            for task in bundle.tasks:
                yield _Call((Bundle(bundle.world, (task,)),), self.traces, alone=True)


class _Runner:
    def __init__(
        self,
        plan: Plan,
        workers: Workers,
        writer: Writer,
        log: Log,
        work: Callable[..., Batch],
        progress: Callable[[Tally], None],
    ) -> None:
        self._work = work
        self._plan = plan
        self._workers = workers
        self._writer = writer
        self._log = log
        self._progress = progress
        self._under_way: dict[Future[Batch], tuple[_Call, Executor]] = {}
        self._suspects: deque[_Call] = deque()
        self._strikes: Counter[str] = Counter()
        self._wall_s = 0.0

    def go(self, survey: Survey, stop: Callable[[], bool]) -> Tally:
        """Everything, from the first call to the last row in the store."""
        self._tally = Tally(total=survey.total, before=survey.present, skipped=survey.failed)
        self._begin(survey)
        calls = self._calls(survey)
        while True:
            self._tally = replace(self._tally, stopped=self._tally.stopped or stop())
            if self._tally.stopped:
                self._recall()
            else:
                self._send(calls)
            if not self._under_way:
                break
            done, _ = wait(self._under_way, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
            for future in done:
                self._receive(future, *self._under_way.pop(future))
            self._writer.turn()
            self._progress(self._tally)
        self._writer.commit()
        self._writer.fold()
        self._log.say(_summary(self._tally))
        return self._tally

    def _begin(self, survey: Survey) -> None:
        campaign, count = self._plan.campaign, self._workers.count()
        self._log.say(
            f"{campaign.name}: {survey.total} runs, {survey.present} of them in the store, "
            f"{survey.failed} failed earlier; up to {count} at a time"
        )
        self._writer.describe(campaign.name, self._plan.path, campaign.text, campaign.scenario)
        if survey.missing and self._probe() != engine_code():
            raise _other_code("another version of headway at a worker than at the runner")

    def _probe(self) -> str:
        """What workers would compute with; a worker may be ended before it has said so, but not one after another."""
        for _ in range(_STRIKES):
            self._workers.count()
            try:
                return self._workers.executor.submit(probe).result()
            except (BrokenExecutor, CancelledError) as error:
                self._log.say(f"a worker ended before its first run: {error!r}")
                if not self._workers.renew():
                    raise
                last = error
        raise InputError("workers", f"none that lives: {told(last)}", "workers that can be started")

    def _calls(self, survey: Survey) -> Iterator[_Call]:
        """Calls for all missing runs, so large that the way there and back does not matter."""
        bundles: list[Bundle] = []
        traces: dict[str, Trace] = {}
        room = self._room()
        for world, cases in self._plan.worlds(survey.todo(self._plan)):
            data, apart = packed(world.content, self._plan.fixed)
            tasks = [self._plan.task(i, name, survey.lacks(i)) for i, name in cases]
            while tasks:
                bundles.append(Bundle(data, tuple(tasks[:room])))
                traces |= apart
                tasks, room = tasks[room:], room - len(bundles[-1].tasks)
                if not room:
                    yield _Call(tuple(bundles), traces)
                    bundles, traces, room = [], {}, self._room()
        if bundles:
            yield _Call(tuple(bundles), traces)

    def _room(self) -> int:
        """Runs in a call, by what runs have taken so far."""
        if not self._tally.done:
            return 1
        return max(1, min(_MOST_IN_CALL, int(_CALL_S * self._tally.done / self._wall_s)))

    def _send(self, calls: Iterator[_Call]) -> None:
        """Let every worker have something to do, and one call more; suspects go alone."""
        # Whoever is gone altogether says so here, before a run is blamed for it.
        room = 2 * max(1, self._workers.count())
        if self._suspects:
            if not self._under_way:
                self._submit(self._suspects.popleft())
            return
        while len(self._under_way) < room:
            call = next(calls, None)
            if call is None:
                return
            self._submit(call)

    def _submit(self, call: _Call) -> None:
        executor = self._workers.executor
        traces = {name: self._workers.shared(name, trace) for name, trace in call.traces.items()}
        try:
            future = executor.submit(self._work, call.bundles, traces, engine_code())
        except BrokenExecutor as error:
            future = Future()
            future.set_exception(error)
        self._under_way[future] = (call, executor)

    def _recall(self) -> None:
        """Take back what no worker has begun."""
        for future in [future for future in self._under_way if future.cancel()]:
            del self._under_way[future]

    def _receive(self, future: "Future[Batch]", call: _Call, executor: Executor) -> None:
        error = CancelledError() if future.cancelled() else future.exception()
        if error is None:
            self._take(future.result())
        elif isinstance(error, WrongCodeError):
            raise _other_code(str(error)) from error
        else:
            self._lose(call, executor, error)

    def _take(self, batch: Batch) -> None:
        self._writer.add(batch.tables)
        self._wall_s += batch.wall_s
        done, failed = self._tally.done + batch.done, self._tally.failed + len(batch.failed)
        self._tally = replace(self._tally, done=done, failed=failed)
        for run, error in batch.failed.items():
            self._log.say(f"run {run} failed: {error}")

    def _lose(self, call: _Call, executor: Executor, error: BaseException) -> None:
        """A call will never come back: find out which of its runs is to blame."""
        self._log.say(f"lost {len(call.tasks)} runs: {error!r}")
        if not isinstance(error, BrokenExecutor):
            self._workers.forget()
        elif executor is self._workers.executor and not self._workers.renew():
            raise error
        if not call.alone:
            self._suspects.extend(call.apart())
            return
        name = call.tasks[0].run
        self._strikes[name] += _STRIKES if self._workers.has_insisted(error) else 1
        if self._strikes[name] < _STRIKES:
            self._suspects.append(call)
        else:
            words = f"no worker survived it, or none could make it: {told(error)}"
            self._take(Batch(failure(name, words), 0, {name: words}, 0.0))


def _other_code(found: str) -> InputError:
    return InputError("workers", found, "the runner's code, which stays as it is while a campaign runs")


def _summary(tally: Tally) -> str:
    how = "stopped" if tally.stopped else "ended"
    return f"{how}: {tally.done} runs made, {tally.failed} failed, {tally.left} of {tally.total} not in the store"

"""Makes the runs of a campaign that a store lacks.

Few runs are in progress at a time, and a scenario is read when its runs are due, so memory does not grow with the
number of runs. A run that raises an exception becomes a row of the table `failures`, and so does a run that ends every
worker (`analysis.experiments.dispatch`).
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from dataclasses import dataclass, replace
from functools import partial

from headway.analysis.experiments.dispatch import ATTEMPTS, Dispatcher, Lost
from headway.analysis.experiments.executors import Workers
from headway.analysis.experiments.identity import engine_code
from headway.analysis.experiments.plan import Plan
from headway.analysis.experiments.status import CampaignStatus, campaign_status
from headway.analysis.experiments.worker import Batch, Bundle, WrongCodeError, failure, probe, work
from headway.analysis.experiments.world import packed
from headway.analysis.store.store import Store, Writer
from headway.simcore.simulate import RunOptions
from headway.traces import Trace
from headway.traces.errors import InputError, error_text

_MOST_IN_CALL = 64


@dataclass(frozen=True)
class Tally:
    """The progress of a campaign, in distinct runs.

    Attributes:
        total: of the campaign.
        before: in the store at the start.
        done: made since.
        failed: failed since.
        skipped: failed earlier and not tried again.
        stopped: whether the campaign was stopped before the end.
    """

    total: int
    before: int
    done: int = 0
    failed: int = 0
    skipped: int = 0
    stopped: bool = False

    @property
    def left(self) -> int:
        """Runs that are not in the store, including failed ones."""
        return self.total - self.before - self.done


def run(
    plan: Plan,
    store: Store,
    workers: Workers,
    *,
    retry_failed: bool = False,
    options: RunOptions = RunOptions(),  # noqa: B008 (frozen)
    progress: Callable[[Tally], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
    call_s: float = 1.0,
) -> Tally:
    """Make the runs of a campaign that a store lacks.

    Args:
        plan: of the campaign.
        store: may contain runs of other campaigns.
        workers: make the runs; the results do not depend on them.
        retry_failed: whether to repeat runs that failed earlier.
        options: for each run; names and results do not depend on them. A run fails if its policy exceeds the time
            limit, or if an audit finds a violation.
        progress: called after every result.
        stop: called every half second; True finishes the runs in progress and starts no others.
        call_s: work that is sent to a worker at once [s].

    Raises:
        InputError: the store cannot be written, or workers have other code, cannot start, or are gone.
    """
    with store.writer() as writer:
        status = campaign_status(plan, store.view(), retry_failed=retry_failed)
        runner = _Runner(plan, workers, writer, partial(work, options=options), call_s, status)
        return runner.go(progress, stop)


@dataclass(frozen=True)
class _Call:
    """The runs that are sent to a worker at once, and the traces that their worlds refer to."""

    bundles: tuple[Bundle, ...]
    traces: Mapping[str, Trace]

    def split(self) -> Iterator["_Call"]:
        """A call for each run."""
        for bundle in self.bundles:
            for task in bundle.tasks:
                yield _Call((Bundle(bundle.world, (task,)),), self.traces)


class _Runner:
    def __init__(
        self,
        plan: Plan,
        workers: Workers,
        writer: Writer,
        work: Callable[..., Batch],
        call_s: float,
        status: CampaignStatus,
    ) -> None:
        self._plan = plan
        self._workers = workers
        self._writer = writer
        self._work = work
        self._call_s = call_s
        self._status = status
        self._tally = Tally(total=status.total, before=status.present, skipped=status.failed)
        self._wall_s = 0.0

    def go(self, progress: Callable[[Tally], None], stop: Callable[[], bool]) -> Tally:
        """Make the missing runs and write them to the store."""

        def stopped() -> bool:
            self._tally = replace(self._tally, stopped=self._tally.stopped or stop())
            return self._tally.stopped

        self._begin()
        dispatcher: Dispatcher[_Call, Batch] = Dispatcher(
            self._workers,
            self._submit,
            _Call.split,
            lambda error: isinstance(error, WrongCodeError),
            self._writer.log,
        )
        try:
            for ended in dispatcher.results(self._calls(), stopped):
                for call, outcome in ended:
                    self._take(_failed_batch(call, outcome) if isinstance(outcome, Lost) else outcome)
                self._writer.turn()
                progress(self._tally)
        except WrongCodeError as error:
            raise _other_code(str(error)) from error
        self._writer.commit()
        self._writer.fold()
        self._writer.log(_summary(self._tally))
        return self._tally

    def _begin(self) -> None:
        campaign, status = self._plan.campaign, self._status
        self._writer.log(
            f"{campaign.name}: {status.total} runs, {status.present} of them in the store, "
            f"{status.failed} failed earlier; up to {self._workers.count()} at a time"
        )
        self._writer.describe(campaign.name, self._plan.path, campaign.text, campaign.scenario)
        if status.missing and self._probe() != engine_code():
            raise _other_code("another version of headway at a worker than at the runner")

    def _probe(self) -> str:
        """The code of a worker. A worker may die before it answers, but not several in a row."""
        for _ in range(ATTEMPTS):
            self._workers.count()
            try:
                return self._workers.executor.submit(probe).result()
            except (BrokenExecutor, CancelledError) as error:
                self._writer.log(f"a worker ended before its first run: {error!r}")
                if not self._workers.renew():
                    raise
                last = error
        raise InputError(
            "workers", f"only workers that end at once ({error_text(last)})", "workers that can be started"
        )

    def _calls(self) -> Iterator[_Call]:
        """Calls for all missing runs; each is large enough that its transfer takes little of the time."""
        bundles: list[Bundle] = []
        traces: dict[str, Trace] = {}
        room = self._room()
        for world, cases in self._plan.worlds(self._status.todo(self._plan)):
            data, apart = packed(world.content, self._plan.fixed)
            tasks = [self._plan.task(i, name, self._status.lacks(i)) for i, name in cases]
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
        """The number of runs in the next call, from the mean time of a run so far."""
        if not self._tally.done:
            return 1
        return max(1, min(_MOST_IN_CALL, int(self._call_s * self._tally.done / self._wall_s)))

    def _submit(self, executor: Executor, call: _Call) -> "Future[Batch]":
        traces = {name: self._workers.shared(name, trace) for name, trace in call.traces.items()}
        return executor.submit(self._work, call.bundles, traces, engine_code())

    def _take(self, batch: Batch) -> None:
        self._writer.add(batch.tables)
        self._wall_s += batch.wall_s
        done, failed = self._tally.done + batch.done, self._tally.failed + len(batch.failed)
        self._tally = replace(self._tally, done=done, failed=failed)
        for run, error in batch.failed.items():
            self._writer.log(f"run {run} failed: {error}")


def _failed_batch(call: _Call, lost: Lost) -> Batch:
    """The rows of a run that was given up."""
    name = call.bundles[0].tasks[0].run
    return Batch(failure(name, lost.reason), 0, {name: lost.reason}, 0.0)


def _other_code(got: str) -> InputError:
    return InputError("workers", got, "the same code as the runner's, unchanged while a campaign runs")


def _summary(tally: Tally) -> str:
    how = "stopped" if tally.stopped else "ended"
    return f"{how}: {tally.done} runs made, {tally.failed} failed, {tally.left} of {tally.total} not in the store"

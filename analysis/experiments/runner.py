"""Makes the runs that a store lacks: bundles go out to workers, tables come back, whatever happens to the workers.

Only few bundles are on their way at a time, and worlds are read when they are needed, so memory does not grow with the
number of runs. An exception within a run is a row of the store, and so is a run that ends every worker that tries it
(`analysis.experiments.dispatch`).
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from dataclasses import dataclass, replace
from functools import partial

from headway.analysis.experiments.dispatch import Dispatcher, Lost
from headway.analysis.experiments.executors import Workers
from headway.analysis.experiments.identity import engine_code
from headway.analysis.experiments.plan import Plan
from headway.analysis.experiments.status import CampaignStatus, campaign_status
from headway.analysis.experiments.worker import Batch, Bundle, WrongCodeError, failure, probe, work
from headway.analysis.experiments.world import packed
from headway.analysis.store.store import Store, Writer
from headway.simcore.simulate import RunOptions
from headway.traces import Trace
from headway.traces.errors import InputError, told

_STRIKES = 3
_CALL_S = 1.0
_MOST_IN_CALL = 64


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
        status = campaign_status(plan, store.view(), retry_failed=retry_failed)
        return _Runner(
            plan,
            workers,
            writer,
            partial(work, options=options),
            progress or (lambda _: None),
        ).go(status, stop)


@dataclass(frozen=True)
class _Call:
    """What goes to a worker at once: bundles, and the traces that are not in them."""

    bundles: tuple[Bundle, ...]
    traces: Mapping[str, Trace]

    def apart(self) -> Iterator["_Call"]:
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
        progress: Callable[[Tally], None],
    ) -> None:
        self._work = work
        self._plan = plan
        self._workers = workers
        self._writer = writer
        self._progress = progress
        self._wall_s = 0.0

    def go(self, status: CampaignStatus, stop: Callable[[], bool]) -> Tally:
        """Everything, from the first call to the last row in the store."""
        self._tally = Tally(total=status.total, before=status.present, skipped=status.failed)
        self._begin(status)
        self._stop = stop
        dispatcher: Dispatcher[_Call, Batch] = Dispatcher(
            self._workers,
            self._submit,
            _Call.apart,
            lambda error: isinstance(error, WrongCodeError),
            self._writer.log,
        )
        try:
            for back in dispatcher.results(self._calls(status), self._stopped):
                for call, outcome in back:
                    self._take(_given_up(call, outcome) if isinstance(outcome, Lost) else outcome)
                self._writer.turn()
                self._progress(self._tally)
        except WrongCodeError as error:
            raise _other_code(str(error)) from error
        self._writer.commit()
        self._writer.fold()
        self._writer.log(_summary(self._tally))
        return self._tally

    def _begin(self, status: CampaignStatus) -> None:
        campaign, count = self._plan.campaign, self._workers.count()
        self._writer.log(
            f"{campaign.name}: {status.total} runs, {status.present} of them in the store, "
            f"{status.failed} failed earlier; up to {count} at a time"
        )
        self._writer.describe(campaign.name, self._plan.path, campaign.text, campaign.scenario)
        if status.missing and self._probe() != engine_code():
            raise _other_code("another version of headway at a worker than at the runner")

    def _probe(self) -> str:
        """What workers would compute with; a worker may be ended before it has said so, but not one after another."""
        for _ in range(_STRIKES):
            self._workers.count()
            try:
                return self._workers.executor.submit(probe).result()
            except (BrokenExecutor, CancelledError) as error:
                self._writer.log(f"a worker ended before its first run: {error!r}")
                if not self._workers.renew():
                    raise
                last = error
        raise InputError(
            "workers", f"only workers that end at once ({told(last)})", "workers that can be started"
        )

    def _calls(self, status: CampaignStatus) -> Iterator[_Call]:
        """Calls for all missing runs, so large that the way there and back does not matter."""
        bundles: list[Bundle] = []
        traces: dict[str, Trace] = {}
        room = self._room()
        for world, cases in self._plan.worlds(status.todo(self._plan)):
            data, apart = packed(world.content, self._plan.fixed)
            tasks = [self._plan.task(i, name, status.lacks(i)) for i, name in cases]
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

    def _submit(self, executor: Executor, call: _Call) -> "Future[Batch]":
        traces = {name: self._workers.shared(name, trace) for name, trace in call.traces.items()}
        return executor.submit(self._work, call.bundles, traces, engine_code())

    def _stopped(self) -> bool:
        self._tally = replace(self._tally, stopped=self._tally.stopped or self._stop())
        return self._tally.stopped

    def _take(self, batch: Batch) -> None:
        self._writer.add(batch.tables)
        self._wall_s += batch.wall_s
        done, failed = self._tally.done + batch.done, self._tally.failed + len(batch.failed)
        self._tally = replace(self._tally, done=done, failed=failed)
        for run, error in batch.failed.items():
            self._writer.log(f"run {run} failed: {error}")


def _given_up(call: _Call, lost: Lost) -> Batch:
    """What comes of a run that no worker could make."""
    name = call.bundles[0].tasks[0].run
    return Batch(failure(name, lost.reason), 0, {name: lost.reason}, 0.0)


def _other_code(got: str) -> InputError:
    return InputError("workers", got, "the same code as the runner's, unchanged while a campaign runs")


def _summary(tally: Tally) -> str:
    how = "stopped" if tally.stopped else "ended"
    return f"{how}: {tally.done} runs made, {tally.failed} failed, {tally.left} of {tally.total} not in the store"

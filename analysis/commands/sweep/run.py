"""`headway sweep run` and `headway sweep resume`."""

# ruff: noqa: PLC0415

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Annotated

import typer

from headway.analysis.commands.results_options import Workers
from headway.analysis.commands.sweep.campaign_argument import (
    File,
    StoreFolder,
    planned_campaign,
    signals_handled_by,
)
from headway.analysis.console.progress import progress_bar
from headway.analysis.console.terminal import DecisionLimit, reported, show
from headway.analysis.console.terminal import decision_limit as allowed

if TYPE_CHECKING:
    from headway.analysis.experiments import Plan, Store, Tally
    from headway.analysis.experiments import Workers as Crew
    from headway.simcore.simulate import RunOptions

_Dask = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Use the workers of this Dask scheduler, such as tcp://host:8786."),
]
_Retry = Annotated[bool, typer.Option("--retry-failed", help="Repeat failed runs.")]
_Audit = Annotated[
    bool,
    typer.Option(
        "--audit",
        help="Check the laws of the simulation in every run; a run that breaks a law fails. Takes longer, and gives "
        "the same results.",
    ),
]


def run(
    file: File,
    store: StoreFolder = None,
    workers: Workers = None,
    dask: _Dask = None,
    retry_failed: _Retry = False,
    decision_limit: DecisionLimit = None,
    audit: _Audit = False,
) -> None:
    """Make the runs that are not in the store yet.

    A failed run is recorded and does not end the campaign. Ctrl-C finishes the runs in progress; finished runs are
    always kept.

    Example: headway sweep run weaker-wifi --workers 2
    """
    with reported():
        options = _options(decision_limit, audit)
        with planned_campaign(file, store) as (planned, place):
            _make(file, planned, place, _crew(workers, dask), retry_failed, options)


def resume(
    file: File,
    store: StoreFolder = None,
    workers: Workers = None,
    dask: _Dask = None,
    retry_failed: _Retry = False,
    decision_limit: DecisionLimit = None,
    audit: _Audit = False,
) -> None:
    """Resume a campaign: as `run`, but only if its store exists.

    Example: headway sweep resume weaker-wifi
    """
    with reported():
        options = _options(decision_limit, audit)
        with planned_campaign(file, store, needed=True) as (planned, place):
            _make(file, planned, place, _crew(workers, dask), retry_failed, options)


def _crew(workers: int | None, dask: str | None) -> "AbstractContextManager[Crew]":
    from headway.analysis.experiments import dask_workers, processes
    from headway.traces.errors import InputError

    if dask is None:
        return processes(workers)
    if workers is not None:
        raise InputError(
            "--workers",
            "this option together with --dask",
            "only one of them (a Dask cluster has its own workers)",
        )
    return dask_workers(dask)


def _options(decision_limit: str | None, audit: bool) -> "RunOptions":
    from headway.simcore.simulate import RunOptions

    return RunOptions(audit, allowed(decision_limit))


def _make(
    file: str,
    planned: "Plan",
    place: "Store",
    crew: "AbstractContextManager[Crew]",
    retry_failed: bool,
    options: "RunOptions",
) -> None:
    from headway.analysis.experiments import run as make

    with _interruptible() as stop, crew as workers, _watched() as progress:
        tally = make(
            planned,
            place,
            workers,
            retry_failed=retry_failed,
            options=options,
            progress=progress,
            stop=stop,
        )
    again = f"headway sweep resume {file} --store {place.folder}"
    if tally.stopped:
        _say(f"stopped with {tally.left:,} of {tally.total:,} runs to make")
        _say(f"to go on: {again}")
        raise typer.Exit(130)
    show(
        f"{tally.total:,} runs: {tally.before:,} were in the store, {tally.done:,} made now, "
        f"{tally.failed + tally.skipped:,} failed",
        f"Store: {place.folder}",
    )
    if tally.failed or tally.skipped:
        show(f"To see why: headway sweep status {file} --store {place.folder}")
        show(f"To try again: {again} --retry-failed")


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Finish the runs in progress after a first Ctrl-C, and end at once after a second one."""
    asked: list[int] = []

    def note(number: int, _: object) -> None:
        asked.append(number)
        if len(asked) == 1:
            _say("finishing the runs in progress; press Ctrl-C again to abandon them")
        elif len(asked) == 2:
            raise KeyboardInterrupt

    with signals_handled_by(note):
        yield lambda: bool(asked)


def _say(text: str) -> None:
    """Print a line on standard error, unless that is a terminal that was closed."""
    from headway.traces.errors import visible

    with suppress(OSError):
        typer.echo(f"headway: {visible(text)}", err=True)


@contextmanager
def _watched() -> "Iterator[Callable[[Tally], None]]":
    """A progress bar with rate, time left and failures."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("runs"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]}"),
    )
    with progress_bar(*columns) as bar:
        task = bar.add_task("", total=None, rate="", failed="")

        def step(tally: "Tally") -> None:
            made = tally.done + tally.failed
            bar.update(
                task,
                total=tally.total - tally.before - tally.skipped,
                completed=made,
                rate=f"{made / (bar.tasks[0].elapsed or 1.0):.1f} per s",
                failed=f"{tally.failed} failed" if tally.failed else "",
            )

        yield step

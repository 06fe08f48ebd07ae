"""`headway sweep`: plan, run, status, resume, export, verify."""

# ruff: noqa: PLC0415

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from headway.analysis.terminal import MOST_PROCESSES, DecisionLimit, console, reported, show
from headway.analysis.terminal import decision_limit as allowed

if TYPE_CHECKING:
    from headway.analysis.campaign import Campaign, Plan, Store, Tally, Workers
    from headway.analysis.campaign.estimate import Estimate
    from headway.simcore.simulate import RunOptions

sweep = typer.Typer(
    help="Run a campaign: a scenario, varied along axes, under policies, with many seeds.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_File = Annotated[
    str, typer.Argument(metavar="FILE", help="A campaign file, or the name of one that comes with Headway.")
]
_Store = Annotated[
    Path | None,
    typer.Option(
        "--store",
        metavar="DIR",
        help="Folder of the store, results/campaigns/<campaign name> by default; may hold several campaigns.",
    ),
]
_Count = Annotated[
    int | None, typer.Option(min=1, max=MOST_PROCESSES, help="Processes; one per processor by default.")
]
_Dask = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Use the workers of this Dask scheduler, such as tcp://host:8786."),
]
_Retry = Annotated[bool, typer.Option("--retry-failed", help="Repeat failed runs.")]
_Audit = Annotated[
    bool,
    typer.Option(
        "--audit",
        help="Watch every run that is made for broken laws of the simulation; one that breaks a law fails. Takes "
        "longer, and gives the same results.",
    ),
]


@sweep.command()
def plan(file: _File, store: _Store = None, workers: _Count = None) -> None:
    """Print the numbers of all and of missing runs, and their cost."""
    with reported(), _planned(file, store) as (planned, place):
        from headway.analysis.campaign.estimate import estimate
        from headway.analysis.campaign.survey import look, other_models

        view = place.view()
        survey = look(planned, view)
        count = workers or os.cpu_count() or 1
        lines = _described(planned) | {
            "runs": f"{survey.total:,}: {survey.present:,} in the store, {survey.failed:,} failed, "
            f"{survey.missing.total():,} to make",
            "store": str(place.folder),
        }
        lines |= _older(other_models(view))
        if survey.missing:
            expected = estimate(planned, view, survey)
            lines |= {
                "time": f"{'more than' if expected.at_least else 'about'} {_duration(expected.work_s / count)} "
                f"on {count} workers, by {_basis(expected)}",
                "disk": "unknown" if expected.size_bytes is None else f"about {_size(expected.size_bytes)}",
            }
        show(*(f"{key + ':':<10} {value}" for key, value in lines.items()))


@sweep.command()
def run(
    file: _File,
    store: _Store = None,
    workers: _Count = None,
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
        with _planned(file, store) as (planned, place):
            _make(file, planned, place, _crew(workers, dask), retry_failed, options)


@sweep.command()
def resume(
    file: _File,
    store: _Store = None,
    workers: _Count = None,
    dask: _Dask = None,
    retry_failed: _Retry = False,
    decision_limit: DecisionLimit = None,
    audit: _Audit = False,
) -> None:
    """Resume a campaign: as `run`, but only if its store exists."""
    with reported():
        options = _options(decision_limit, audit)
        with _planned(file, store, needed=True) as (planned, place):
            _make(file, planned, place, _crew(workers, dask), retry_failed, options)


@sweep.command()
def status(file: _File, store: _Store = None) -> None:
    """Print the finished, missing and failed runs of a campaign."""
    with reported(), _planned(file, store, needed=True) as (planned, place):
        from headway.analysis.campaign.lock import holder_of
        from headway.analysis.campaign.survey import failures_of, look, other_models

        view = place.view()
        survey = look(planned, view)
        lines = {
            "campaign": planned.campaign.name,
            "runs": f"{survey.total:,}",
            "done": f"{survey.present:,}",
            "failed": f"{survey.failed:,}",
            "missing": f"{survey.missing.total():,}",
            "store": f"{place.folder}, {_size(view.size_bytes())}",
            "at work": holder_of(place.folder) or "nobody",
        }
        lines |= _older(other_models(view))
        show(*(f"{key + ':':<10} {value}" for key, value in lines.items()))
        for one in failures_of(planned, view, survey):
            show(f"{one.count:,} x {one.error} (first: run {one.run})")


@sweep.command()
def export(
    file: _File,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for the tables; replaced as a whole if it holds some.")
    ],
    store: _Store = None,
) -> None:
    """Write the tables of the finished runs of a campaign to a folder."""
    with reported(), _planned(file, store, needed=True) as (planned, place):
        from headway.analysis.campaign.export import export as write

        count = write(planned, place, out)
        show(f"{count:,} runs: {out}")


@sweep.command()
def verify(
    store: Annotated[Path, typer.Argument(metavar="STORE", help="Folder of the store.")],
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Set damaged parts aside, and keep the undamaged tables of them; the next `headway sweep run` makes "
            "again what is lost.",
        ),
    ] = False,
) -> None:
    """Check all files of a store and list damage. The exit code is 3 if damage remains."""
    with reported():
        from headway.analysis.campaign import Store
        from headway.analysis.campaign.verify import DAMAGED, damages
        from headway.analysis.campaign.verify import repair as repaired
        from headway.traces.errors import InputError

        place = Store(store)
        if not place.exists:
            raise InputError(
                str(store), "a folder that is not a campaign store", "a store that `headway sweep run` made"
            )
        found = repaired(place) if repair else damages(place)
        show(*(f"Damaged: {path}: {words}" for one in found for path, words in one.files.items()))
        if not found:
            show(f"No damage: {store}")
        elif repair:
            show(
                f"Repaired: what was damaged is in {store / DAMAGED}; undamaged tables of it are still in the store.",
                "The next `headway sweep run` of each campaign makes again what is missing.",
            )
        else:
            show(f"To repair: headway sweep verify {store} --repair")
            raise typer.Exit(3)


@contextmanager
def _planned(file: str, store: Path | None, *, needed: bool = False) -> "Iterator[tuple[Plan, Store]]":
    """The plan of a campaign file, and its store."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from headway.analysis.campaign import Store, prepare
    from headway.analysis.output import scratch
    from headway.traces.errors import InputError

    campaign = _campaign(file)
    place = Store(store if store is not None else Path("results") / "campaigns" / campaign.name)
    if needed and not place.exists:
        raise InputError(
            str(place.folder),
            "a folder that is not a campaign store",
            f"the store that `headway sweep run {file}` makes",
        )
    columns = (TextColumn("reading worlds"), BarColumn(), MofNCompleteColumn(), TextColumn("runs"))
    hidden = not sys.stdout.isatty()
    with _handled(signal.default_int_handler), scratch("headway-sweep-") as folder:
        with Progress(*columns, console=console(), transient=True, disable=hidden) as bar:
            task = bar.add_task(
                "", total=campaign.points * len(campaign.seeds) * max(1, len(campaign.policies))
            )
            planned = prepare(campaign, folder / "cases.parquet", lambda n: bar.advance(task, n))
        yield planned, place


def _campaign(file: str) -> "Campaign":
    from headway.analysis.campaign import read_campaign, shipped_campaign, shipped_campaigns
    from headway.traces.errors import InputError, shown

    if file in shipped_campaigns():
        return read_campaign(shipped_campaign(file))
    if not os.path.exists(file):
        names = ", ".join(shipped_campaigns())
        raise InputError("FILE", shown(file), f"the path of a campaign file, or one of {names}")
    return read_campaign(file)


def _crew(workers: int | None, dask: str | None) -> "AbstractContextManager[Workers]":
    from headway.analysis.campaign import dask_workers, processes
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
    crew: "AbstractContextManager[Workers]",
    retry_failed: bool,
    options: "RunOptions",
) -> None:
    from headway.analysis.campaign import run as make

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
    """Let a first Ctrl-C ask for an orderly end, and a second one have it at once; a third has nothing to add."""
    asked: list[int] = []

    def note(number: int, _: object) -> None:
        asked.append(number)
        if len(asked) == 1:
            _say("finishing the runs under way; once more to leave them")
        elif len(asked) == 2:
            raise KeyboardInterrupt

    with _handled(note):
        yield lambda: bool(asked)


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Let this be called for Ctrl-C, SIGTERM and the end of the terminal; not for what the caller lets be ignored."""
    asking = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in asking}
    heard = [number for number in asking if before[number] is not signal.SIG_IGN]
    for number in heard:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])


def _say(text: str) -> None:
    """Tell something on standard error, if anybody is there: it may be the terminal that has gone away."""
    from headway.traces.errors import visible

    with suppress(OSError):
        typer.echo(f"headway: {visible(text)}", err=True)


@contextmanager
def _watched() -> "Iterator[Callable[[Tally], None]]":
    """A progress bar with rate, time left and failures, if somebody is watching."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("runs"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]}"),
    )
    with Progress(*columns, console=console(), transient=True, disable=not sys.stdout.isatty()) as bar:
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


def _described(planned: "Plan") -> dict[str, str]:
    campaign = planned.campaign
    product = [f"{name} ({len(axis.levels)})" for name, axis in campaign.product.items()]
    zipped = [f"{name} ({len(axis.levels)})" for name, axis in campaign.zipped.items()]
    axes = [*product, *(["zip of " + ", ".join(zipped)] if zipped else [])]
    return {
        "campaign": f"{campaign.name}, of the scenario {planned.scenario}",
        "axes": " x ".join(axes) or "none",
        "seeds": f"{len(campaign.seeds):,}",
        "policies": ", ".join(planned.policies),
        "keeps": ", ".join(campaign.tables),
    }


def _older(counts: Mapping[str, int]) -> dict[str, str]:
    """A line about runs in the store that another version of the model made, if there are some."""
    from headway.simcore import MODEL_VERSION

    if not counts:
        return {}
    versions = " and ".join(
        f"{count:,} of version {version}" if version else f"{count:,} from before there were versions"
        for version, count in counts.items()
    )
    text = f"{versions} in the store; not used, since figures may differ under version {MODEL_VERSION}"
    return {"old model": text}


def _basis(expected: "Estimate") -> str:
    """What an estimate stands on."""
    from headway.analysis.campaign.estimate import MOST_TOKENS

    if expected.from_store:
        return f"{expected.basis} runs in the store"
    beginnings = f"the first {MOST_TOKENS:,} tokens of " if expected.beginnings else ""
    late = ", of which some did not end in the time they had" if expected.at_least else ""
    return f"{beginnings}{expected.basis} runs made as samples{late}"


def _duration(seconds: float) -> str:
    if seconds < 90.0:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400.0 else f"{seconds / 3600:.1f} h"


def _size(size_bytes: float) -> str:
    from headway.analysis.tables import byte_unit, number

    factor, unit = byte_unit(size_bytes)
    return f"{number(size_bytes / factor)} {unit}"

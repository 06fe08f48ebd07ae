"""The arguments that name a campaign and its store."""

# ruff: noqa: PLC0415

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from headway.analysis.console.progress import progress_bar

if TYPE_CHECKING:
    from headway.analysis.experiments import Campaign, Plan, Store

File = Annotated[
    str, typer.Argument(metavar="FILE", help="A campaign file, or the name of one that comes with Headway.")
]
StoreFolder = Annotated[
    Path | None,
    typer.Option(
        "--store",
        metavar="DIR",
        help="Folder of the store, results/campaigns/<campaign name> by default; may hold several campaigns.",
    ),
]


@contextmanager
def planned_campaign(
    file: str, store: Path | None, *, needed: bool = False
) -> "Iterator[tuple[Plan, Store]]":
    """The plan of a campaign file, and its store."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

    from headway.analysis.experiments import Store, prepare
    from headway.analysis.files.atomic import scratch
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
    with signals_handled_by(signal.default_int_handler), scratch("headway-sweep-") as folder:
        with progress_bar(*columns) as bar:
            task = bar.add_task(
                "", total=campaign.points * len(campaign.seeds) * max(1, len(campaign.policies))
            )
            planned = prepare(campaign, folder / "cases.parquet", lambda n: bar.advance(task, n))
        yield planned, place


def _campaign(file: str) -> "Campaign":
    from headway.analysis.experiments import read_campaign, shipped_campaign, shipped_campaigns
    from headway.traces.errors import InputError, quoted

    if file in shipped_campaigns():
        return read_campaign(shipped_campaign(file))
    if not os.path.exists(file):
        names = ", ".join(shipped_campaigns())
        raise InputError("FILE", quoted(file), f"the path of a campaign file, or one of {names}")
    return read_campaign(file)


@contextmanager
def signals_handled_by(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Handle Ctrl-C, SIGTERM and the end of the terminal, except signals that the parent process set to be ignored."""
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


def older_runs(counts: Mapping[str, int]) -> dict[str, str]:
    """A line about runs in the store that were made with another version of the model, if there are any."""
    from headway.simcore import MODEL_VERSION

    if not counts:
        return {}
    versions = " and ".join(
        f"{count:,} of version {version}" if version else f"{count:,} from before there were versions"
        for version, count in counts.items()
    )
    text = f"{versions} in the store; not used, since figures may differ under version {MODEL_VERSION}"
    return {"old model": text}


def size_text(size_bytes: float) -> str:
    """A number of bytes in a suitable unit."""
    from headway.analysis.formatting import byte_unit, number

    factor, unit = byte_unit(size_bytes)
    return f"{number(size_bytes / factor)} {unit}"

"""The folder that a run writes: all of it or nothing.

Files go to a hidden folder beside the target, which takes the target's place when everything is written. Until that
moment older results stay where they are; a failure or an interruption leaves them, and nothing else. Older and new
results change places in one step where the system can do that. Elsewhere older results are in the hidden folder for a
moment. If the process is killed then, or before, the next one to write the same target brings them back, or removes
what was left.
"""

import errno
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from matplotlib.figure import Figure

from headway.analysis.partial import exchange, make_folder, remove_folder, remove_left
from headway.analysis.plots import latency_cdf, save_figure
from headway.simcore.files.placement import last_placements
from headway.simcore.manifest import MANIFEST
from headway.simcore.results import TABLES, Result
from headway.simcore.scenario import Scenario
from headway.traces.errors import InputError

_FIGURE = "latency_cdf"
SCENARIO = "scenario.yaml"
ORIGIN = "origin.json"
PLACEMENTS = "placements.yaml"
_PLACEMENTS_HEAD = """\
# Where the blocks were at the end of each run. A scenario keeps one of them with
#   placement: {file: this file, run: the name of the run}
# and the policy `pinned`.
"""
_FORMULA_STARTS = ("=", "+", "-", "@", "\t")
_OLD = "old"
_MARK = "runs.parquet"
_FIGURES = (_FIGURE, "sweep")
_FRAMES = ("runs", "tokens", "differences", "levels")
_FILES = (
    {f"{name}.parquet" for name in (*TABLES, *_FRAMES)}
    | {f"{name}.csv" for name in _FRAMES}
    | {f"{name}.{kind}" for name in _FIGURES for kind in ("svg", "png")}
    | {SCENARIO, ORIGIN, PLACEMENTS, MANIFEST, "campaign.yaml", "cases.parquet", "metrics.parquet"}
)


def write_results(folder: Path, result: Result, scenario: Scenario, origin: Path | None = None) -> None:
    """Write the tables, the scenario as the user wrote it, the last placements and the figure into an existing folder.

    Args:
        folder: where.
        result: the tables.
        scenario: that was run.
        origin: where its file is, so that what it reads can be found again.
    """
    result.save(folder)
    placements = last_placements(result, scenario)
    (folder / PLACEMENTS).write_text(
        _PLACEMENTS_HEAD + yaml.safe_dump(placements, sort_keys=False, width=100, allow_unicode=True),
        encoding="utf-8",
    )
    if origin is not None:
        (folder / ORIGIN).write_text(json.dumps({"scenario": os.fspath(origin)}), encoding="utf-8")
    (folder / SCENARIO).write_text(scenario.text, encoding="utf-8", newline="")
    save_figure(latency_cdf(result), folder, _FIGURE)


def write_findings(
    folder: Path, frames: Mapping[str, pd.DataFrame], figures: Mapping[str, Figure], scenario_text: str
) -> None:
    """Write what came out of many runs: tables as Parquet and CSV, figures, the scenario as the user wrote it.

    In CSV, an apostrophe stands before a text that a spreadsheet would run as a formula; Parquet has it as it is.
    """
    for name, frame in frames.items():
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), folder / f"{name}.parquet")
        if name != "tokens":
            _without_formulas(frame).to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    for name, figure in figures.items():
        save_figure(figure, folder, name)
    (folder / SCENARIO).write_text(scenario_text, encoding="utf-8", newline="")


def _without_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with an apostrophe before every text that a spreadsheet would run as a formula.

    Labels come from files of other people. Numbers stay as they are.
    """

    def guarded(cell: object) -> object:
        return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS) else cell

    texts = [name for name, column in frame.items() if not pd.api.types.is_numeric_dtype(column)]
    return frame.assign(**{str(name): frame[name].map(guarded) for name in texts})


@contextmanager
def results_folder(target: Path) -> Iterator[Path]:
    """A new empty folder that becomes `target` when the block ends without an exception.

    Only an empty folder or one that holds nothing but Headway's results is replaced. What is known to stand in the way
    is told before the block begins, so that nobody waits for a run that cannot be saved.

    Raises:
        InputError: the target is something else, or cannot be written.
    """
    place = Path(os.path.realpath(target))
    _check_replaceable(place, target)
    with _parents(place, target), _holder(place, target) as holder:
        new = holder / "new"
        with writing(target):
            new.mkdir()
        yield new
        _check_replaceable(place, target)
        with writing(target):
            _replace(place, new, holder / _OLD)


@contextmanager
def scratch(prefix: str) -> Iterator[Path]:
    """A folder for what is needed for a while only; those that killed processes left are removed.

    Raises:
        InputError: the system has no place for one.
    """
    with _temporary(Path(tempfile.gettempdir()), prefix, "", "the folder for temporary files") as folder:
        yield folder


@contextmanager
def writing(target: Path | str) -> Iterator[None]:
    """Tell a user why the system refuses to write a path of theirs.

    Raises:
        InputError: in place of an `OSError`, such as a full disk or a read-only file system.
    """
    try:
        yield
    except OSError as error:
        # The number says it in the system's words, where a library has wrapped them in its own.
        reason = os.strerror(error.errno) if error.errno else str(error)
        reason = {errno.EISDIR: "a folder", errno.ENOENT: "a folder that does not exist"}.get(
            error.errno or 0, reason
        )
        raise InputError(str(target), reason, "a writable place with free space") from error


def _check_replaceable(place: Path, target: Path) -> None:
    above = next((folder for folder in place.parents if os.path.lexists(folder)), place)
    if not above.is_dir():
        raise InputError(str(target), f"{above}, which is not a folder", "a path below a folder")
    if not os.path.lexists(place):
        return
    accepted = "a new folder, an empty one, or a folder that holds only results of headway"
    if not place.is_dir():
        raise InputError(str(target), "a file, not a folder", accepted)
    if os.path.ismount(place) or Path.cwd().is_relative_to(place):
        raise InputError(
            str(target), "a mount point or the current folder, which cannot be replaced", accepted
        )
    with writing(target):
        names = set(os.listdir(place))
    foreign = sorted(names - _FILES)
    if foreign or (names and _MARK not in names):
        found = f"a folder with {', '.join(foreign[:3] or sorted(names)[:3])}, which headway did not write"
        raise InputError(str(target), found, accepted)


@contextmanager
def _parents(place: Path, target: Path) -> Iterator[None]:
    """Make the folders above `place`; remove those that were made if they are not needed in the end."""
    missing = [folder for folder in place.parents if not os.path.lexists(folder)]
    try:
        with writing(target):
            place.parent.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for folder in missing:
            with suppress(OSError):
                folder.rmdir()
        raise


@contextmanager
def _holder(place: Path, target: Path) -> Iterator[Path]:
    """A hidden temporary folder beside `place`, gone when the block ends."""

    def bring_back(left: Path) -> None:
        if (left / _OLD).exists() and not os.path.lexists(place):
            (left / _OLD).rename(place)

    with _temporary(place.parent, f".{place.name}.", ".partial", target, bring_back) as holder:
        yield holder


@contextmanager
def _temporary(
    parent: Path, prefix: str, suffix: str, target: Path | str, rescue: Callable[[Path], None] | None = None
) -> Iterator[Path]:
    """A new folder that is gone when the block ends; `target` is what messages say cannot be written."""
    with writing(target):
        remove_left(parent, prefix, suffix, rescue)
        folder, lock = make_folder(parent, prefix, suffix)
    try:
        yield folder
    finally:
        with writing(target):
            remove_folder(folder, lock)


def _replace(place: Path, new: Path, old: Path) -> None:
    """Put `new` at `place`; what was there goes away with `new` or to `old`, and comes back if that fails half-way."""
    if not place.exists():
        new.rename(place)
        return
    if exchange(new, place):
        return
    try:
        place.rename(old)
        new.rename(place)
    except BaseException:
        if old.exists() and not place.exists():
            old.rename(place)
        raise

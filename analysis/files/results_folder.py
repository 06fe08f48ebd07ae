"""The folder of results: the names of its files, and how it is written."""

from contextlib import AbstractContextManager
from pathlib import Path

from headway.analysis.files.atomic import NewFolder, new_folder
from headway.simcore.manifest import MANIFEST
from headway.simcore.results import TABLES

CDF_FIGURE = "latency_cdf"
SCENARIO = "scenario.yaml"
ORIGIN = "origin.json"
PLACEMENTS = "placements.yaml"
STUDY = "study.yaml"
EXPORT = "export"
CASES = "cases.parquet"
_MARK = "runs.parquet"
_FIGURES = (CDF_FIGURE, "sweep")
_FRAMES = ("runs", "tokens", "differences", "levels")
_FILES = (
    {f"{name}.parquet" for name in (*TABLES, *_FRAMES)}
    | {f"{name}.csv" for name in _FRAMES}
    | {f"{name}.{kind}" for name in _FIGURES for kind in ("svg", "png")}
    | {SCENARIO, ORIGIN, PLACEMENTS, MANIFEST, STUDY, EXPORT, "campaign.yaml", CASES, "metrics.parquet"}
)


def results_folder(
    target: Path, *, replace: bool = False, numbered: bool = False
) -> AbstractContextManager[NewFolder]:
    """A new empty folder that becomes `target` when the block ends without an exception, as `new_folder`.

    Raises:
        InputError: the target is in use, or cannot be written.
    """
    return new_folder(target, _FILES, _MARK, replace=replace, numbered=numbered)


def export_in(folder: Path) -> Path | None:
    """The folder with the table of cases: a campaign's export itself, or the one in a folder of `headway whatif`."""
    return next((path for path in (folder, folder / EXPORT) if (path / CASES).is_file()), None)

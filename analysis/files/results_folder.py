"""The folder of results: which files may be in it, and how it is replaced."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headway.analysis.files.atomic import replaced_folder
from headway.simcore.manifest import MANIFEST
from headway.simcore.results import TABLES

CDF_FIGURE = "latency_cdf"
SCENARIO = "scenario.yaml"
ORIGIN = "origin.json"
PLACEMENTS = "placements.yaml"
_MARK = "runs.parquet"
_FIGURES = (CDF_FIGURE, "sweep")
_FRAMES = ("runs", "tokens", "differences", "levels")
_FILES = (
    {f"{name}.parquet" for name in (*TABLES, *_FRAMES)}
    | {f"{name}.csv" for name in _FRAMES}
    | {f"{name}.{kind}" for name in _FIGURES for kind in ("svg", "png")}
    | {SCENARIO, ORIGIN, PLACEMENTS, MANIFEST, "campaign.yaml", "cases.parquet", "metrics.parquet"}
)


@contextmanager
def results_folder(target: Path) -> Iterator[Path]:
    """A new empty folder that becomes `target` when the block ends without an exception, as `replaced_folder`.

    Raises:
        InputError: the target is something else than results of Headway, or cannot be written.
    """
    with replaced_folder(target, _FILES, _MARK) as folder:
        yield folder

"""What a run or a study leaves in its folder: tables, figures, and the scenario as the user wrote it."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from matplotlib.figure import Figure

from headway.analysis.figures.latency_cdf import latency_cdf
from headway.analysis.figures.saving import save_figure
from headway.analysis.files.results_folder import CDF_FIGURE, ORIGIN, PLACEMENTS, SCENARIO
from headway.simcore.files.placement import last_placements
from headway.simcore.results import Result
from headway.simcore.scenario import Scenario

_PLACEMENTS_HEAD = """\
# Where the blocks were at the end of each run. A scenario keeps one of them with
#   placement: {file: this file, run: the name of the run}
# and the policy `pinned`.
"""
_FORMULA_STARTS = ("=", "+", "-", "@", "\t")


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
    save_figure(latency_cdf(result), folder, CDF_FIGURE)


def write_findings(
    folder: Path, frames: Mapping[str, pd.DataFrame], figures: Mapping[str, Figure], scenario_text: str
) -> None:
    """Write what came out of many runs: tables as Parquet and CSV, figures, the scenario as the user wrote it.

    In CSV, an apostrophe is put before any text that a spreadsheet would run as a formula; Parquet has the plain text.
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

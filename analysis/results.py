"""Write the folders of results of `headway run` and `headway whatif`."""

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
from headway.analysis.files.results_folder import CASES, CDF_FIGURE, ORIGIN, PLACEMENTS, SCENARIO
from headway.analysis.store.parts import write_tables
from headway.analysis.store.tables import Tables
from headway.simcore.files.placement import last_placements, write_placement
from headway.simcore.results import Result
from headway.simcore.scenario import Scenario
from headway.simcore.table_files import table_file

_PLACEMENTS_HEAD = """\
# Where the blocks were at the end of each run. A scenario keeps one of them with
#   placement: {file: this file, run: the name of the run}
# and the policy `pinned`.
"""
_FORMULA_STARTS = ("=", "+", "-", "@", "\t")


def write_results(folder: Path, result: Result, scenario: Scenario, origin: Path | None = None) -> None:
    """Write the tables, the figure, the last placements and a copy of the scenario file into an existing folder.

    Args:
        folder: an existing folder.
        result: the tables.
        scenario: the scenario that was run.
        origin: path of its file; files that it names are looked for there.
    """
    result.save(folder)
    placements = {
        run: write_placement(placement, scenario.block_table, scenario.cluster.names)
        for run, placement in last_placements(result, scenario).items()
    }
    (folder / PLACEMENTS).write_text(
        _PLACEMENTS_HEAD + yaml.safe_dump(placements, sort_keys=False, width=100, allow_unicode=True),
        encoding="utf-8",
    )
    for name, text in scenario_texts(scenario.text, origin).items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    save_figure(latency_cdf(result), folder, CDF_FIGURE)


def write_findings(
    folder: Path, frames: Mapping[str, pd.DataFrame], figures: Mapping[str, Figure], texts: Mapping[str, str]
) -> None:
    """Write tables as Parquet and CSV, figures, and texts into an existing folder.

    In CSV, an apostrophe is put before any text that a spreadsheet would run as a formula; Parquet has the plain text.

    Args:
        folder: an existing folder.
        frames: tables by name.
        figures: by name.
        texts: contents of other files by name.
    """
    for name, frame in frames.items():
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), folder / f"{name}.parquet")
        if name != "tokens":
            _without_formulas(frame).to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    for name, figure in figures.items():
        save_figure(figure, folder, name)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")


def write_export(folder: Path, cases: pd.DataFrame, tables: Tables) -> None:
    """Write runs into a new folder, as `headway sweep export` writes those of a campaign.

    Args:
        folder: the new folder.
        cases: one row per run; `number` and `seed` are whole numbers, the other columns text.
        tables: those of the runs.
    """
    folder.mkdir()
    kinds = {str(name): pa.int64() if name in ("number", "seed") else pa.string() for name in cases}
    schema = pa.schema(list(kinds.items()))
    with table_file(folder / CASES, schema) as file:
        file.write_table(pa.Table.from_pandas(cases, schema, preserve_index=False).replace_schema_metadata())
    write_tables(folder, tables)


def scenario_texts(text: str, origin: Path | None) -> dict[str, str]:
    """The contents of the files that repeat a run: the scenario, and the path of its file.

    Args:
        text: of the scenario file.
        origin: path of that file, if there is one.
    """
    where = {} if origin is None else {ORIGIN: json.dumps({"scenario": os.fspath(origin)})}
    return {SCENARIO: text, **where}


def _without_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with an apostrophe before every text that a spreadsheet would run as a formula; numbers are unchanged.

    Labels may come from files of other people.
    """

    def guarded(cell: object) -> object:
        return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS) else cell

    texts = [name for name, column in frame.items() if not pd.api.types.is_numeric_dtype(column)]
    return frame.assign(**{str(name): frame[name].map(guarded) for name in texts})

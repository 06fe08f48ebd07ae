"""What a run came to, as tables for a terminal."""

import math
from collections.abc import Hashable
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from analysis.metrics import metrics, peak_memory
from simcore.results import Result
from simcore.scenario import Scenario

_NOTHING = "-"


def summary_table(result: Result) -> Table:
    """One row per run."""
    milliseconds = ["tpot_p50_s", "tpot_p95_s", "tpot_p99_s"]
    heads = [
        "TTFT [s]",
        "TPOT p50 [ms]",
        "TPOT p95 [ms]",
        "TPOT p99 [ms]",
        "Tokens/s",
        "Migrations",
        "Infeasible",
    ]
    table = _table("Latency", ["Policy", "Status"], heads)
    for row in metrics(result).to_dict("records"):
        times = [row["ttft_s"], *(row[column] * 1e3 for column in milliseconds), row["tokens_per_s"]]
        counts = [f"{row['migrations']:,}", f"{row['infeasible_decisions']:,} of {row['decisions']:,}"]
        table.add_row(Text(row["run"]), Text(row["status"]), *map(_number, times), *counts)
    return table


def memory_table(result: Result, scenario: Scenario) -> Table:
    """One row per device, one column per run."""
    peaks = {(row["run"], row["device"]): row for row in peak_memory(result).to_dict("records")}
    factor, unit = _byte_unit(float(scenario.cluster.memory_bytes.max()))
    runs = list(result.runs["run"])
    table = _table(f"Peak memory [{unit}]", ["Device"], ["Capacity", *runs])
    for device in scenario.cluster.devices:
        cells = [_peak(peaks.get((run, device.name)), factor) for run in runs]
        table.add_row(Text(device.name), _number(device.memory_bytes / factor), *cells)
    if any(row["peak_swapped_bytes"] > 0.0 for row in peaks.values()):
        table.caption = "* more than was free at some time; the excess was swapped"
    return table


def endings(result: Result) -> list[str]:
    """One line for each run that ended before its last token."""
    ended = result.runs[result.runs["status"] != "complete"]
    return [
        f"{row['run']}: {row['status']} after {row['tokens']:,} tokens: {row['detail']}"
        for row in ended.to_dict("records")
    ]


def _table(title: str, left: list[str], right: list[str]) -> Table:
    table = Table(
        title=Text(title), title_justify="left", caption_justify="left", box=SIMPLE_HEAD, pad_edge=False
    )
    for head in left:
        table.add_column(Text(head), overflow="fold")
    for head in right:
        table.add_column(Text(head), justify="right", overflow="fold")
    return table


def _peak(row: dict[Hashable, Any] | None, factor: float) -> str:
    if row is None:
        return _NOTHING
    return _number(row["peak_bytes"] / factor) + ("*" if row["peak_swapped_bytes"] > 0.0 else "")


def _byte_unit(most: float) -> tuple[float, str]:
    """The binary unit in which the largest number is at least 1."""
    return next(
        ((f, u) for f, u in ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB")) if most >= f), (1.0, "B")
    )


def _number(value: float) -> str:
    """Three significant digits or all before the point, never an exponent."""
    if not math.isfinite(value):
        return _NOTHING
    digits = 2 - math.floor(math.log10(abs(value))) if value else 0
    return f"{value:,.{min(max(digits, 0), 9)}f}"

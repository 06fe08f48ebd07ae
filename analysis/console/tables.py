"""Tables of the results of runs, for a terminal."""

import math
from collections.abc import Collection, Hashable, Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from headway.analysis.formatting import NOTHING, byte_unit, number, time_unit
from headway.analysis.statistics.metrics import metrics, peak_memory
from headway.simcore.audit import Audit
from headway.simcore.engine.realtime import Lateness
from headway.simcore.results import Result
from headway.simcore.scenario import Scenario

_TPOT = ("p50", "p95", "p99", "max")


def summary_table(result: Result) -> Table:
    """One row per run."""
    numbers = metrics(result)
    factor, unit = time_unit([numbers["tpot_p50_s"].max()])
    tpot = [f"TPOT\n{p}\n[{unit}]" for p in _TPOT]
    heads = ["TTFT\n[s]", *tpot, "Tokens\nper s", "Migra-\ntions", "Infeas-\nible"]
    table = grid("Latency", ["Policy"], heads)
    for row in numbers.to_dict("records"):
        tpots = [row[f"tpot_{p}_s"] / factor for p in _TPOT]
        counts = [f"{row['migrations']:,}", f"{row['infeasible_decisions']:,} of {row['decisions']:,}"]
        cells = map(number, [row["ttft_s"], *tpots, row["tokens_per_s"]])
        table.add_row(Text(_name(row)), *cells, *counts)
    return table


def memory_table(result: Result, scenario: Scenario) -> Table:
    """One row per device, one column per run, and columns of the capacity and the least free memory."""
    peaks = {(row["run"], row["device"]): row for row in peak_memory(result).to_dict("records")}
    factor, unit = byte_unit(float(scenario.cluster.memory_bytes.max()))
    runs = list(result.runs["run"])
    table = grid(f"Peak memory [{unit}]", ["Device"], ["Capacity", "Least\nfree", *runs])
    for device in scenario.cluster.devices:
        free = min(
            (row["least_available_bytes"] for (_, name), row in peaks.items() if name == device.name),
            default=math.nan,
        )
        cells = [_peak(peaks.get((run, device.name)), factor) for run in runs]
        table.add_row(Text(device.name), number(device.memory_bytes / factor), number(free / factor), *cells)
    if any(row["peak_swapped_bytes"] > 0.0 for row in peaks.values()):
        table.caption = "* more than was free at some time; the excess was swapped"
    return table


def _name(row: dict[Hashable, Any]) -> str:
    """The name of the run, and its status if it is not complete."""
    return row["run"] if row["status"] == "complete" else f"{row['run']} ({row['status']})"


def endings(result: Result) -> list[str]:
    """One line for each run that is not complete."""
    ended = result.runs[result.runs["status"] != "complete"]
    return [
        f"{row['run']}: {row['status']} after {row['tokens']:,} tokens: {row['detail']}"
        for row in ended.to_dict("records")
    ]


def lateness(late: Mapping[str, Lateness]) -> list[str]:
    """One line for each paced run, by label, and an empty line; nothing if no run was paced."""
    lines = [
        f"Behind the wall clock under {label}: median {_milliseconds(one.median_s)}, p99 {_milliseconds(one.p99_s)}, "
        f"at most {_milliseconds(one.worst_s)}, over {one.events:,} events"
        for label, one in late.items()
    ]
    return [*lines, ""] if lines else []


def audited(audits: Collection[Audit]) -> list[str]:
    """One line on all audited runs together; nothing if no run was audited."""
    events, checks = sum(one.events for one in audits), sum(one.checks for one in audits)
    return [f"Audited: no law broken in {checks:,} checks after {events:,} events"] if audits else []


def _milliseconds(seconds: float) -> str:
    return f"{number(seconds * 1e3)} ms"


def grid(title: str | None, left: list[str], right: list[str]) -> Table:
    """A table without rows: columns of text first, then columns of numbers."""
    table = Table(
        title=None if title is None else Text(title), box=SIMPLE_HEAD, padding=(0, 0, 0, 1), show_edge=False
    )
    table.title_justify = table.caption_justify = "left"
    for head in left:
        table.add_column(Text(head), overflow="fold")
    for head in right:
        table.add_column(Text(head), justify="right", overflow="fold")
    return table


def _peak(row: dict[Hashable, Any] | None, factor: float) -> str:
    if row is None:
        return NOTHING
    return number(row["peak_bytes"] / factor) + ("*" if row["peak_swapped_bytes"] > 0.0 else "")

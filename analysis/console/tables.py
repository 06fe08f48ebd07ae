"""Tables of the results of runs, for a terminal."""

import math
from collections.abc import Collection, Hashable, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from headway.analysis.console.grid import grid
from headway.analysis.formatting import NOTHING, byte_unit, number, time_unit
from headway.analysis.statistics.metrics import METRICS, metrics, peak_memory, several_requests
from headway.simcore.audit import Audit
from headway.simcore.engine.realtime import Lateness
from headway.simcore.results import Result
from headway.simcore.scenario import Scenario

_ONE_REQUEST = ("ttft_s", "tpot_p50_s", "tpot_p95_s", "tpot_p99_s", "tpot_max_s")
_REQUESTS = ("ttft_p50_s", "ttft_p95_s", "e2e_p95_s", "tpot_p50_s", "tpot_p99_s", "tpot_max_s")


def summary_table(result: Result) -> Table:
    """One row per run."""
    numbers = metrics(result)
    times = _REQUESTS if several_requests(numbers) else _ONE_REQUEST
    tpot = time_unit([numbers["tpot_p50_s"].max()])
    units = {column: tpot if column.startswith("tpot") else (1.0, "s") for column in times}
    heads = [f"{METRICS[column].short}\n[{units[column][1]}]".replace(" ", "\n") for column in times]
    table = grid("Latency", ["Policy"], [*heads, "Tokens\nper s", "Migra-\ntions", "Infeas-\nible"])
    for row in numbers.to_dict("records"):
        cells = [number(row[column] / units[column][0]) for column in times]
        counts = [f"{row['migrations']:,}", f"{row['infeasible_decisions']:,} of {row['decisions']:,}"]
        table.add_row(Text(_name(row)), *cells, number(row["tokens_per_s"]), *counts)
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


def _peak(row: dict[Hashable, Any] | None, factor: float) -> str:
    if row is None:
        return NOTHING
    return number(row["peak_bytes"] / factor) + ("*" if row["peak_swapped_bytes"] > 0.0 else "")

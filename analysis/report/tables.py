"""The tables of a report: the text of each cell, and the value by which it is sorted."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from headway.analysis.formatting import byte_unit, number, percent, time_unit
from headway.analysis.report.data import ReportData, described
from headway.analysis.report.per_world import level
from headway.analysis.report.ranking import Ranking, rank_policies
from headway.analysis.statistics import Comparison, Interval
from headway.analysis.statistics.metrics import table_metrics

MOST_RUNS = 200
"""Most rows of the table of runs; the results have all."""


@dataclass(frozen=True)
class Column:
    """The head of a column, and whether the column has numbers."""

    text: str
    number: bool = True


@dataclass(frozen=True)
class Cell:
    """A cell.

    Attributes:
        text: as shown.
        value: the sort key in a column of numbers; empty if the cell has none.
        small: an interval, shown below the text.
    """

    text: str
    value: str = ""
    small: str = ""


@dataclass(frozen=True)
class ReportTable:
    """A table with its title."""

    title: str
    heads: Sequence[Column]
    rows: Sequence[Sequence[Cell]]


def comparison(ranking: Ranking) -> ReportTable:
    """Every policy against the best."""
    several = ranking.worlds > 1
    factor, unit = ranking.unit
    heads = [
        Column("Policy", number=False),
        Column(_head(ranking.metric.short, unit)),
        Column("Against the best"),
    ]
    heads += [Column("Seeds needed")] if several else []
    heads += [Column("Completed"), Column("Verdict", number=False)]
    rows = []
    for policy, one in ranking.levels.items():
        done, total = ranking.complete[policy]
        cells = [Cell(policy), _level(one, factor), *_change(ranking.changes.get(policy), several=several)]
        share = Cell(f"{done:,} of {total:,}", str(done / total))
        rows.append([*cells, share, Cell(ranking.verdict_on(policy))])
    return ReportTable(f"Policies by {ranking.metric.name}", heads, rows)


def numbers(data: ReportData) -> ReportTable:
    """Every metric of every policy: means over completed runs, with their intervals."""
    runs = data.runs
    done = runs[runs["status"] == "complete"]
    size = byte_unit(float(runs["peak_bytes"].max()) if runs["peak_bytes"].notna().any() else 1.0)
    units = {"peak_bytes": size} | {f"tpot_{p}_s": _tpot_unit(data) for p in ("p50", "p95", "p99", "max")}
    columns = {}
    for metric in table_metrics(runs):
        factor, unit = units.get(metric.column, (1.0, metric.unit))
        columns[metric.column] = (_head(metric.short, unit), factor)
    columns["infeasible_decisions"] = ("Infeasible", 1.0)
    rows = []
    for policy in data.policies:
        here = done[done["policy"] == policy]
        cells = [_level(level(here[column], here["seed"]), scale) for column, (_, scale) in columns.items()]
        rows.append([Cell(policy), *cells])
    heads = [Column("Policy", number=False), *(Column(name) for name, _ in columns.values())]
    title = "Means over completed runs, with a 95 % interval each where several seeds ran"
    return ReportTable(title, heads, rows)


def _head(name: str, unit: str) -> str:
    return f"{name} [{unit}]" if unit and unit != name.lower() else name


def _tpot_unit(data: ReportData) -> tuple[float, str]:
    done = data.runs[data.runs["status"] == "complete"]
    return time_unit(done.groupby("policy")["tpot_p50_s"].mean().dropna())


def settings(data: ReportData, ranking: Ranking) -> ReportTable | None:
    """The best policy in each combination of levels, and those that are not surely worse."""
    if not data.axes or len(data.settings) < 2:
        return None
    heads = [Column(name, number=is_numeric(data.runs[name])) for name in data.axes]
    factor, unit = ranking.unit
    heads += [Column("Best", number=False), Column(_head(ranking.metric.short, unit))]
    heads += [Column("Same or unsure", number=False), Column("Completed")]
    rows = []
    for labels, runs in data.runs.groupby(list(data.axes), sort=False):
        here = rank_policies(data, ranking.metric, runs, smallest=ranking.smallest)
        close = [p for p, c in here.changes.items() if c.verdict in ("same", "unsure")]
        done, total = (sum(count[i] for count in here.complete.values()) for i in (0, 1))
        best = None if here.best is None else here.levels[here.best]
        cells = [Cell(here.best or "–"), _level(best, factor), Cell(", ".join(close) or "–")]
        rows.append([*map(level_cell, labels), *cells, Cell(f"{done:,} of {total:,}", str(done / total))])
    title = "The best policy in each setting by itself, among those that completed most of their runs"
    return ReportTable(title, heads, rows)


def runs_table(data: ReportData) -> ReportTable | None:
    """Every run; if there are too many, those that ended early."""
    runs, title = data.runs, "All runs"
    if len(runs) > MOST_RUNS:
        early = runs[runs["status"] != "complete"]
        if early.empty:
            return None
        runs = early.head(MOST_RUNS)
        title = f"Runs that ended early, {len(runs):,} of {len(early):,}; {len(data.runs):,} runs in all"
    axes = [Column(name, number=is_numeric(data.runs[name])) for name in data.axes]
    heads = [
        *axes,
        Column("Policy", number=False),
        Column("Seed"),
        Column("Status", number=False),
        Column("Tokens"),
    ]
    tpot_s, tpot = _tpot_unit(data)
    heads += [Column("Tokens/s"), Column("TTFT [s]")]
    heads += [Column(f"TPOT p50 [{tpot}]"), Column(f"TPOT max [{tpot}]"), Column("Migrations")]
    rows = []
    for row in runs.to_dict("records"):
        status = Cell(str(row["status"]), small=str(row["detail"] or ""))
        measured = [real(row[name]) for name in ("tokens_per_s", "ttft_s")]
        measured += [real(row[name] / tpot_s) for name in ("tpot_p50_s", "tpot_max_s")]
        cells = [Cell(str(row["policy"])), count(row["seed"], grouped=False), status, count(row["tokens"])]
        rows.append(
            [*(level_cell(row[name]) for name in data.axes), *cells, *measured, count(row["migrations"])]
        )
    return ReportTable(title, heads, rows)


def scenario_tables(text: str) -> list[ReportTable]:
    """The model, devices and links of a scenario file, as written there."""
    document = described(text)
    tables = []
    rest = {
        key: value
        for key, value in document.items()
        if key not in ("name", "description", "devices", "links", "headway")
    }
    if rest:
        rows = [[Cell(str(key)), Cell(written(value))] for key, value in rest.items()]
        tables.append(
            ReportTable(
                "Model, workload and rules",
                [Column("Key", number=False), Column("Value", number=False)],
                rows,
            )
        )
    tables += [
        _entries(section.capitalize(), document[section])
        for section in ("devices", "links")
        if isinstance(document.get(section), dict)
    ]
    return tables


def written(value: object) -> str:
    """A value of a YAML file on one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_inner(one)}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(_inner, value))
    return "" if value is None else str(value)


def _inner(value: object) -> str:
    text = written(value)
    return f"({text})" if isinstance(value, Mapping | list) else text


def _entries(title: str, entries: Mapping[str, Any]) -> ReportTable:
    """One row per entry, one column per key of any entry."""
    keys = list(dict.fromkeys(key for entry in entries.values() if isinstance(entry, dict) for key in entry))
    rows = [
        [Cell(str(name)), *(Cell(written(entry.get(key)) if isinstance(entry, dict) else "") for key in keys)]
        for name, entry in entries.items()
    ]
    heads = [
        Column("Name", number=False),
        *(Column(str(key).replace("_", " "), number=False) for key in keys),
    ]
    return ReportTable(title, heads, rows)


def _change(comparison: Comparison | None, *, several: bool) -> Iterator[Cell]:
    """A policy against the best: the change and, of several worlds, the seeds needed to settle an unsure one."""
    if comparison is None:
        yield from (Cell("–"),) * (2 if several else 1)
        return
    change = comparison.change
    small = f"{percent(change.low)} to {percent(change.high)}" if change.count > 1 else ""
    yield Cell(percent(change.value), str(change.value), small)
    if several:
        yield count(comparison.needed)


def _level(interval: Interval | None, factor: float = 1.0) -> Cell:
    if interval is None:
        return Cell("–")
    small = (
        f"{number(interval.low / factor)} to {number(interval.high / factor)}" if interval.count > 1 else ""
    )
    return Cell(number(interval.value / factor), str(interval.value), small)


def real(value: float) -> Cell:
    """A measured number; a dash where there is none."""
    return Cell(number(value), str(value)) if math.isfinite(value) else Cell("–")


def count(value: int | None, *, grouped: bool = True) -> Cell:
    """A whole number; a dash where there is none."""
    if value is None:
        return Cell("–")
    return Cell(f"{value:,}" if grouped else str(value), str(value))


def level_cell(value: object) -> Cell:
    """A level of an axis."""
    return Cell(f"{value:g}", str(value)) if isinstance(value, float) else Cell(str(value))


def is_numeric(values: "pd.Series[Any]") -> bool:
    """Whether a column is one of numbers."""
    return bool(pd.api.types.is_numeric_dtype(values))

"""The findings of a study as tables and sentences for a terminal."""

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd
from rich.table import Table
from rich.text import Text

from headway.analysis.console.grid import grid
from headway.analysis.formatting import NOTHING, byte_unit, number, percent, time_unit
from headway.analysis.statistics.metrics import METRICS
from headway.analysis.whatif.runs import Findings
from headway.simcore.files.overrides.changes import Change

_MATRIX = METRICS["tokens_per_s"]
"""The metric of the matrix, by which the best case is chosen."""
_FEW_VARIANTS = 3
"""With more variants, tables leave out metrics that do not change."""


def summary(findings: Findings) -> list[Table | str]:
    """All that `headway whatif` prints of a study: the matrix, the best case, then the details."""
    if findings.study.kind == "sweep":
        parts: list[Table | str] = [_sweep_table(findings), "", *_best(findings), ""]
    else:
        parts = [_matrix(findings), "", *_best(findings), "", *_difference_tables(findings)]
    notes = _endings(findings)
    return [*parts, *notes, *([""] if notes else []), *_worlds(findings)]


def _matrix(findings: Findings) -> Table:
    """The rate of tokens in every case under every policy, and its verdict against the base or the first policy."""
    levels, differences = (_of_metric(table) for table in (findings.levels, findings.differences))
    verdicts = {(row["variant"], row["policy"]): row["verdict"] for row in differences.to_dict("records")}
    policies = list(dict.fromkeys(levels["policy"]))
    table = grid(_MATRIX.short, ["Variant"], policies)
    for variant, rows in levels.groupby("variant", sort=False):
        cells = [
            " ".join(filter(None, (number(row["mean"]), verdicts.get((variant, row["policy"]), ""))))
            if row["complete"]
            else row["status"]
            for row in rows.to_dict("records")
        ]
        table.add_row(Text(str(variant)), *map(Text, cells))
    return table


def _best(findings: Findings) -> Iterator[str]:
    """The case with the highest rate of tokens, and all cases that are better than their base."""
    levels = _of_metric(findings.levels)
    most = levels["complete"].max()
    known = levels[(levels["complete"] == most) & levels["mean"].notna()]
    if known.empty:
        return
    best = known.loc[known["mean"].idxmax()]
    yield f"Best: {best['variant']} under {best['policy']}, {number(best['mean'])} {_MATRIX.unit}."
    if findings.study.kind == "sweep":
        return
    differences = _of_metric(findings.differences)
    better = differences[differences["verdict"] == "better"].sort_values(
        "change", ascending=False, kind="stable"
    )
    cases = [
        f"{row['variant']} under {row['policy']} ({percent(row['change']) if row['pairs'] else 'it completes'})"
        for row in better.to_dict("records")
    ]
    base = "the base under the same policy" if findings.study.variants else differences["against"].iloc[0]
    yield f"Better than {base}: {', '.join(cases) or 'none'}."


def _of_metric(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["metric"] == _MATRIX.column]


class _Units:
    """The units in which the metrics of one study are shown."""

    def __init__(self, levels: pd.DataFrame) -> None:
        most = levels.groupby("metric")["mean"].max()
        self._units: dict[str, tuple[float, str]] = {"peak_bytes": byte_unit(float(most["peak_bytes"]))}
        times = [metric for metric in map(str, most.index) if METRICS[metric].unit == "s"]
        tpot = time_unit([most["tpot_p50_s"]])
        others = time_unit(most[[metric for metric in times if not metric.startswith("tpot")]])
        self._units |= {metric: tpot if metric.startswith("tpot") else others for metric in times}

    def head(self, metric: str) -> str:
        """The name of a metric with its unit."""
        name = METRICS[metric].short
        return f"{name} [{self._units[metric][1]}]" if metric in self._units else name

    def text(self, metric: str, value: float) -> str:
        """A value of a metric."""
        return number(value / self._units.get(metric, (1.0, ""))[0])

    def change(self, row: dict[Any, Any], column: str) -> str:
        """A change, or an end of its interval, with its sign."""
        value = row[column]
        if row["relative"]:
            return percent(value)
        text = self.text(row["metric"], abs(value))
        return text if text == NOTHING or value == 0.0 else f"{'-' if value < 0.0 else '+'}{text}"


def _difference_tables(findings: Findings) -> Iterator[Table | str]:
    """A line and a table per variant, or for all policies."""
    differences, study = findings.differences, findings.study
    units = _Units(findings.levels)
    if len(study.variants) > _FEW_VARIANTS:
        differences = differences[
            (differences["verdict"] != "same") | (differences["metric"] == _MATRIX.column)
        ]
        yield "Metrics that stay the same are left out below; differences.csv has all."
        yield ""
    if study.kind == "policies":
        against = differences["against"].iloc[0]
        yield f"Policies against {against}"
        yield _difference_table(str(against), differences, units, findings)
        yield ""
        return
    for label, rows in differences.groupby("variant", sort=False):
        changes = _texts(study.variants[str(label)])
        yield str(label) if changes == label else f"{label}: {changes}"
        yield _difference_table("Base", rows, units, findings)
        yield ""


def _difference_table(before: str, rows: pd.DataFrame, units: _Units, findings: Findings) -> Table:
    """A block of metrics for every policy."""
    interval = ["95 % interval"] if findings.study.replications > 1 else []
    after = "Variant" if findings.study.kind == "variants" else "Policy"
    table = grid(None, ["Policy", "Metric"], [before, after, "Change", *interval])
    table.add_column(Text("Verdict"))
    for policy, block in rows.groupby("policy", sort=False):
        if not block["pairs"].any():
            nothing = [NOTHING] * (len(table.columns) - 3)
            table.add_row(Text(str(policy)), NOTHING, *nothing, Text(str(block.iloc[0]["verdict"])))
            continue
        for i, row in enumerate(block.to_dict("records")):
            metric = row["metric"]
            cells = [units.text(metric, row["before"]), units.text(metric, row["after"])]
            cells += [units.change(row, "change"), *([_interval(row, units)] if interval else [])]
            table.add_row(Text("" if i else str(policy)), units.head(metric), *cells, row["verdict"])
    return table


def _interval(row: dict[Any, Any], units: _Units) -> str:
    low, high = (units.change(row, end) for end in ("low", "high"))
    return NOTHING if low == NOTHING else f"{low} to {high}"


def _sweep_table(findings: Findings) -> Table:
    """One row per value and policy."""
    levels, knob = findings.levels, findings.study.knob
    units = _Units(levels)
    metrics = list(dict.fromkeys(levels["metric"]))
    heads = [units.head(metric).replace(" ", "\n") for metric in metrics]
    table = grid(f"Sweep of {knob[0].path}", ["Change", "Policy"], heads)
    for variant in dict.fromkeys(levels["variant"]):
        of_variant = levels[levels["variant"] == variant]
        for i, (policy, rows) in enumerate(of_variant.groupby("policy", sort=False)):
            row = rows.iloc[0]
            name = str(policy) if row["status"] == "complete" else f"{policy} ({row['status']})"
            cells = [units.text(*pair) for pair in zip(rows["metric"], rows["mean"], strict=True)]
            table.add_row(Text("" if i else str(variant).removeprefix(knob[0].path)), Text(name), *cells)
    return table


def _endings(findings: Findings) -> list[str]:
    """One line for each case and policy with a run that ended before its last token."""
    lines = []
    for (variant, policy), rows in findings.runs.groupby(["variant", "policy"], sort=False):
        ended = rows[rows["status"] != "complete"]
        if len(ended):
            first = ended.iloc[0]
            worlds = f" in {len(ended)} of {len(rows)} worlds" if len(rows) > 1 else ""
            lines.append(f"{variant}, {policy}: {first['status']}{worlds}: {first['detail']}")
    return lines


def _worlds(findings: Findings) -> list[str]:
    """The worlds, the confidence of the intervals, and how many worlds would settle unsure verdicts."""
    study = findings.study
    common = [f"Everywhere: {_texts(study.changes)}"] if study.changes else []
    if not findings.random:
        return [*common, "No random inputs: one run per variant is exact."]
    if study.replications == 1:
        text = f"One world, of seed {study.seed}: it does not show what holds in others (--replications)."
        return [*common, text]
    last = (study.seed or 0) + study.replications - 1
    lines = [*common, f"Means over {study.replications} worlds, of seeds {study.seed} to {last}."]
    if study.kind == "sweep":
        return lines
    differences = findings.differences
    count, smallest = int(differences["change"].notna().sum()), f"{100.0 * study.smallest:g} %"
    lines.append(f"All {count} intervals hold together with 95 % confidence.")
    lines.append(f"The smallest difference that matters is {smallest}.")
    needed = differences["needed"].max()
    if not math.isnan(needed):
        about = f"About {needed:.0f} worlds (--replications {needed:.0f})"
        lines.append(f"{about} would settle the unsure changes of {smallest} or more.")
    return lines


def _texts(changes: tuple[Change, ...]) -> str:
    return "; ".join(change.text for change in changes)

"""What a study came to, as tables and lines for a terminal."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
from rich.table import Table
from rich.text import Text

from headway.analysis.console.tables import grid
from headway.analysis.formatting import NOTHING, byte_unit, number, time_unit
from headway.analysis.statistics import FEW
from headway.analysis.whatif.differences import METRICS
from headway.analysis.whatif.runs import Findings
from headway.simcore.files.overrides.changes import Change


def summary(findings: Findings) -> list[Table | str]:
    """All that `headway whatif` prints of a study."""
    if findings.study.kind == "sweep":
        parts: list[Table | str] = [_sweep_table(findings), *_endings(findings)]
    else:
        parts = [*_difference_tables(findings), *_endings(findings)]
    spaced = parts if parts[-1] == "" else [*parts, ""]
    return [*spaced, *_worlds(findings)]


class _Units:
    """The units in which the metrics of one study are shown."""

    def __init__(self, levels: pd.DataFrame) -> None:
        most = levels.groupby("metric")["mean"].max()
        seconds = time_unit([most["tpot_p50_s"]])
        self._units = {"ttft_s": (1.0, "s"), "peak_bytes": byte_unit(float(most["peak_bytes"]))}
        self._units |= dict.fromkeys(("tpot_p50_s", "tpot_p95_s", "tpot_p99_s"), seconds)

    def head(self, metric: str, name: str) -> str:
        """The name of a metric with its unit."""
        return f"{name} [{self._units[metric][1]}]" if metric in self._units else name

    def shown(self, metric: str, value: float) -> str:
        """A value of a metric."""
        return number(value / self._factor(metric))

    def change(self, metric: str, value: float) -> str:
        """A difference, with its sign."""
        text = self.shown(metric, abs(value))
        sign = "" if text == NOTHING or value == 0.0 else "-" if value < 0.0 else "+"
        return sign + text

    def _factor(self, metric: str) -> float:
        return self._units.get(metric, (1.0, ""))[0]


def _difference_tables(findings: Findings) -> Iterator[Table | str]:
    """A line and a table per variant, or for all policies."""
    found, study = findings.differences, findings.study
    units = _Units(findings.levels)
    if study.kind == "policies":
        against = found["against"].iloc[0]
        yield f"Policies against {against}"
        yield _difference_table(str(against), found, units, findings)
        return
    for label, rows in found.groupby("variant", sort=False):
        changes = _texts(study.variants[str(label)])
        yield str(label) if changes == label else f"{label}: {changes}"
        yield _difference_table("Base", rows, units, findings)
        yield ""


def _difference_table(before: str, rows: pd.DataFrame, units: _Units, findings: Findings) -> Table:
    """A block of metrics for every policy."""
    interval = ["95 % interval"] if findings.study.replications > 1 else []
    after = "Variant" if findings.study.kind == "variants" else "Policy"
    table = grid(None, ["Policy", "Metric"], [before, after, "Difference", *interval, "Change"])
    table.add_column(Text("Verdict"))
    names = {metric.column: metric.name for metric in METRICS}
    for policy, block in rows.groupby("policy", sort=False):
        if not block["pairs"].any():
            _add_ended(table, str(policy), block.iloc[0])
            continue
        for i, row in enumerate(block.to_dict("records")):
            metric = row["metric"]
            cells = [units.shown(metric, row["before"]), units.shown(metric, row["after"])]
            cells += [units.change(metric, row["difference"])]
            cells += [_interval(row, units)] if interval else []
            cells += [_percent(row), row["verdict"]]
            table.add_row(Text("" if i else str(policy)), units.head(metric, names[metric]), *cells)
    return table


def _add_ended(table: Table, policy: str, row: "pd.Series[Any]") -> None:
    """A policy under which there is nothing to compare."""
    nothing = [NOTHING] * (len(table.columns) - 3)
    table.add_row(Text(policy), NOTHING, *nothing, Text(str(row["verdict"])))


def _interval(row: dict[Any, Any], units: _Units) -> str:
    low, high = (units.change(row["metric"], row[end]) for end in ("low", "high"))
    return NOTHING if low == NOTHING else f"{low} to {high}"


def _percent(row: dict[Any, Any]) -> str:
    """The difference as a share of what it was."""
    if not row["before"] > 0.0 or row["difference"] != row["difference"]:
        return NOTHING
    percent = round(100.0 * row["difference"] / row["before"], 1)
    return f"{percent:+,.1f} %" if percent else "0.0 %"


def _sweep_table(findings: Findings) -> Table:
    """One row per value and policy."""
    levels, knob = findings.levels, findings.study.knob
    units = _Units(levels)
    heads = [units.head(metric.column, metric.name) for metric in METRICS]
    table = grid(
        f"Sweep of {knob[0].path}", ["Change", "Policy"], [head.replace(" [", "\n[") for head in heads]
    )
    for variant in dict.fromkeys(levels["variant"]):
        of_variant = levels[levels["variant"] == variant]
        for i, (policy, rows) in enumerate(of_variant.groupby("policy", sort=False)):
            row = rows.iloc[0]
            name = str(policy) if row["status"] == "complete" else f"{policy} ({row['status']})"
            values = dict(zip(rows["metric"], rows["mean"], strict=True))
            cells = [units.shown(metric.column, values[metric.column]) for metric in METRICS]
            table.add_row(Text("" if i else str(variant).removeprefix(knob[0].path)), Text(name), *cells)
    return table


def _endings(findings: Findings) -> list[str]:
    """One line for each case and policy of which some run ended before its last token."""
    lines = []
    for (variant, policy), rows in findings.runs.groupby(["variant", "policy"], sort=False):
        ended = rows[rows["status"] != "complete"]
        if len(ended):
            first = ended.iloc[0]
            worlds = f" in {len(ended)} of {len(rows)} worlds" if len(rows) > 1 else ""
            lines.append(f"{variant}, {policy}: {first['status']}{worlds}: {first['detail']}")
    return lines


def _worlds(findings: Findings) -> list[str]:
    """What the numbers stand on."""
    study = findings.study
    common = [f"Everywhere: {_texts(study.changes)}"] if study.changes else []
    if not findings.random:
        return [*common, "Nothing here depends on the seed: one run of each tells all."]
    if study.replications == 1:
        return [*common, f"One world, of seed {study.seed}; another may tell otherwise (--replications)."]
    last = (study.seed or 0) + study.replications - 1
    means = f"Means over {study.replications} worlds, of seeds {study.seed} to {last}"
    few = "; intervals of so few are too narrow." if study.replications < FEW else "."
    return [*common, means + few]


def _texts(changes: tuple[Change, ...]) -> str:
    return "; ".join(change.text for change in changes)

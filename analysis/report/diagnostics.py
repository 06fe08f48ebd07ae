"""Tables of the slowest runs, and of the effects of faults."""

import shlex

import pandas as pd

from headway.analysis.report.data import ReportData
from headway.analysis.report.tables import Cell, Column, ReportTable, count, is_numeric, level_cell, real

MOST_FAULTS = 50
"""Most rows of the table of faults; the results have all in `faults`."""


def slowest_runs_table(data: ReportData) -> ReportTable | None:
    """The run with the slowest token under each policy, and the command that explains it."""
    runs = data.runs[data.runs["tpot_max_s"].notna()]
    if runs.empty:
        return None
    chosen = runs.loc[runs.groupby("policy", sort=False)["tpot_max_s"].idxmax()]
    heads = [Column("Policy", number=False), Column("Slowest [s]")]
    heads += [Column(name, number=is_numeric(runs[name])) for name in data.axes]
    heads += [Column("Seed"), Column("To see why", number=False)]
    rows = [
        [
            Cell(str(row["policy"])),
            real(row["tpot_max_s"]),
            *(level_cell(row[name]) for name in data.axes),
            count(row["seed"], grouped=False),
            Cell(_command(data, row["run"])),
        ]
        for row in chosen.to_dict("records")
    ]
    return ReportTable("The slowest token under each policy, first tokens apart", heads, rows)


def _command(data: ReportData, run: str) -> str:
    if data.is_campaign:
        return f"headway explain DIR --run {run}"
    return f"headway explain DIR --policy {shlex.quote(run)}"


def fault_table(data: ReportData) -> ReportTable | None:
    """The cost of faults: each fault if there is one world, otherwise their sum under each policy."""
    tokens = data.tables.get("tokens")
    if tokens is None:
        return None
    faults = data.tables.get("faults")
    if not data.is_campaign and faults is not None and len(faults):
        return _each(faults, tokens)
    if not (tokens["fault_s"] > 0.0).any():
        return None
    heads = [
        Column("Policy", number=False),
        Column("Runs hit"),
        Column("Tokens hit"),
        Column("Lost, mean of runs [s]"),
    ]
    heads += [Column("Lost at most by a token [s]")]
    rows = []
    for policy in data.policies:
        here = tokens[tokens["policy"] == policy]
        hit = here[here["fault_s"] > 0.0]
        runs = int((data.runs["policy"] == policy).sum())
        numbers = [count(hit["run"].nunique()), count(len(hit)), real(here["fault_s"].sum() / runs)]
        rows.append([Cell(policy), *numbers, real(here["fault_s"].max())])
    return ReportTable(
        "Time in which devices that were down were waited for, or that was lost with them", heads, rows
    )


def _each(faults: pd.DataFrame, tokens: pd.DataFrame) -> ReportTable:
    """Every fault, and the token that it hit."""
    key = ["run", "request", "token"]
    with_tokens = faults.merge(tokens[[*key, "latency_s", "fault_s", "migration_s"]], on=key, how="left")
    texts = ("Policy", "Device", "Lost")
    heads = [
        Column(name, number=name not in texts) for name in ("Policy", "Down at [s]", *texts[1:], "Token")
    ]
    heads += [Column("It took [s]"), Column("of it waiting or lost [s]"), Column("moving blocks [s]")]
    rows = []
    for row in with_tokens.head(MOST_FAULTS).to_dict("records"):
        lost = f"{row['lost_blocks']:,} blocks" + (" with cache" if row["lost_cache"] else "")
        spent = [real(row[name]) for name in ("latency_s", "fault_s", "migration_s")]
        cells = [Cell(str(row["policy"])), real(row["time_s"]), Cell(str(row["device"])), Cell(lost)]
        rows.append([*cells, count(row["token"]), *spent])
    more = f", the first {MOST_FAULTS} of {len(with_tokens):,}" if len(with_tokens) > MOST_FAULTS else ""
    return ReportTable(f"Devices that went down{more}", heads, rows)

"""Parts of the tables: delay ratios, medians with intervals, runs that ended early, and Markdown."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from headway.analysis.statistics import Interval, median_interval

OURS = "resource-aware"
"""The policy to which all others are compared."""


def ratios(runs: pd.DataFrame, to: str = OURS) -> pd.DataFrame:
    """`runs` with a column `ratio`: the total delay over that of policy `to`; NaN if either run ended early."""
    done = runs["delay_s"].where(runs["status"] == "complete")
    reference = runs.assign(done=done)[runs["policy"] == to].set_index(["variant", "world"])["done"]
    index = pd.MultiIndex.from_frame(runs[["variant", "world"]])
    return runs.assign(ratio=done.to_numpy() / reference.reindex(index).to_numpy())


def cell(values: "pd.Series[float]", form: Callable[[Interval], str]) -> str:
    """The median of the finite values with its interval, and their number if some are missing."""
    present = values[np.isfinite(values)]
    if present.empty:
        return f"none of {len(values)}"
    count = "" if len(present) == len(values) else f", {len(present)} of {len(values)}"
    return f"{form(median_interval(present))}{count}"


def _form(
    decimals: int, *, factor: float = 1.0, over: float = 1.0, unit: str = ""
) -> Callable[[Interval], str]:
    """A function that gives the text of an interval, times a factor over a divisor."""

    def text(interval: Interval) -> str:
        ends = (interval.value, interval.low, interval.high)
        value, low, high = (f"{factor * end / over + 0.0:.{decimals}f}" for end in ends)
        return f"{value}{unit} ({low}–{high})"

    return text


percent = _form(1, factor=100.0, unit=" %")
times = _form(2)
megabytes = _form(1, over=1e6)
gigabytes = _form(2, over=1e9)


def times_plain(value: float) -> str:
    """A value as a factor, without an interval."""
    return f"{value:.2f}" if np.isfinite(value) else "-"


def markdown(table: pd.DataFrame) -> str:
    """A table in GitHub Markdown."""
    lines = [list(table.columns), ["---"] + ["---:"] * (len(table.columns) - 1), *table.to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def ended(runs: pd.DataFrame) -> pd.DataFrame:
    """Numbers of runs that ended early and of infeasible decisions; rows with neither are left out."""
    rows = []
    for (variant, policy), here in runs.groupby(["variant", "policy"], sort=False):
        status = here["status"][here["status"] != "complete"].value_counts()
        infeasible, asked = here["infeasible_decisions"].sum(), here["decisions"].sum()
        if len(status) or infeasible:
            how = ", ".join(f"{count} {name}" for name, count in status.sort_index().items()) or "none"
            rows.append(
                {
                    "world": variant,
                    "policy": policy,
                    "runs": f"{len(here)}",
                    "ended early": how,
                    "tokens made, median": f"{here['tokens'].median():,.0f}",
                    "infeasible decisions": f"{infeasible:,} of {asked:,}",
                }
            )
    if not rows:
        return pd.DataFrame([{"runs": f"all {len(runs):,} completed, and no decision was infeasible"}])
    return pd.DataFrame(rows)

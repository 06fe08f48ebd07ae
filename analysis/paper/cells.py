"""Cells of the tables: medians with intervals, and Markdown tables."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from headway.analysis.statistics import Interval, median_interval


def cell(values: "pd.Series[float]", shown: Callable[[Interval], str]) -> str:
    """The median of the finite values with its interval, and their number if some are missing."""
    present = values[np.isfinite(values)]
    if present.empty:
        return f"none of {len(values)}"
    count = "" if len(present) == len(values) else f", {len(present)} of {len(values)}"
    return f"{shown(median_interval(present))}{count}"


def percent(interval: Interval) -> str:
    """An interval as a percentage."""
    value, low, high = (f"{100.0 * part + 0.0:.1f}" for part in (interval.value, interval.low, interval.high))
    return f"{value} % ({low}–{high})"


def times(interval: Interval) -> str:
    """An interval as a factor."""
    return f"{interval.value:.2f} ({interval.low:.2f}–{interval.high:.2f})"


def megabytes(interval: Interval) -> str:
    """An interval in 10^6 bytes."""
    return f"{interval.value / 1e6:.1f} ({interval.low / 1e6:.1f}–{interval.high / 1e6:.1f})"


def times_plain(value: float) -> str:
    """A value as a factor, without an interval."""
    return f"{value:.2f}" if np.isfinite(value) else "-"


def markdown(table: pd.DataFrame) -> str:
    """A table in GitHub Markdown."""
    lines = [list(table.columns), ["---"] + ["---:"] * (len(table.columns) - 1), *table.to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)

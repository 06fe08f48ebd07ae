"""Paired differences: the same seed makes the same world, so what differs within it is what the change did.

Only pairs of runs that both came to their last token are compared. The mean difference over worlds has a 95 % bootstrap
interval (`analysis.statistics`) where there are two worlds or more.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from headway.analysis.statistics import bootstrap, without_rounding


@dataclass(frozen=True)
class Metric:
    """A number that summarises a run.

    Attributes:
        column: in the table of runs.
        name: for people.
        words: for a difference below 0, and for one above.
    """

    column: str
    name: str
    words: tuple[str, str]


_FASTER, _MORE = ("better", "worse"), ("worse", "better")

METRICS = (
    Metric("ttft_s", "TTFT", _FASTER),
    Metric("tpot_p50_s", "TPOT p50", _FASTER),
    Metric("tpot_p95_s", "TPOT p95", _FASTER),
    Metric("tpot_p99_s", "TPOT p99", _FASTER),
    Metric("tokens_per_s", "Tokens per s", _MORE),
    Metric("migrations", "Migrations", ("fewer", "more")),
    Metric("peak_bytes", "Peak memory", ("less", "more")),
)
"""What is compared. More migrations or memory are neither good nor bad in themselves, so no verdict calls them that."""

SAME, UNSURE = "same", "unsure"


def differences(runs: pd.DataFrame, by: Literal["variant", "policy"]) -> pd.DataFrame:
    """What each label of a column changes against the first of them, under each value of the other column.

    Args:
        runs: rows with `variant`, `policy`, `seed`, `status` and the metrics.
        by: the column whose labels are compared.

    Returns:
        One row per comparison and metric: `variant`, `policy`; `against`, the label compared with; `metric`; `before`
        and `after`, means over the pairs; `difference`, the mean of after - before, with the ends `low` and `high` of
        its interval, NaN with fewer than two pairs; `pairs` of the `worlds` there are; `verdict`: better or worse
        (fewer or more), "same" if no pair differs by more than rounding, "unsure" if the interval holds 0 or one
        pair is left of several worlds, and how runs ended if no pair was complete.
    """
    other = "policy" if by == "variant" else "variant"
    reference = runs[by].iloc[0]
    rows = []
    for (label, within), changed in runs[runs[by] != reference].groupby([by, other], sort=False):
        before = runs[(runs[by] == reference) & (runs[other] == within)]
        about = {by: label, other: within, "against": reference}
        rows += [about | row for row in _compared(before.set_index("seed"), changed.set_index("seed"))]
    return pd.DataFrame(rows)


def levels(runs: pd.DataFrame) -> pd.DataFrame:
    """Each metric of each case under each policy.

    Returns:
        One row per variant, policy and metric: `mean` over the complete runs, with the ends `low` and `high` of its
        interval, NaN with fewer than two; `complete` of the `worlds` there are; `status` of the others, or "complete".
    """
    rows: list[dict[str, Any]] = []
    for (variant, policy), group in runs.groupby(["variant", "policy"], sort=False):
        about = {"variant": variant, "policy": policy}
        complete = group[group["status"] == "complete"]
        counts = {"complete": len(complete), "worlds": len(group), "status": ended(group)}
        for metric in METRICS:
            values = complete[metric.column].to_numpy(dtype=np.float64)
            rows.append(about | {"metric": metric.column} | _interval("mean", values) | counts)
    return pd.DataFrame(rows)


def ended(runs: pd.DataFrame) -> str:
    """How those runs ended that were not complete; "complete" if all were."""
    others = sorted(set(runs["status"]) - {"complete"})
    return ", ".join(others) or "complete"


def _compared(before: pd.DataFrame, after: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """One row per metric, from the runs of one label and those of another, indexed by seed."""
    both = (before["status"] == "complete") & (after["status"].reindex(before.index) == "complete")
    seeds = before.index[both]
    counts = {"pairs": len(seeds), "worlds": len(before)}
    for metric in METRICS:
        first = before.loc[seeds, metric.column].to_numpy(dtype=np.float64)
        second = after.loc[seeds, metric.column].to_numpy(dtype=np.float64)
        changes = without_rounding(second - first, np.maximum(np.abs(first), np.abs(second)))
        interval = _interval("difference", changes)
        means = {"before": _mean(first), "after": _mean(second)}
        verdict = _verdict(metric, changes, interval, len(before)) if len(seeds) else _why_none(before, after)
        yield {"metric": metric.column, **means, **interval, **counts, "verdict": verdict}


def _interval(name: str, values: npt.NDArray[np.float64]) -> dict[str, float]:
    """Mean and interval of a sample; NaN where there is nothing to say."""
    if len(values) < 2 or not np.isfinite(values).all():
        return {name: _mean(values), "low": np.nan, "high": np.nan}
    found = bootstrap(values, "mean")
    return {name: found.value, "low": found.low, "high": found.high}


def _mean(values: npt.NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else np.nan


def _verdict(
    metric: Metric, changes: npt.NDArray[np.float64], interval: dict[str, float], worlds: int
) -> str:
    if np.isnan(changes).any():
        return "-"
    if not changes.any():
        return SAME
    low, high = interval["low"], interval["high"]
    if len(changes) == 1:
        # One world may be all there is; but one that is left of many tells nothing of the others.
        low = high = interval["difference"] if worlds == 1 else 0.0
    if low <= 0.0 <= high:
        return UNSURE
    return metric.words[int(low > 0.0)]


def _why_none(before: pd.DataFrame, after: pd.DataFrame) -> str:
    """How the runs ended that leave nothing to compare."""
    return ended(after) if (before["status"] == "complete").any() else ended(before)

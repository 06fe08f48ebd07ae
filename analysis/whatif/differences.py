"""Paired comparisons of the cases of a study: with the same seed, base and variant run in the same world.

Changes are those of pairs of complete runs. A run that did not complete is worse than one that did.
`analysis.statistics.comparison` has both criteria.
"""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from headway.analysis.statistics import (
    SMALLEST,
    Comparison,
    compare,
    failure_verdict,
    mean_interval,
)
from headway.analysis.statistics.metrics import METRICS, RANKED, Metric, table_metrics

NO_VALUE = "-"
"""The verdict where a metric is missing, such as TPOT of a run with one token."""

_NOT_COMPARED = dict.fromkeys(("change", "low", "high"), np.nan) | {"relative": True}


def differences(
    runs: pd.DataFrame, by: Literal["variant", "policy"], *, smallest: float = SMALLEST, exact: bool = False
) -> pd.DataFrame:
    """Compare each label of a column with the first of them, under each value of the other column.

    Args:
        runs: rows with `variant`, `policy`, `seed`, `status` and the metrics.
        by: the column whose labels are compared.
        smallest: smallest interesting difference, as a share.
        exact: nothing depends on the seed, so one world is enough.

    Returns:
        One row per comparison and metric: `variant`, `policy`; `against`, the label compared with; `metric`; `before`
        and `after`, means over the pairs; `change`, as a share (0.05 is 5 % more) if `relative`, otherwise in the unit
        of the metric; `low` and `high`, the ends of its interval, NaN with fewer than two pairs; `pairs` of the
        `worlds`; `verdict`: better or worse (fewer, more or less), "same", "unsure", or the status of the runs if
        the second case completed none; `needed`, about how many worlds would settle an unsure verdict, NaN if unknown.
    """
    other = "policy" if by == "variant" else "variant"
    reference = runs[by].iloc[0]
    bases = {label: rows.set_index("seed") for label, rows in runs[runs[by] == reference].groupby(other)}
    compared = table_metrics(runs)
    rows: list[dict[str, Any]] = []
    comparable: list[tuple[dict[str, Any], npt.NDArray[np.float64], npt.NDArray[np.float64]]] = []
    for (label, within), changed in runs[runs[by] != reference].groupby([by, other], sort=False):
        before = bases[within]
        after = changed.set_index("seed").reindex(before.index)
        done = [side["status"] == "complete" for side in (before, after)]
        both, failed = done[0] & done[1], failure_verdict(*done)
        about = {by: label, other: within, "against": reference}
        never = "" if done[1].any() else ended(after)
        end = {"pairs": int(both.sum()), "worlds": len(before), "needed": np.nan}
        for metric in compared:
            # More migrations or memory of a run that ended early are neither good nor bad.
            by_failure = failed if metric.column in RANKED else None
            verdict = never or by_failure or NO_VALUE
            first, second = (
                side.loc[both, metric.column].to_numpy(dtype=np.float64) for side in (before, after)
            )
            means = {"metric": metric.column, "before": _mean(first), "after": _mean(second)}
            rows.append(about | means | _NOT_COMPARED | end | {"verdict": verdict})
            if first.size and np.isfinite([first, second]).all():
                comparable.append((rows[-1], first, second))
    for row, first, second in comparable:
        comparison = compare(first, second, comparisons=len(comparable), smallest=smallest, exact=exact)
        columns = _columns(METRICS[row["metric"]], comparison)
        row.update(
            columns if row["verdict"] == NO_VALUE else columns | {"verdict": row["verdict"], "needed": np.nan}
        )
    return pd.DataFrame(rows)


def _columns(metric: Metric, comparison: Comparison) -> dict[str, Any]:
    words = {"lower": metric.words[0], "higher": metric.words[1]}
    change = comparison.change
    return {
        "change": change.value,
        "low": change.low if change.count > 1 else np.nan,
        "high": change.high if change.count > 1 else np.nan,
        "relative": comparison.relative,
        "verdict": words.get(comparison.verdict, comparison.verdict),
        "needed": np.nan if comparison.needed is None else float(comparison.needed),
    }


def levels(runs: pd.DataFrame) -> pd.DataFrame:
    """Each metric of each case under each policy.

    Returns:
        One row per variant, policy and metric: `mean` over the complete runs, with the ends `low` and `high` of its
        95 % interval, NaN with fewer than two; `complete` of the `worlds`; `status` of the others, or "complete".
    """
    rows: list[dict[str, Any]] = []
    for (variant, policy), group in runs.groupby(["variant", "policy"], sort=False):
        about = {"variant": variant, "policy": policy}
        complete = group[group["status"] == "complete"]
        counts = {"complete": len(complete), "worlds": len(group), "status": ended(group)}
        for metric in table_metrics(runs):
            values = complete[metric.column].to_numpy(dtype=np.float64)
            rows.append(about | {"metric": metric.column} | _level(values) | counts)
    return pd.DataFrame(rows)


def ended(runs: pd.DataFrame) -> str:
    """The statuses of the runs that are not complete; "complete" if all are."""
    return ", ".join(sorted(set(runs["status"]) - {"complete"})) or "complete"


def _level(values: npt.NDArray[np.float64]) -> dict[str, float]:
    if len(values) < 2 or not np.isfinite(values).all():
        return {"mean": _mean(values), "low": np.nan, "high": np.nan}
    interval = mean_interval(values)
    return {"mean": interval.value, "low": interval.low, "high": interval.high}


def _mean(values: npt.NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else np.nan

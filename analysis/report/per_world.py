"""Metrics of policies world by world, where a world is a setting of the axes under a seed.

Settings under one seed share its random draws, so statistics over worlds count every seed once.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from headway.analysis.report.data import ReportData
from headway.analysis.statistics import Interval, mean_interval


def by_world(data: ReportData, column: str, runs: pd.DataFrame) -> pd.DataFrame:
    """A metric of completed runs where it is above 0: a row per setting and seed, a column per policy of the runs."""
    known = runs[(runs["status"] == "complete") & (runs[column] > 0.0)]
    table = known.pivot_table(index=[*data.axes, "seed"], columns="policy", values=column)
    return table.reindex(columns=list(dict.fromkeys(runs["policy"])))


def completed(data: ReportData, runs: pd.DataFrame) -> pd.DataFrame:
    """1 for completed runs, 0 for others, NaN for those not made yet: rows and columns as in `by_world`."""
    done = runs.assign(completed=(runs["status"] == "complete").astype(float))
    return done.pivot_table(index=[*data.axes, "seed"], columns="policy", values="completed")


def level(values: npt.ArrayLike, seeds: npt.ArrayLike) -> Interval | None:
    """The mean of values over their seeds, with its 95 % interval; None if no value is known."""
    known = per_seed(np.asarray(values, dtype=np.float64), np.asarray(seeds))
    return mean_interval(known) if known.size else None


def per_seed(values: npt.NDArray[np.float64], seeds: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The means of the known values under each seed that has any, shape (seeds,)."""
    known = np.isfinite(values)
    _, seed = np.unique(seeds[known], return_inverse=True)
    means: npt.NDArray[np.float64] = np.bincount(seed, values[known]) / np.bincount(seed)
    return means


def effects(values: pd.DataFrame) -> "pd.Series[float]":
    """How the policies' logarithms differ, whichever worlds each of them completed.

    Where all completed all worlds, these are the differences of the means. Otherwise a policy that completed only the
    easy worlds would seem fast. Therefore each logarithm is modelled as the sum of an effect of the world and one of
    the policy, and the effects of policies are fitted by least squares, in which every seed counts once.

    Args:
        values: from `by_world`.

    Returns:
        By policy; missing for policies that no chain of shared worlds connects with most of the others.
    """
    known = values.dropna(how="all")
    seeds = known.index.get_level_values("seed")
    weight = 1.0 / seeds.value_counts()[seeds].to_numpy(dtype=np.float64)[:, None]
    there = known.notna().to_numpy(dtype=np.float64)
    shares = there / there.sum(axis=1, keepdims=True)
    logs = np.log(known.fillna(1.0).to_numpy(dtype=np.float64))
    beyond = there * (logs - (logs * shares).sum(axis=1, keepdims=True))
    # The normal equations, from which the worlds are eliminated.
    joint: npt.NDArray[np.float64] = np.diag((weight * there).sum(axis=0)) - there.T @ (weight * shares)
    solution = np.linalg.lstsq(joint, (weight * beyond).sum(axis=0), rcond=None)[0]
    return pd.Series(np.where(_connected(there), solution, np.nan), index=values.columns)


def _connected(there: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which columns of a table of worlds and policies belong to its largest connected part."""
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    _, part = connected_components(there.T @ there > 0.0, directed=False)
    sizes = np.bincount(part, weights=there.sum(axis=0))
    largest: npt.NDArray[np.bool_] = (part == sizes.argmax()) & (there.sum(axis=0) > 0.0)
    return largest

"""The ranking of policies by one metric, and the sentence that states it.

Runs are compared within a world: the same setting of the axes and the same seed. The comparison is of logarithms, so a
difference is a percentage, and a policy that is always 10 % slower is so in fast and slow worlds. Settings under one
seed share its random draws, so they count once, by their mean.

`analysis.statistics.comparison` has the criterion for a difference. All pairs of policies count as comparisons, and not
only those with the best: the same runs show which policy is best.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from headway.analysis.formatting import listed, number, time_unit
from headway.analysis.report.data import ReportData
from headway.analysis.report.per_world import by_world, completed, effects, level, per_seed
from headway.analysis.statistics import SMALLEST, Comparison, Interval, compare_logs, failure_verdict
from headway.analysis.statistics.metrics import RANKED, Metric
from headway.traces.errors import InputError, one_of

_EQUAL = 1e-9
"""Policies whose logarithms differ by less are equal up to rounding."""

_RANKINGS = 2
"""Rankings of all runs on a page: by the metric of the user's choice, and by another."""


@dataclass(frozen=True)
class Ranking:
    """Policies by one metric.

    Attributes:
        metric: by which they are ranked.
        levels: the mean of each policy's metric over its complete worlds; None without any.
        complete: number of complete runs of each policy, and number of its runs.
        best: the policy with the best metric among those that completed the largest share of their runs; None if none
            completed any.
        changes: each other policy that completed a world of the best, against the best.
        worlds: number of seeds.
        smallest: smallest interesting difference, as a share.
        settings: combinations of levels of the axes.
        missing: runs that are not made yet.
    """

    metric: Metric
    levels: Mapping[str, Interval | None]
    complete: Mapping[str, tuple[int, int]]
    best: str | None
    changes: Mapping[str, Comparison]
    worlds: int
    smallest: float = SMALLEST
    settings: int = 1
    missing: int = 0

    @property
    def unit(self) -> tuple[float, str]:
        """The unit in which levels are shown: its size in the unit of the metric, and its name."""
        known = [level.value for level in self.levels.values() if level is not None]
        if self.metric.unit == "s":
            return time_unit(known)
        return 1.0, self.metric.unit

    def verdict_on(self, policy: str) -> str:
        """The verdict on a policy against the best, in a few words."""
        if policy == self.best:
            return "the best"
        change = self.changes.get(policy)
        if change is None:
            return "no world to compare" if self.complete[policy][0] else "worse"
        if self.worlds == 1:
            return "one world"
        words = {"lower": self.metric.words[0], "higher": self.metric.words[1]}
        return words.get(change.verdict, change.verdict)


def rank_policies(
    data: ReportData, metric: Metric, runs: pd.DataFrame | None = None, *, smallest: float = SMALLEST
) -> Ranking:
    """Rank all policies by one metric.

    Args:
        data: the runs.
        metric: by which they are ranked.
        runs: those of one setting; all by default.
        smallest: smallest interesting difference, as a share.

    Raises:
        InputError: the runs do not have the metric.
    """
    if metric.column not in data.runs:
        known = [column for column in RANKED if column in data.runs]
        raise InputError(
            "--metric", f"{metric.column!r}, which these results lack", one_of(metric.column, known)
        )
    rows = data.runs if runs is None else runs
    policies = list(dict.fromkeys(rows["policy"]))
    done = rows[rows["status"] == "complete"]
    values = by_world(data, metric.column, rows)
    complete = {p: (int((done["policy"] == p).sum()), int((rows["policy"] == p).sum())) for p in policies}
    best = _best(values, complete, metric)
    rankings = _RANKINGS if runs is None else len(data.settings)
    changes = {} if best is None else _changes(values, completed(data, rows), best, rankings, smallest)
    of_seed = values.index.get_level_values("seed")
    levels = {policy: level(values[policy], of_seed) for policy in policies}
    settings = len(rows.drop_duplicates(list(data.axes))) if data.axes else 1
    seeds = rows["seed"].nunique()
    return Ranking(metric, levels, complete, best, changes, seeds, smallest, settings, data.missing)


def _best(values: pd.DataFrame, complete: Mapping[str, tuple[int, int]], metric: Metric) -> str | None:
    shares = {p: done / total for p, (done, total) in complete.items() if values[p].notna().any()}
    candidates = [p for p, share in shares.items() if share == max(shares.values())]
    if not candidates:
        return None
    logs = effects(values[candidates]) * (1.0 if metric.lower else -1.0)
    # The order of the runs must not decide between policies that are equal up to rounding.
    equal = logs[logs <= logs.min() + _EQUAL].index
    return min(map(str, equal), default=None)


def _changes(
    values: pd.DataFrame, done: pd.DataFrame, best: str, rankings: int, smallest: float
) -> dict[str, Comparison]:
    seeds, comparisons = values.index.get_level_values("seed").to_numpy(), {}
    pairs = math.comb(int(values.notna().any().sum()), 2)
    for policy in values.columns.drop(best):
        # One value per seed: the mean over the settings that both completed.
        logs = per_seed(np.log((values[policy] / values[best]).to_numpy(dtype=np.float64)), seeds)
        if logs.size:
            change = compare_logs(logs, comparisons=pairs * rankings, smallest=smallest)
            failed = failure_verdict(*(done[[best, policy]].dropna() == 1.0).to_numpy().T)
            comparisons[str(policy)] = (
                change if failed is None else replace(change, verdict=failed, needed=None)
            )
    return comparisons


def verdict(ranking: Ranking) -> str:
    """The result of a ranking in a few sentences."""
    name = ranking.metric.name
    if ranking.best is None:
        return f"No run came to its end with a {name} to compare."
    best, others = ranking.best, sorted(ranking.changes.items(), key=lambda pair: abs(pair[1].change.value))
    value, more = _level_text(ranking.levels[best], *ranking.unit), _failures(ranking) + _missing(ranking)
    if not others:
        alone = (
            "Only one policy ran" if len(ranking.levels) == 1 else "No two policies completed the same world"
        )
        return f"{alone}, so there is nothing to compare; {best} has a {name} of {value}.{more}"
    if ranking.worlds == 1:
        where, one = ("Under", "seed") if ranking.settings > 1 else ("In", "world")
        leads = (
            f"{where} the one {one} that was run, {_lead(ranking, best)}{best} has the best {name}, {value}"
        )
        against = listed([_against(p, c, interval=False) for p, c in others])
        return f"{leads}; {against}. One {one} does not show whether that holds {where.lower()} others.{more}"
    differ = [(p, c) for p, c in others if c.verdict in ("lower", "higher")]
    parts = []
    if differ:
        leads = f"{_lead(ranking, best).capitalize()}{best} has the best {name}, {value}"
        parts.append(f"{leads}; {listed([_against(p, c) for p, c in differ])}.")
    if early := [(p, c) for p, c in others if c.verdict == "worse"]:
        if not differ:
            parts.append(f"{_lead(ranking, best).capitalize()}{best} has the best {name}, {value}.")
        names, against = listed([p for p, _ in early]), listed([_against(p, c) for p, c in early])
        parts.append(
            f"{best} completed worlds in which {names} ended early; where both completed, {against}."
        )
    if same := [p for p, c in others if c.verdict == "same"]:
        parts.append(f"{best} and {listed(same)} differ by less than {100.0 * ranking.smallest:g} %.")
    if unsure := [p for p, c in others if c.verdict == "unsure"]:
        parts.append(f"Whether {best} differs from {listed(unsure, 'or')} is unsure.")
    needed = [c.needed for _, c in others if c.needed is not None]
    if needed:
        parts.append(f"About {max(needed):,} seeds would show differences of the size that these runs have.")
    return " ".join(parts) + more


def _lead(ranking: Ranking, best: str) -> str:
    """A note that the best is chosen only among the policies that completed most of their runs."""
    shares = {
        p: done / total for p, (done, total) in ranking.complete.items() if ranking.levels[p] is not None
    }
    return "among those that completed most of their runs, " if min(shares.values()) < shares[best] else ""


def _against(policy: str, comparison: Comparison, *, interval: bool = True) -> str:
    change = comparison.change
    if change.value == 0.0:
        return f"that of {policy} is the same"
    word = "higher" if change.value > 0.0 else "lower"
    near, far = sorted((100.0 * abs(change.low), 100.0 * abs(change.high)))
    ends = f" (95 % interval {number(near)} % to {number(far)} %)" if interval else ""
    return f"that of {policy} is {number(100.0 * abs(change.value))} % {word}{ends}"


def _level_text(interval: Interval | None, factor: float, unit: str) -> str:
    return "nothing" if interval is None else f"{number(interval.value / factor)} {unit}"


def _failures(ranking: Ranking) -> str:
    early = [
        f"{p} in {total - done:,} of {total:,}"
        for p, (done, total) in ranking.complete.items()
        if done < total
    ]
    return (
        f" Runs that ended early: {listed(early)}; they are worse than runs that completed." if early else ""
    )


def _missing(ranking: Ranking) -> str:
    if not ranking.missing:
        return ""
    return (
        f" Of the campaign, {ranking.missing:,} {'run is' if ranking.missing == 1 else 'runs are'} missing."
    )

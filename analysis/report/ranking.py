"""Which policy is best, how sure that is, and the sentence that says so.

Runs are compared within a world: the same setting of the axes and the same seed. What is compared is the logarithm of
a metric, so a difference is a percentage and a policy that is always 10 % slower is so in fast worlds and slow ones
alike. Settings under one seed share its random draws; they count once, by their mean.

A difference is told only where the 95 % interval excludes 0 and the signed-rank test, after Holm's correction for all
pairs of policies, is at most 5 %. All pairs count, and not only those with the best: which is best was seen in the same
runs.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd

from headway.analysis.formatting import number, time_unit
from headway.analysis.report.data import ReportData
from headway.analysis.report.per_world import by_world, effects, level, per_seed
from headway.analysis.statistics import (
    FEW,
    ROUNDING,
    Comparison,
    Interval,
    compare_pairs,
    holm,
    replications_needed,
    without_rounding,
)
from headway.traces.errors import InputError, one_of

BELIEVED = 0.05
_WISHED = 0.05


@dataclass(frozen=True)
class Metric:
    """A number by which policies can be ranked.

    Attributes:
        column: in the table of runs.
        name: in a sentence.
        short: at the head of a column.
        unit: of the column.
        lower: whether less is better.
    """

    column: str
    name: str
    short: str
    unit: str
    lower: bool = True


METRICS = {
    metric.column: metric
    for metric in (
        Metric("tpot_p50_s", "median time per output token", "TPOT p50", "s"),
        Metric("tpot_p95_s", "95th percentile of the time per output token", "TPOT p95", "s"),
        Metric("tpot_p99_s", "99th percentile of the time per output token", "TPOT p99", "s"),
        Metric("ttft_s", "time to first token", "TTFT", "s"),
        Metric("tokens_per_s", "rate of tokens", "Tokens per s", "tokens/s", lower=False),
    )
}


@dataclass(frozen=True)
class Change:
    """A policy against the best.

    Attributes:
        percent: how far its metric is from that of the best.
        p_value: after Holm's correction.
        effect: rank-biserial correlation.
        told: whether it can be told from the best.
        needed: worlds for an interval of the difference that reaches 5 % to either side; None if unknown.
    """

    percent: Interval
    p_value: float
    effect: float
    told: bool
    needed: int | None


@dataclass(frozen=True)
class Ranking:
    """Policies by one metric.

    Attributes:
        metric: what counts.
        levels: the mean of each policy's metric over the worlds that it completed; None if there is none.
        complete: how many runs of each policy came to their last token, and how many there are.
        best: the policy with the best metric among those that completed the largest share of their runs; None if none
            completed any.
        changes: the others against the best, where both completed a world.
        worlds: seeds.
        fewest: seeds with which a difference can be told at all: as many as it takes for one sign in all of them to be
            believed among so many pairs of policies.
        settings: combinations of levels of the axes.
        missing: runs that are not made yet.
    """

    metric: Metric
    levels: Mapping[str, Interval | None]
    complete: Mapping[str, tuple[int, int]]
    best: str | None
    changes: Mapping[str, Change]
    worlds: int
    fewest: int = FEW
    settings: int = 1
    missing: int = 0

    @property
    def unit(self) -> tuple[float, str]:
        """In which levels are shown: its size in the unit of the metric, and its name."""
        known = [level.value for level in self.levels.values() if level is not None]
        if self.metric.unit == "s":
            return time_unit(known)
        return 1.0, self.metric.unit


def metric_named(column: str) -> Metric:
    """The metric of a column.

    Raises:
        InputError: there is none.
    """
    if column not in METRICS:
        raise InputError("--metric", repr(column), one_of(column, METRICS))
    return METRICS[column]


def rank_policies(data: ReportData, metric: Metric, runs: pd.DataFrame | None = None) -> Ranking:
    """Rank all policies by one metric.

    Args:
        data: what there is.
        metric: what counts.
        runs: some of its runs, such as those of one setting; all by default.
    """
    rows = data.runs if runs is None else runs
    policies = list(dict.fromkeys(rows["policy"]))
    done = rows[rows["status"] == "complete"]
    values = by_world(data, metric.column, rows)
    complete = {p: (int((done["policy"] == p).sum()), int((rows["policy"] == p).sum())) for p in policies}
    best = _best(values, complete, metric)
    changes = {} if best is None else _changes(values, best)
    of_seed = values.index.get_level_values("seed")
    levels = {policy: level(values[policy], of_seed) for policy in policies}
    seeds, settings = rows["seed"].nunique(), 1
    if data.axes:
        settings = len(rows.drop_duplicates(list(data.axes)))
    fewest = _fewest(values)
    return Ranking(metric, levels, complete, best, changes, seeds, fewest, settings, data.missing)


def _best(values: pd.DataFrame, complete: Mapping[str, tuple[int, int]], metric: Metric) -> str | None:
    shares = {p: done / total for p, (done, total) in complete.items() if values[p].notna().any()}
    candidates = [p for p, share in shares.items() if share == max(shares.values())]
    if not candidates:
        return None
    logs = effects(values[candidates]) * (1.0 if metric.lower else -1.0)
    # Runs come in the order of their names, which must not decide between policies that are equal but for rounding.
    equal = logs[logs <= logs.min() + ROUNDING].index
    return min(map(str, equal), default=None)


def _fewest(values: pd.DataFrame) -> int:
    """How many seeds it takes to tell a difference between two of the policies."""
    pairs = math.comb(int(values.notna().any().sum()), 2)
    return max(FEW, math.ceil(1.0 - math.log2(BELIEVED / max(1, pairs))))


def _changes(values: pd.DataFrame, best: str) -> dict[str, Change]:
    seeds, found = values.index.get_level_values("seed").to_numpy(), {}
    logs = {str(policy): np.log(column.to_numpy(dtype=np.float64)) for policy, column in values.items()}
    for a, b in combinations(logs, 2):
        # One value per seed: the mean over the settings that both completed.
        ratios = per_seed(without_rounding(logs[a] - logs[b]), seeds)
        if ratios.size:
            found[a, b] = ratios, compare_pairs(ratios, np.zeros(ratios.size))
    corrected = dict(zip(found, holm([one.p_value for _, one in found.values()]), strict=True))
    changes = {}
    for policy in logs:
        for pair, sign in (((policy, best), 1.0), ((best, policy), -1.0)):
            if pair in found:
                ratios, one = found[pair]
                changes[policy] = _change(sign * ratios, one, sign, float(corrected[pair]))
    return changes


def _change(logs: npt.NDArray[np.float64], one: Comparison, sign: float, p_value: float) -> Change:
    ends = sorted((sign * one.difference.low, sign * one.difference.high))
    value, low, high = (100.0 * float(np.expm1(end)) for end in (sign * one.difference.value, *ends))
    told = p_value <= BELIEVED and not ends[0] <= 0.0 <= ends[1]
    needed = replications_needed(logs, float(np.log1p(_WISHED))) if logs.size >= 2 else None
    return Change(Interval(value, low, high, logs.size), p_value, sign * one.effect + 0.0, told, needed)


def verdict(found: Ranking) -> str:
    """The outcome in a sentence or two, which claim no more than the runs show."""
    name = found.metric.name
    if found.best is None:
        return f"No run came to its end with a {name} to compare."
    shown = _shown(found.levels[found.best], *found.unit)
    best, others = found.best, {p: c for p, c in found.changes.items() if p != found.best}
    more = _failures(found) + _missing(found)
    if not others:
        alone = (
            "Only one policy ran" if len(found.levels) == 1 else "No two policies completed the same world"
        )
        return f"{alone}, so there is nothing to compare; {best} has a {name} of {shown}.{more}"
    if found.worlds == 1:
        where, one = ("Under", "seed") if found.settings > 1 else ("In", "world")
        leads = f"{where} the one {one} that was run, {_lead(found, best)}{best} has the best {name}, {shown}"
        against = listed([_against(p, c, interval=False) for p, c in _by_size(others)])
        return f"{leads}; {against}. One {one} does not tell whether that holds {where.lower()} others.{more}"
    told = [(p, c) for p, c in _by_size(others) if c.told]
    same = [p for p, c in _by_size(others) if not c.told]
    parts = []
    if told:
        leads = f"{_lead(found, best).capitalize()}{best} has the best {name}, {shown}"
        parts.append(f"{leads}; {listed([_against(p, c) for p, c in told])}.")
    if same:
        parts.append(
            f"{'Between' if not told else 'But between'} {best} and {listed(same, 'or')} no difference can be told."
        )
    if found.worlds < found.fewest:
        among = "" if found.fewest == FEW else " among so many policies"
        parts.append(
            f"{found.worlds} seeds are too few to tell any{among}; at least {found.fewest} are needed."
        )
    return " ".join(parts) + more


def _lead(found: Ranking, best: str) -> str:
    """That others, which may even be better, were left out because they completed less."""
    shares = {p: done / total for p, (done, total) in found.complete.items() if found.levels[p] is not None}
    return "among those that completed most of their runs, " if min(shares.values()) < shares[best] else ""


def listed(parts: Sequence[str], last: str = "and") -> str:
    """Parts of a sentence in a row."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {last} {parts[-1]}"


def percent(value: float) -> str:
    """A change with its sign."""
    sign = "+" if value > 0.0 else "−" if value < 0.0 else ""
    return f"{sign}{number(abs(value))} %"


def _by_size(changes: Mapping[str, Change]) -> list[tuple[str, Change]]:
    return sorted(changes.items(), key=lambda pair: abs(pair[1].percent.value))


def _against(policy: str, change: Change, *, interval: bool = True) -> str:
    found = change.percent
    if found.value == 0.0:
        return f"that of {policy} is the same"
    word = "higher" if found.value > 0.0 else "lower"
    near, far = sorted((abs(found.low), abs(found.high)))
    ends = f" (95 % interval {number(near)} % to {number(far)} %)" if interval else ""
    return f"that of {policy} is {number(abs(found.value))} % {word}{ends}"


def _shown(found: Interval | None, factor: float, unit: str) -> str:
    return "nothing" if found is None else f"{number(found.value / factor)} {unit}"


def _failures(found: Ranking) -> str:
    early = [
        f"{p} in {total - done:,} of {total:,}" for p, (done, total) in found.complete.items() if done < total
    ]
    return (
        f" Runs that ended early: {listed(early)}; a world counts for a pair if both completed it."
        if early
        else ""
    )


def _missing(found: Ranking) -> str:
    if not found.missing:
        return ""
    return f" Of the campaign, {found.missing:,} {'run is' if found.missing == 1 else 'runs are'} missing."

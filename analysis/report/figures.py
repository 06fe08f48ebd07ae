"""The figures of a report; which of them depends on the tables of the results."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from headway.analysis import figures
from headway.analysis.figures import PAGE, Size
from headway.analysis.report.data import ReportData, alone
from headway.analysis.report.per_world import by_world, effects
from headway.analysis.report.ranking import Ranking
from headway.analysis.statistics import Interval
from headway.simcore.files.schema import NAME

_FILE_NAME = re.compile(NAME)
_OPTIMA = ("exact", "exact-milp")
"""Policies that find the best placement of each interval."""


@dataclass(frozen=True, eq=False)
class ReportFigure:
    """A figure with its title and caption.

    Attributes:
        name: of its file.
        title: its subject.
        caption: how to read it.
        figure: the Matplotlib figure.
    """

    name: str
    title: str
    caption: str
    figure: Figure


def report_figures(data: ReportData, ranking: Ranking, size: Size = PAGE) -> Iterator[ReportFigure]:
    """All figures, one after another."""
    yield from _of_policies(data, ranking, size)
    yield from _of_tokens(data, size)
    yield from _of_places(data, size)


def _of_policies(data: ReportData, ranking: Ranking, size: Size) -> Iterator[ReportFigure]:
    others = {policy: _percent(one.change) for policy, one in ranking.changes.items()}
    if others:
        label = f"{ranking.metric.name} against {ranking.best} [%]"
        caption = (
            "Geometric mean over worlds. The 95 % intervals hold together for all pairs of policies; one that reaches "
            "the line at 0 shows no sure difference. Long ones are cut."
        )
        if ranking.worlds == 1:
            caption = "One world: there is no interval."
        title = f"How far the others are from {ranking.best}"
        yield ReportFigure("differences", title, caption, figures.difference_figure(others, label, size))
    for number, axis in enumerate(data.axes):
        if len(set(data.runs[axis])) > 1:
            table, label = relative(data, ranking, axis), f"{ranking.metric.name}, times that of the best"
            caption = (
                "Geometric mean over completed worlds and the other axes. A dash: no run came to its end, or none in a "
                "world that others completed."
            )
            yield ReportFigure(
                f"map-{axis if _FILE_NAME.fullmatch(axis) else number}",
                f"Policies along {axis}",
                caption,
                figures.heat_map(table, axis, label, size),
            )
    gaps = gaps_to_optimum(data)
    if gaps is not None and gaps["gap"].notna().any():
        caption = (
            "A dot per run, and their median with its 95 % interval, in which the seeds are the units. The optimum is "
            "that of each interval by itself."
        )
        yield ReportFigure(
            "gaps",
            "Above the optimum",
            caption,
            figures.gap_figure(gaps, "time of all tokens above the optimum's [%]", size),
        )


def _percent(change: Interval) -> Interval:
    """In percent; long intervals are cut, so that the other ones remain readable."""
    value = 100.0 * change.value
    reach = 3.0 * abs(value) + 10.0
    low, high = max(100.0 * change.low, value - reach), min(100.0 * change.high, value + reach)
    return Interval(value, low, high, change.count)


def _of_tokens(data: ReportData, size: Size) -> Iterator[ReportFigure]:
    tokens = data.tables.get("tokens")
    if tokens is None:
        return
    together = "" if alone(data.runs) else "Tokens of all worlds and settings together. "
    early = ""
    if (data.runs["status"] != "complete").any():
        early = " Runs that ended early are included with their tokens."
    yield ReportFigure(
        "latency-distribution",
        "Time per output token",
        f"{together}Left: share of tokens with at most this latency. Right: share with a longer latency.{early}",
        figures.distribution_figure(tokens, size),
    )
    requests = data.tables.get("requests", data.runs)
    yield ReportFigure(
        "letter-values",
        "Times to first token and per output token",
        f"{together}The widest box holds half of all values, each further pair half of the rest. Line: median.{early}",
        figures.boxen_figure(requests, tokens, size),
    )
    yield ReportFigure(
        "latency-by-token",
        "Latency of every token",
        ("The median over runs, in the band of their middle 80 %." if together else "One run per policy.")
        + early,
        figures.by_token_figure(tokens, size),
    )


def _of_places(data: ReportData, size: Size) -> Iterator[ReportFigure]:
    tables = data.tables
    if not alone(data.runs):
        # The details of one world among many are not a result of the campaign.
        return
    if {"devices", "tokens"} <= set(tables):
        yield ReportFigure(
            "memory",
            "Memory of every device",
            "Memory that the model uses. Crosses: more than was free, so some was read from disk.",
            figures.memory_figure(tables["devices"], tables["tokens"], size),
        )
    if {"devices", "links"} <= set(tables):
        ends_s = data.runs["end_s"]
        yield ReportFigure(
            "utilisation",
            "How busy devices and links were",
            "Share of the run in which a device worked, or bytes flowed in one direction of a link.",
            figures.utilisation_figure(tables["devices"], tables["links"], ends_s, size),
        )
    if {"placements", "tokens"} <= set(tables):
        devices = list(tables["devices"]["device"].unique()) if "devices" in tables else []
        yield ReportFigure(
            "placement",
            "Device of each head",
            "A line per attention head, the first layer on top. The colour is the device with the head and its cache.",
            figures.placement_figure(tables["placements"], tables["tokens"], size, first=devices),
        )
    if "migrations" in tables:
        yield ReportFigure(
            "migrations",
            "Blocks that moved",
            "Cumulative bytes; every step is the arrival of a block.",
            figures.migration_figure(tables["migrations"], list(data.policies), size),
        )


def relative(data: ReportData, ranking: Ranking, axis: str) -> pd.DataFrame:
    """The metric of each policy over that of the best at each level of an axis: rows are policies, columns levels."""
    levels = {}
    for level, runs in data.runs.groupby(axis, sort=False):
        logs = effects(by_world(data, ranking.metric.column, runs))
        logs -= logs.min() if ranking.metric.lower else logs.max()
        levels[f"{level:g}" if isinstance(level, float) else str(level)] = np.exp(logs)
    return pd.DataFrame(levels).reindex(list(data.policies))


def gaps_to_optimum(data: ReportData) -> pd.DataFrame | None:
    """Relative excess of the time of all tokens over the optimum in the same world, by run; None without an optimum."""
    optimum = next((name for name in _OPTIMA if name in data.policies), None)
    if optimum is None or "tokens" not in data.tables:
        return None
    total_s = data.tables["tokens"].groupby("run")["latency_s"].sum()
    runs = data.runs[data.runs["status"] == "complete"]
    worlds = pd.MultiIndex.from_frame(runs[[*data.axes, "seed"]])
    times = pd.Series(total_s.reindex(runs.index).to_numpy(), worlds)
    best = (runs["policy"] == optimum).to_numpy()
    gap = times.to_numpy() / times[best].reindex(worlds).to_numpy() - 1.0
    return runs[["policy", "seed"]].assign(gap=gap)[~best]

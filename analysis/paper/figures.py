"""Results of the experiments as figures. Each policy has one colour and line style in all figures."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from headway.analysis.figures.axes import log_ticks
from headway.analysis.figures.style import PALETTE, styled
from headway.analysis.paper.cells import OURS, ratios
from headway.analysis.paper.experiments import POLICIES, shard_variant
from headway.analysis.paper.placements import SLOWEST
from headway.analysis.paper.runs import Tables
from headway.analysis.paper.tables import BEST, ORDER, decision_gaps
from headway.analysis.statistics import Interval, median_interval

_CLAIMED_GAP = (15.0, 20.0)
_CLAIMED_SPEEDUP = (9.0, 10.0)
_CURVES = (OURS, BEST, "static", "galaxy", "single", "edgeshard", "greedy", "dynamic-layer", "slowest-device")
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))
_SMOOTHED_OVER = 25
"""Tokens of the moving average in curves over tokens, which show medians over worlds."""


def small(tables: Tables) -> dict[str, Figure]:
    """Gap to the optimum per decision and per run."""
    gaps = decision_gaps(tables.decisions)
    totals = ratios(tables.runs, BEST)
    totals["gap"] = totals["ratio"] - 1.0
    with styled():
        figure = Figure(figsize=(9.0, 4.8), layout="constrained")
        left, right = figure.subplots(1, 2, sharex=True, sharey=True)
        for axes, rows, title in ((left, gaps, "Each decision"), (right, totals, "Whole run")):
            sized = rows.assign(size=rows["variant"].str.partition(",")[0], percent=100.0 * rows["gap"])
            _dots(axes, sized[~sized["policy"].isin([BEST, SLOWEST])], "size", "percent")
            axes.axvspan(*_CLAIMED_GAP, color="0.88", zorder=0)
            axes.set_title(title, loc="left")
            axes.set_xlabel("Delay above that of the optimum [%]")
        left.set_xlim(left=-1.0)
        right.legend(loc="upper right", title="grey: the paper's 15–20 %")
    return {"paper-small-gap": figure}


def medium(tables: Tables) -> dict[str, Figure]:
    """Delay and memory over tokens, distribution of delays, and speed-ups."""
    return {
        "paper-medium-delay": _over_tokens(tables.tokens, "delay_s", 1.0, "Delay of a token [s]", log=True),
        "paper-medium-cdf": _distribution(tables.tokens),
        "paper-medium-memory": _over_tokens(
            tables.tokens, "peak_bytes", 1e6, "Most that one device holds [MB]", log=False
        ),
        "paper-medium-speedup": _speedup(ratios(tables.runs, OURS)),
    }


def sensitivity(tables: Tables) -> dict[str, Figure]:
    """Delay ratios under changed assumptions, and speed-ups with shards."""
    sharded = tables.runs["variant"].str.contains("FFN shards")
    return {
        "paper-sensitivity": _assumptions(ratios(tables.runs[~sharded], OURS)),
        "paper-sharding": _sharding(tables.runs[sharded]),
    }


def _over_tokens(tokens: pd.DataFrame, column: str, unit: float, label: str, *, log: bool) -> Figure:
    with styled():
        figure = Figure(figsize=(7.5, 4.8), layout="constrained")
        axes = figure.subplots()
        for policy in _CURVES:
            median = tokens[tokens["policy"] == policy].groupby("token")[column].median() / unit
            smooth = median.rolling(_SMOOTHED_OVER, center=True, min_periods=1).mean()
            axes.plot(smooth.index, smooth, label=policy, **_look(policy))
        axes.set_xlabel("Tokens generated")
        axes.set_ylabel(label)
        axes.set_xlim(0, max(1, int(tokens["token"].max())))
        if log:
            axes.set_yscale("log")
            log_ticks(axes.yaxis, 1.0, 10.0)
        else:
            axes.set_ylim(bottom=0.0)
        figure.legend(loc="outside right upper", frameon=False, handlelength=3.2)
    return figure


def _distribution(tokens: pd.DataFrame) -> Figure:
    shares = np.linspace(0.0, 1.0, 201)
    with styled():
        figure = Figure(figsize=(7.5, 4.8), layout="constrained")
        axes = figure.subplots()
        for policy in _CURVES:
            delays = tokens["delay_s"][tokens["policy"] == policy]
            if len(delays):
                axes.plot(np.quantile(delays, shares), shares, label=policy, **_look(policy))
        axes.set_xscale("log")
        log_ticks(axes.xaxis, 1.0, 10.0)
        axes.set_xlabel("Delay of a token [s]")
        axes.set_ylabel("Share of tokens, all worlds")
        axes.set_ylim(0.0, 1.01)
        figure.legend(loc="outside right upper", frameon=False, handlelength=3.2)
    return figure


def _speedup(totals: pd.DataFrame) -> Figure:
    """Delay ratios to `resource-aware`, one dot per world."""
    others = [policy for policy in ORDER if policy != OURS]
    with styled():
        figure = Figure(figsize=(8.0, 4.2), layout="constrained")
        axes = figure.subplots()
        axes.axvspan(*_CLAIMED_SPEEDUP, color="0.88", zorder=0)
        axes.axvline(1.0, color="0.4", linewidth=1.0)
        for row, policy in enumerate(others):
            ratio = totals["ratio"][totals["policy"] == policy].dropna().to_numpy()
            height = row + np.linspace(-0.25, 0.25, max(2, len(ratio)))[: len(ratio)]
            axes.plot(ratio, height, ".", color=_look(policy)["color"], alpha=0.6, markersize=6)
            if len(ratio):
                axes.plot([np.median(ratio)] * 2, [row - 0.35, row + 0.35], color="black", linewidth=1.6)
        axes.set_xscale("log")
        log_ticks(axes.xaxis, 1.0, 10.0)
        axes.set_yticks(range(len(others)), others)
        axes.invert_yaxis()
        axes.set_xlabel("Total delay over that of resource-aware (dot: world, bar: median, grey: 9–10)")
    return figure


def _assumptions(totals: pd.DataFrame) -> Figure:
    compared = ("static", "galaxy", "edgeshard", "slowest-device")
    variants = list(dict.fromkeys(totals["variant"]))
    with styled():
        figure = Figure(figsize=(8.5, 5.4), layout="constrained")
        axes = figure.subplots()
        axes.axvspan(*_CLAIMED_SPEEDUP, color="0.88", zorder=0)
        axes.axvline(1.0, color="0.4", linewidth=1.0)
        for number, policy in enumerate(compared):
            rows = totals[totals["policy"] == policy]
            intervals = {v: _interval(rows["ratio"][rows["variant"] == v]) for v in variants}
            _bars(
                axes,
                {row: intervals[v] for row, v in enumerate(variants)},
                (number - 1.5) * 0.17,
                policy,
                _look(policy)["color"],
            )
        for row, variant in enumerate(variants):
            if not (
                totals["ratio"][(totals["variant"] == variant) & totals["policy"].isin(compared)] > 0.0
            ).any():
                axes.text(1.05, row, "no world in which both completed", va="center", color="0.4")
        axes.set_xscale("log")
        log_ticks(axes.xaxis, 1.0, 10.0)
        axes.set_yticks(range(len(variants)), variants)
        axes.set_ylim(len(variants) - 0.5, -0.5)
        axes.set_xlabel("Total delay over that of resource-aware (grey: the paper's 9–10)")
        figure.legend(loc="outside lower right", ncols=4, frameon=False)
    return figure


def _sharding(runs: pd.DataFrame) -> Figure:
    """Speed-up over the fastest device alone, and its bound."""
    done = runs["delay_s"].where(runs["status"] == "complete")
    rows = runs.assign(speedup=runs["alone_s"] / done, bound=runs["alone_s"] / runs["bound_s"])
    shards = (1, 4, 16)
    with styled():
        figure = Figure(figsize=(8.0, 3.9), layout="constrained")
        for axes, sharded in zip(figure.subplots(1, 2, sharey=True), (False, True), strict=True):
            variants = [shard_variant(count, sharded) for count in shards]
            for number, (column, policy, label) in enumerate(
                (
                    ("bound", OURS, "Amdahl's bound"),
                    ("speedup", "galaxy", "galaxy"),
                    ("speedup", OURS, OURS),
                    ("speedup", "single", "single"),
                )
            ):
                here = rows[rows["policy"] == policy]
                values = [_interval(here[column][here["variant"] == v]) for v in variants]
                heights = [np.nan if interval is None else interval.value for interval in values]
                colour = "0.75" if column == "bound" else _look(policy)["color"]
                at = np.arange(3) + (number - 1.5) * 0.2
                axes.bar(at, heights, 0.2, color=colour, label=label if not sharded else None)
            axes.set_xticks(range(3), [f"{count}" for count in shards])
            axes.set_xlabel("Blocks of the feed-forward network")
            where = "with the heads" if sharded else "in one place"
            axes.set_title(f"Projection {where}", loc="left")
            axes.grid(visible=False, axis="x")
        figure.axes[0].set_ylabel("Speed-up over the fastest device")
        figure.legend(loc="outside lower center", ncols=4, frameon=False)
    return figure


def _dots(axes: Axes, rows: pd.DataFrame, group: str, value: str) -> None:
    """Medians with intervals, one row per policy and one colour per group."""
    groups = list(dict.fromkeys(rows[group]))
    present = [policy for policy in ORDER if policy in set(rows["policy"])]
    for number, name in enumerate(groups):
        here = rows[rows[group] == name]
        intervals = {
            row: _interval(here[value][here["policy"] == policy]) for row, policy in enumerate(present)
        }
        _bars(axes, intervals, (number - (len(groups) - 1) / 2) * 0.22, name, PALETTE[number])
    axes.set_yticks(range(len(present)), present)
    axes.set_ylim(len(present) - 0.5, -0.5)


def _bars(axes: Axes, by_row: dict[int, Interval | None], offset: float, label: str, colour: object) -> None:
    """Dots with horizontal error bars, for rows with a value."""
    present = [(row, interval) for row, interval in by_row.items() if interval is not None]
    values = [interval.value for _, interval in present]
    ends = [[i.value - i.low for _, i in present], [i.high - i.value for _, i in present]]
    look: dict[str, Any] = {"color": colour, "fmt": "o", "markersize": 4.5, "linewidth": 1.6}
    axes.errorbar(values, [row + offset for row, _ in present], xerr=ends, label=label, **look)


def _interval(values: "pd.Series[float]") -> Interval | None:
    present = values[np.isfinite(values)]
    return median_interval(present) if len(present) else None


def _look(policy: str) -> dict[str, Any]:
    number = (OURS, *(choice.label for choice in POLICIES if choice.label != OURS)).index(policy)
    wide = 2.4 if policy == OURS else 1.5
    return {
        "color": PALETTE[number % len(PALETTE)],
        "linestyle": _DASHES[number % len(_DASHES)],
        "linewidth": wide,
    }

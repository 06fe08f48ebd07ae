"""Policies in many worlds: differences with intervals, gaps to an optimum, and heat maps over an axis."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from headway.analysis.figures.devices import draw_map
from headway.analysis.figures.layout import PAGE, Size, finish, lettered, new_figure, note, shortened, thinned
from headway.analysis.figures.style import literal
from headway.analysis.formatting import number
from headway.analysis.statistics import Interval, percentile_over_runs

_MOST_DOTS = 500
"""Most dots per policy: more would overlap and enlarge the file."""


def difference_figure(changes: Mapping[str, Interval], label: str, size: Size = PAGE) -> Figure:
    """Difference of each policy from a reference policy; an interval that contains 0 shows no difference.

    Args:
        changes: difference by policy [%].
        label: label of the axis.
        size: width and font size.
    """
    with lettered(size):
        figure = new_figure(size, size.line_in * (5 + 1.4 * len(changes)))
        axes = figure.subplots()
        axes.axvline(0.0, color="0.4", linewidth=1.0)
        _draw_intervals(axes, list(changes), [changes[name] for name in changes])
        axes.set_xlabel(literal(label))
    return finish(figure, size)


def gap_figure(gaps: pd.DataFrame, label: str, size: Size = PAGE) -> Figure:
    """Gap of each policy to the optimum: a dot per run, and the median with its 95 % interval.

    Args:
        gaps: rows with `policy`, `seed` and `gap`, a share (0.1 is 10 % above the optimum); missing if the optimum is
            unknown. Runs with one seed share its random draws, so the interval is over seeds.
        label: label of the axis.
        size: width and font size.
    """
    known = gaps[np.isfinite(gaps["gap"])]
    names = list(dict.fromkeys(gaps["policy"]))
    with lettered(size):
        figure = new_figure(size, size.line_in * (5 + 1.4 * max(1, len(names))))
        axes = figure.subplots()
        if known.empty:
            note(axes, "no optimum is known")
            return finish(figure, size)
        intervals: list[Interval | None] = []
        for row, name in enumerate(names):
            here = known[known["policy"] == name]
            dots = thinned(np.sort(here["gap"].to_numpy()), _MOST_DOTS)
            height = row + np.linspace(-0.25, 0.25, len(dots) + 2)[1:-1]
            axes.plot(100.0 * dots, height, ".", color="0.55", markersize=3, alpha=0.6)
            by_seed = [100.0 * gap.to_numpy() for _, gap in here.groupby("seed")["gap"]]
            intervals.append(percentile_over_runs(by_seed, 50) if by_seed else None)
        _draw_intervals(axes, names, intervals)
        axes.set_xlim(left=min(0.0, 100.0 * float(known["gap"].min())))
        axes.set_xlabel(label)
    return finish(figure, size)


def _draw_intervals(axes: Axes, names: list[str], intervals: list[Interval | None]) -> None:
    """A dot and an error bar per row, the first on top."""
    for row, interval in enumerate(intervals):
        if interval is not None:
            ends = [[interval.value - interval.low], [interval.high - interval.value]]
            axes.errorbar(
                [interval.value], [row], xerr=ends, fmt="o", color="#262626", markersize=5, capsize=3
            )
    axes.set_yticks(range(len(names)), [literal(shortened(name, 28)) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.spines[["top", "right", "left"]].set_visible(False)


def heat_map(table: pd.DataFrame, axis: str, label: str, size: Size = PAGE) -> Figure:
    """Heat map of a number by policy and level of an axis, for example the ratio to the best policy.

    Args:
        table: one row per policy, one column per level; missing if no run completed.
        axis: name of the axis.
        label: title of the numbers.
        size: width and font size.
    """
    values = table.to_numpy(dtype=np.float64)
    with lettered(size):
        figure = new_figure(size, size.line_in * (7 + 1.5 * len(table)))
        axes = figure.subplots()
        if not np.isfinite(values).any():
            note(axes, "no run completed")
            return finish(figure, size)
        ends = (float(np.nanmin(values)), float(np.nanpercentile(values, 95)))
        texts = [["–" if not np.isfinite(value) else number(value) for value in row] for row in values]
        axes.set_facecolor("0.85")
        image = draw_map(axes, table, texts, size, (ends[0], max(ends[1], ends[0] + 1e-9)))
        axes.set_xlabel(literal(axis))
        axes.set_title(literal(label), loc="left")
        figure.colorbar(image, ax=axes, fraction=0.04, extend="max")
    return finish(figure, size)

"""Policies over many worlds: differences with intervals, gaps to an optimum, and maps of policies and axes."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from headway.analysis.figures.devices import draw_map
from headway.analysis.figures.layout import PAGE, Size, finish, lettered, new_figure, note, shortened, thinned
from headway.analysis.figures.style import literal
from headway.analysis.formatting import number
from headway.analysis.statistics import Interval, percentile_over_runs

_MOST_DOTS = 500
"""Dots of a policy; more lie on each other, and each takes room in a file."""


def difference_figure(changes: Mapping[str, Interval], label: str, size: Size = PAGE) -> Figure:
    """How far each policy is from one that they are compared with; what reaches the line at 0 is no difference.

    Args:
        changes: by policy, in percent.
        label: of the axis.
        size: what the figure is made for.
    """
    with lettered(size):
        figure = new_figure(size, size.line_in * (5 + 1.4 * len(changes)))
        axes = figure.subplots()
        axes.axvline(0.0, color="0.4", linewidth=1.0)
        _intervals(axes, list(changes), [changes[name] for name in changes])
        axes.set_xlabel(label)
    return finish(figure, size)


def gap_figure(gaps: pd.DataFrame, label: str, size: Size = PAGE) -> Figure:
    """How far above the least possible each policy is: a dot per run, and the median with its 95 % interval.

    Args:
        gaps: rows with `policy`, `seed` and `gap`, a share: 0.1 is 10 % above; missing where nothing is known. Runs
            under one seed share its random draws, so the interval is one over seeds.
        label: of the axis.
        size: what the figure is made for.
    """
    known = gaps[np.isfinite(gaps["gap"])]
    names = list(dict.fromkeys(gaps["policy"]))
    with lettered(size):
        figure = new_figure(size, size.line_in * (5 + 1.4 * max(1, len(names))))
        axes = figure.subplots()
        if known.empty:
            note(axes, "no optimum is known")
            return finish(figure, size)
        found: list[Interval | None] = []
        for row, name in enumerate(names):
            here = known[known["policy"] == name]
            dots = thinned(np.sort(here["gap"].to_numpy()), _MOST_DOTS)
            height = row + np.linspace(-0.25, 0.25, len(dots) + 2)[1:-1]
            axes.plot(100.0 * dots, height, ".", color="0.55", markersize=3, alpha=0.6)
            by_seed = [100.0 * gap.to_numpy() for _, gap in here.groupby("seed")["gap"]]
            found.append(percentile_over_runs(by_seed, 50) if by_seed else None)
        _intervals(axes, names, found)
        axes.set_xlim(left=min(0.0, 100.0 * float(known["gap"].min())))
        axes.set_xlabel(label)
    return finish(figure, size)


def _intervals(axes: Axes, names: list[str], found: list[Interval | None]) -> None:
    """A dot and a bar per row, the first on top."""
    for row, one in enumerate(found):
        if one is not None:
            ends = [[one.value - one.low], [one.high - one.value]]
            axes.errorbar([one.value], [row], xerr=ends, fmt="o", color="#262626", markersize=5, capsize=3)
    axes.set_yticks(range(len(names)), [literal(shortened(name, 28)) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    sns.despine(ax=axes, left=True)


def heat_map(table: pd.DataFrame, axis: str, label: str, size: Size = PAGE) -> Figure:
    """A number for each policy at each level of an axis, such as how many times the best it is.

    Args:
        table: one row per policy, one column per level; missing where no run came to its end.
        axis: what the columns are.
        label: of the numbers.
        size: what the figure is made for.
    """
    values = table.to_numpy(dtype=np.float64)
    with lettered(size):
        figure = new_figure(size, size.line_in * (7 + 1.5 * len(table)))
        axes = figure.subplots()
        if not np.isfinite(values).any():
            note(axes, "no run came to its end")
            return finish(figure, size)
        ends = (float(np.nanmin(values)), float(np.nanpercentile(values, 95)))
        texts = [["–" if not np.isfinite(value) else number(value) for value in row] for row in values]
        axes.set_facecolor("0.85")
        image = draw_map(axes, table, texts, size, (ends[0], max(ends[1], ends[0] + 1e-9)))
        axes.set_xlabel(literal(axis))
        axes.set_title(literal(label), loc="left")
        figure.colorbar(image, ax=axes, fraction=0.04, extend="max")
    return finish(figure, size)

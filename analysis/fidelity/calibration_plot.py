"""The plot of a calibration: predicted over measured times for every row, before and after the fit."""

from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from headway.analysis.fidelity.calibrate import Calibration
from headway.analysis.fidelity.rows import Row
from headway.analysis.fidelity.summary import family
from headway.analysis.figures.axes import plain
from headway.analysis.figures.layout import PAGE, Size, add_legend, finish, lettered, new_figure, shortened
from headway.analysis.figures.style import PALETTE, literal

_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
_NARROW_TICKS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4, 1.6, 2.0, 2.5)
_NARROW = 5.0
"""Ratio of the limits of the axis below which it has more ticks."""

_LABELS = ("before", "after", "equal", "within 10 %")
_RATE = "tokens_per_s"
_STEP_IN = 0.07
_LEAST_STEPS = 3
"""A system with fewer values takes as much room as one with so many, for its name."""


def residual_plot(calibration: Calibration, rows: Sequence[Row], size: Size = PAGE) -> Figure | None:
    """Predicted over measured times on a logarithmic axis: a line per quantity and row, grouped by system.

    A rate counts as the time per token, and is left out where the row has that time too. The result is None if no row
    has a prediction and a measured value.
    """
    groups = _groups(calibration.before, rows)
    if not groups:
        return None
    steps = sum(max(len(keys), _LEAST_STEPS) + 1 for _, keys in groups)
    with lettered(size):
        figure = new_figure(size, max(1.5, steps * _STEP_IN) + 4.0 * size.line_in)
        axes = figure.subplots()
        axes.axvspan(0.9, 1.1, color="0.88", linewidth=0)
        axes.axvline(1.0, color="0.3", linewidth=1.0)
        top, middles = 0.0, []
        for _, keys in groups:
            room = max(len(keys), _LEAST_STEPS)
            y = top + (room - len(keys)) / 2 + np.arange(len(keys)) + 0.5
            pairs = [
                np.array([_ratio(key, errors[key]) for key in keys])
                for errors in (calibration.before, calibration.residuals)
            ]
            axes.hlines(y, pairs[0], pairs[1], color="0.75", linewidth=0.7, zorder=1)
            axes.plot(pairs[0], y, "o", color="0.5", markersize=3, fillstyle="none", zorder=2)
            axes.plot(pairs[1], y, "o", color=PALETTE[0], markersize=3, zorder=3)
            middles.append(top + room / 2)
            top += room + 1
            axes.axhline(top - 0.5, color="0.85", linewidth=0.6)
        axes.set_ylim(top - 0.5, -0.5)
        axes.set_yticks(middles, [literal(shortened(name, 32)) for name, _ in groups])
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.set_xscale("log")
        low, high = _limits(calibration)
        axes.set_xlim(low, high)
        ticks = _NARROW_TICKS if high / low < _NARROW else _TICKS
        axes.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
        axes.xaxis.set_major_formatter(FuncFormatter(plain))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("Predicted / measured time")
        handles = [
            Line2D([], [], color="0.5", marker="o", markersize=4, fillstyle="none", linestyle="none"),
            Line2D([], [], color=PALETTE[0], marker="o", markersize=4, linestyle="none"),
            Line2D([], [], color="0.3", linewidth=1.0),
            Line2D([], [], color="0.88", linewidth=6.0),
        ]
        add_legend(figure, size, handles, _LABELS)
        return finish(figure, size)


def _groups(
    errors: Mapping[tuple[str, str], float], rows: Sequence[Row]
) -> list[tuple[str, list[tuple[str, str]]]]:
    """The rows and quantities of each system, by name."""
    systems = {row.id: family(row.system) for row in rows}
    times = [key for key in errors if key[1] != _RATE or (key[0], "total") not in errors]
    keys = sorted(times, key=lambda key: (systems[key[0]], key))
    return [(name, list(of_name)) for name, of_name in groupby(keys, key=lambda key: systems[key[0]])]


def _limits(calibration: Calibration) -> tuple[float, float]:
    """Limits of the axis around all ratios, at least from 0.8 to 1.25."""
    both = (calibration.before, calibration.residuals)
    ratios = [_ratio(key, error) for errors in both for key, error in errors.items()]
    return min(0.8, 0.9 * min(ratios)), max(1.25, 1.1 * max(ratios))


def _ratio(key: tuple[str, str], error: float) -> float:
    """Predicted over measured time."""
    return 1.0 / (1.0 + error) if key[1] == _RATE else 1.0 + error

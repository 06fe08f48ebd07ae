"""Plots: predicted against measured values (parity), and predicted over measured times before and after a fit."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle, groupby

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    LogFormatterSciNotation,
    LogLocator,
    NullFormatter,
    NullLocator,
)

from headway.analysis.fidelity.calibrate import Calibration
from headway.analysis.fidelity.results import QUANTITIES, SECONDS, Prediction
from headway.analysis.fidelity.rows import Row
from headway.analysis.fidelity.tables import family
from headway.analysis.figures import layout
from headway.analysis.figures.axes import plain
from headway.analysis.figures.style import PALETTE, literal

_TITLES = {
    "total": "Time per token [ms]",
    "compute": "Compute [ms]",
    "transfer": "Transfer [ms]",
    "bytes_sent": "Sent [kB]",
    "bytes_received": "Received [kB]",
    "ttft": "First token [s]",
    "tokens_per_s": "Rate [tokens/s]",
}
_MARKERS = "os^Dv<>Pp"
_MOST_FAMILIES = 9
_OTHER = "other systems"
_GREY = PALETTE[7]
_COLOURS = [colour for colour in PALETTE if colour != _GREY]
_BAND = 0.1

_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
_NARROW_TICKS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4, 1.6, 2.0, 2.5)
_NARROW = 5.0
"""Ratio of the limits of the axis below which it has more ticks."""

_LABELS = ("before", "after", "equal", "within 10 %")
_RATE = "tokens_per_s"
_STEP_IN = 0.07
_LEAST_STEPS = 3
"""A system with fewer values takes as much room as one with so many, for its name."""


def parity_plot(predictions: Iterable[Prediction]) -> Figure | None:
    """Predicted against measured values on logarithmic axes, with the line of equal values and a band of 10 %.

    Each system has a colour and a marker; the least frequent ones share grey if there are more than nine. Markers of
    extrapolated values are hollow. Values of 0 are left out. The result is None if no value is measured and predicted.
    """
    points = [one for one in predictions if one.measured and 0.0 < (one.predicted or 0.0) < math.inf]
    if not points:
        return None
    quantities = [quantity for quantity in QUANTITIES if any(one.quantity == quantity for one in points)]
    names = [name for name, _ in Counter(family(one.system) for one in points).most_common()]
    many = len(names) > _MOST_FAMILIES
    kept = names[: _MOST_FAMILIES - many]
    looks = dict(zip(kept, zip(_COLOURS, cycle(_MARKERS), strict=False), strict=False))
    with layout.lettered(layout.PAGE):
        labels = [*kept, *([_OTHER] if many else []), "equal", "within 10 %", "extrapolated"]
        figure, grid = layout.panels(layout.PAGE, [_TITLES[one] for one in quantities], 2.0, legend=labels)
        for axes, quantity in zip(grid, quantities, strict=True):
            _draw(axes, [one for one in points if one.quantity == quantity], looks)
        layout.label_below(grid, "Measured")
        layout.label_left(grid, "Predicted")
        handles: list[Line2D | Patch] = [
            Line2D([], [], color=colour, marker=marker, linestyle="none")
            for colour, marker in [*looks.values(), *([(_GREY, "o")] if many else [])]
        ]
        handles += [
            Line2D([], [], color="0.3", linewidth=1.0),
            Patch(color="0.88"),
            Line2D([], [], color="0.3", marker="o", fillstyle="none", linestyle="none"),
        ]
        layout.add_legend(figure, layout.PAGE, handles, labels)
        return layout.finish(figure, layout.PAGE)


def _draw(
    axes: Axes, points: Sequence[Prediction], looks: dict[str, tuple[tuple[float, float, float], str]]
) -> None:
    """One panel: points above the band and the line."""
    pairs = np.array([_pair(one) for one in points])
    low, high = float(pairs.min()), float(pairs.max())
    margin = max((high / low) ** 0.08, 1.3)
    ends = np.array([low / margin, high * margin])
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.fill_between(ends, (1 - _BAND) * ends, (1 + _BAND) * ends, color="0.88", linewidth=0)
    axes.plot(ends, ends, color="0.3", linewidth=1.0)
    for one, (measured, predicted) in zip(points, pairs, strict=True):
        colour, marker = looks.get(family(one.system), (_GREY, "o"))
        fill = "none" if one.status == "extrapolated" else "full"
        axes.plot(measured, predicted, marker, color=colour, markersize=4, fillstyle=fill, alpha=0.8)
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    for axis in (axes.xaxis, axes.yaxis):
        _set_ticks(axis, ends[1] / ends[0], ends[1])


def _pair(one: Prediction) -> tuple[float, float]:
    """Measured and predicted value; times to the first token in seconds."""
    factor = SECONDS[one.unit] if one.quantity == "ttft" else 1.0
    return (one.measured or 0.0) * factor, (one.predicted or 0.0) * factor


def _set_ticks(axis: Axis, ratio: float, high: float) -> None:
    """A few labels that fit side by side in a narrow panel: numbers, or powers of ten if numbers would be long."""
    subs = (1.0, 2.0, 5.0) if ratio <= 30.0 else (1.0, 3.0) if ratio <= 300.0 else (1.0,)
    is_wide = ratio > 1e4 or not 0.02 < high < 1e5
    axis.set_major_locator(LogLocator(subs=subs, numticks=6))
    axis.set_major_formatter(LogFormatterSciNotation() if is_wide else FuncFormatter(plain))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def residual_plot(calibration: Calibration, rows: Sequence[Row]) -> Figure | None:
    """Predicted over measured times on a logarithmic axis: a line per quantity and row, grouped by system.

    A rate counts as the time per token, and is left out where the row has that time too. The result is None if no row
    has a prediction and a measured value.
    """
    groups = _groups(calibration.before, rows)
    if not groups:
        return None
    keys = [key for _, of_name in groups for key in of_name]
    before, after = (
        np.array([_ratio(key, errors[key]) for key in keys])
        for errors in (calibration.before, calibration.residuals)
    )
    low, high = min(0.8, 0.9 * min(*before, *after)), max(1.25, 1.1 * max(*before, *after))
    rooms = [max(len(of_name), _LEAST_STEPS) for _, of_name in groups]
    tops = np.cumsum([0, *(room + 1 for room in rooms)])
    y = np.concatenate(
        [
            top + (room - len(of_name)) / 2 + np.arange(len(of_name)) + 0.5
            for (_, of_name), room, top in zip(groups, rooms, tops, strict=False)
        ]
    )
    with layout.lettered(layout.PAGE):
        figure = layout.new_figure(layout.PAGE, max(1.5, tops[-1] * _STEP_IN) + 4.0 * layout.PAGE.line_in)
        axes = figure.subplots()
        axes.axvspan(0.9, 1.1, color="0.88", linewidth=0)
        axes.axvline(1.0, color="0.3", linewidth=1.0)
        axes.hlines(tops[1:] - 0.5, low, high, color="0.85", linewidth=0.6)
        axes.hlines(y, before, after, color="0.75", linewidth=0.7, zorder=1)
        axes.plot(before, y, "o", color="0.5", markersize=3, fillstyle="none", zorder=2)
        axes.plot(after, y, "o", color=PALETTE[0], markersize=3, zorder=3)
        axes.set_ylim(tops[-1] - 0.5, -0.5)
        axes.set_yticks(
            tops[:-1] + np.array(rooms) / 2, [literal(layout.shortened(name, 32)) for name, _ in groups]
        )
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.set_xscale("log")
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
        layout.add_legend(figure, layout.PAGE, handles, _LABELS)
        return layout.finish(figure, layout.PAGE)


def _groups(
    errors: Mapping[tuple[str, str], float], rows: Sequence[Row]
) -> list[tuple[str, list[tuple[str, str]]]]:
    """The rows and quantities of each system, by name."""
    systems = {row.id: family(row.system) for row in rows}
    times = [key for key in errors if key[1] != _RATE or (key[0], "total") not in errors]
    keys = sorted(times, key=lambda key: (systems[key[0]], key))
    return [(name, list(of_name)) for name, of_name in groupby(keys, key=lambda key: systems[key[0]])]


def _ratio(key: tuple[str, str], error: float) -> float:
    """Predicted over measured time."""
    return 1.0 / (1.0 + error) if key[1] == _RATE else 1.0 + error

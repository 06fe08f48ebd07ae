"""The parity plot: predicted against measured values, a panel per quantity."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogFormatterSciNotation, LogLocator, NullFormatter, NullLocator

from headway.analysis.fidelity.results import QUANTITIES, Prediction
from headway.analysis.fidelity.summary import family
from headway.analysis.figures.axes import plain
from headway.analysis.figures.layout import (
    PAGE,
    Size,
    add_legend,
    finish,
    label_below,
    label_left,
    lettered,
    panels,
)
from headway.analysis.figures.style import PALETTE

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
_SECONDS = {"ms": 1e-3, "s": 1.0}


def parity_plot(predictions: Iterable[Prediction], size: Size = PAGE) -> Figure | None:
    """Predicted against measured values on logarithmic axes, with the line of equal values and a band of 10 %.

    Each system has a colour and a marker; the least frequent ones share grey if there are more than nine. Markers of
    extrapolated values are hollow. Values of 0 are left out. The result is None if no value is measured and predicted.
    """
    points = [one for one in predictions if _is_point(one)]
    if not points:
        return None
    quantities = [quantity for quantity in QUANTITIES if any(one.quantity == quantity for one in points)]
    names = [name for name, _ in Counter(family(one.system) for one in points).most_common()]
    many = len(names) > _MOST_FAMILIES
    kept = names[: _MOST_FAMILIES - many]
    looks = dict(zip(kept, zip(_COLOURS, cycle(_MARKERS), strict=False), strict=False))
    with lettered(size):
        labels = [*kept, *([_OTHER] if many else []), "equal", "within 10 %", "extrapolated"]
        figure, grid = panels(size, [_TITLES[one] for one in quantities], 2.0, legend=labels)
        for axes, quantity in zip(grid, quantities, strict=True):
            _draw(axes, [one for one in points if one.quantity == quantity], looks)
        label_below(grid, "Measured")
        label_left(grid, "Predicted")
        handles: list[Line2D | Patch] = [
            Line2D([], [], color=colour, marker=marker, linestyle="none")
            for colour, marker in [*looks.values(), *([(_GREY, "o")] if many else [])]
        ]
        handles += [
            Line2D([], [], color="0.3", linewidth=1.0),
            Patch(color="0.88"),
            Line2D([], [], color="0.3", marker="o", fillstyle="none", linestyle="none"),
        ]
        add_legend(figure, size, handles, labels)
        return finish(figure, size)


def _is_point(one: Prediction) -> bool:
    return bool(one.measured and one.predicted and np.isfinite(one.predicted) and one.predicted > 0.0)


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
    factor = _SECONDS[one.unit] if one.quantity == "ttft" else 1.0
    return (one.measured or 0.0) * factor, (one.predicted or 0.0) * factor


def _set_ticks(axis: Axis, ratio: float, high: float) -> None:
    """A few labels that fit side by side in a narrow panel: numbers, or powers of ten if numbers would be long."""
    subs = (1.0, 2.0, 5.0) if ratio <= 30.0 else (1.0, 3.0) if ratio <= 300.0 else (1.0,)
    is_wide = ratio > 1e4 or not 0.02 < high < 1e5
    axis.set_major_locator(LogLocator(subs=subs, numticks=6))
    axis.set_major_formatter(LogFormatterSciNotation() if is_wide else FuncFormatter(plain))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())

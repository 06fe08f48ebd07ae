"""Scales and ticks of time axes."""

import math

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from headway.analysis.formatting import time_unit

LOG_FROM_RATIO = 20.0
"""Ratio of the longest to the shortest time from which an axis is logarithmic."""

_LEAST_WIDTH = 0.02
"""Smallest span of the x axis relative to its centre, so that tiny differences are not magnified."""


def set_latency_scale(axes: Axes, fastest_s: float, slowest_s: float) -> tuple[float, str]:
    """Set scale, limits and ticks of the x axis; returns its unit in seconds and the name of the unit."""
    unit_s, unit = time_unit([math.sqrt(fastest_s * slowest_s)])
    low, high = fastest_s / unit_s, slowest_s / unit_s
    if low > 0.0 and high / low > LOG_FROM_RATIO:
        _set_log(axes, low, high)
    else:
        middle, half = (low + high) / 2, max((high - low) / 2 * 1.05, (low + high) / 4 * _LEAST_WIDTH)
        axes.set_xlim(middle - half, middle + half)
        axes.ticklabel_format(axis="x", useOffset=False)
    return unit_s, unit


def _set_log(axes: Axes, low: float, high: float) -> None:
    axes.set_xscale("log")
    margin = (high / low) ** 0.03
    axes.set_xlim(low / margin, high * margin)
    log_ticks(axes.xaxis, low, high)


def log_ticks(axis: Axis, low: float, high: float) -> None:
    """Set ticks of a logarithmic axis at 1, 2, 5, 10, ..., or at powers of ten if it spans over three decades."""
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low <= 1e3 else (1.0,), numticks=20))
    axis.set_major_formatter(FuncFormatter(plain))
    axis.set_minor_formatter(NullFormatter())


def plain(value: float, _position: int | None = None) -> str:
    """A number for a tick label, without an exponent."""
    return f"{value:,.10f}".rstrip("0").rstrip(".") if 0.0 < abs(value) < 1e-3 else f"{value:,.10g}"

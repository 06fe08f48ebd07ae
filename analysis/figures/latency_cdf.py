"""Distribution functions of token latencies."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from headway.analysis.figures.axes import plain, set_latency_scale
from headway.analysis.figures.style import literal, looks, styled
from headway.analysis.statistics.metrics import later_times, ordered
from headway.simcore.results import Result

_MOST_STEPS = 1000
"""Most steps per curve: more are invisible and enlarge the file."""


def latency_cdf(result: Result) -> Figure:
    """Distribution function of the token latency, one curve per run, without the first token of each request.

    The x axis shows every token. It is logarithmic if the slowest token took more than 20 times as long as the fastest.
    The legend marks runs that did not complete. Runs without tokens have no curve.
    """
    with styled():
        labels, curves = _labels(result), later_times(result)
        rows = max(1, _rows(labels))
        figure = Figure(figsize=(7.5, 4.6 + 0.22 * rows), layout="constrained")
        axes = figure.subplots()
        lines = draw_shares(axes, curves, looks(curves))
        axes.set_ylabel("Share of tokens")
        axes.set_title(literal(", ".join(dict.fromkeys(result.runs["scenario"]))), loc="left")
        if labels:
            figure.legend(
                lines,
                list(labels.values()),
                loc="outside lower left",
                ncols=math.ceil(len(labels) / rows),
                frameon=False,
                handlelength=3.5,
            )
    return figure


def draw_shares(
    axes: Axes,
    curves: Mapping[str, npt.ArrayLike],
    styles: Mapping[str, Mapping[str, Any]],
    *,
    above: bool = False,
) -> list[Line2D]:
    """Draw distribution functions as step curves, one per label, and set scales and axis labels.

    Args:
        axes: axes to draw on.
        curves: times by label [s]; missing ones are left out.
        styles: line styles by label.
        above: draw the complement, the share of larger values, on a logarithmic axis.

    Returns:
        A line per label; empty if the label has no times.
    """
    rising = {label: ordered(np.asarray(times, np.float64)) for label, times in curves.items()}
    known = [times for times in rising.values() if len(times)]
    unit_s, unit = 1.0, ""
    if known:
        unit_s, name = set_latency_scale(
            axes, min(times[0] for times in known), max(times[-1] for times in known)
        )
        unit = f" [{name}]"
    else:
        axes.text(
            0.5, 0.5, "no token after the first one", transform=axes.transAxes, ha="center", va="center"
        )
        axes.set_xticks([])
    axes.set_xlabel(f"Time per output token{unit}")
    lines = []
    for label, times in rising.items():
        x, y = _steps(times, above=above)
        lines += axes.plot(x / unit_s, y, drawstyle="steps-post", **styles[label])
    if not above:
        axes.set_ylim(0.0, 1.02)
    elif known:
        axes.set_yscale("log")
        axes.set_ylim(top=1.2)
        axes.yaxis.set_major_formatter(FuncFormatter(plain))
    return lines


def _steps(
    times: npt.NDArray[np.float64], *, above: bool
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Positions and values of the steps of a curve, reduced to `_MOST_STEPS` without a visible difference.

    Kept steps are equidistant in the share. For the complement, which has a logarithmic axis, their distances from the
    last step grow geometrically.
    """
    count = len(times)
    if not count:
        return np.empty(0), np.empty(0)
    ranks: npt.NDArray[np.int64] = np.arange(count)
    if count > _MOST_STEPS and above:
        ranks = np.unique(count - np.geomspace(1, count, _MOST_STEPS).astype(np.int64))
    elif count > _MOST_STEPS:
        ranks = np.linspace(0, count - 1, _MOST_STEPS).astype(np.int64)
    within = np.searchsorted(times, times[ranks], side="right") / count
    x, y = np.append(times[0], times[ranks]), np.append(0.0, within)
    # The share above the last token is 0, which a logarithmic axis cannot show.
    return (x, np.where(y < 1.0, 1.0 - y, np.nan)) if above else (x, y)


def _labels(result: Result) -> dict[str, str]:
    """Legend label of each run."""
    labels = {}
    for row in result.runs.to_dict("records"):
        ending = "" if row["status"] == "complete" else f" ({row['status']} after {_tokens(row['tokens'])})"
        labels[row["run"]] = literal(f"{row['run']}{ending}")
    return labels


def _tokens(count: int) -> str:
    return f"{count:,} token" if count == 1 else f"{count:,} tokens"


def _rows(labels: dict[str, str]) -> int:
    """Rows of the legend; the longest label determines the number of columns."""
    longest = max(map(len, labels.values()), default=0)
    return math.ceil(len(labels) / max(1, min(3, 90 // (longest + 9))))

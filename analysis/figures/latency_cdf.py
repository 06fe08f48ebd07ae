"""Figures, drawn without any global state and saved to the same bytes every time."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from headway.analysis.figures.axes import plain, set_latency_scale
from headway.analysis.figures.style import literal, looks, styled
from headway.analysis.statistics.metrics import later_tokens
from headway.simcore.results import Result

_MOST_STEPS = 1000
"""Steps of a curve; more cannot be seen, and each takes room in a file."""


def latency_cdf(result: Result) -> Figure:
    """The share of tokens that came within a time, one curve per run; each request's first token is left out.

    The x axis shows every token. It is logarithmic when the slowest took more than 20 times as long as the fastest.
    Runs that did not complete say so in the legend; runs without a token to show have no curve.
    """
    with styled():
        labels, tokens = _labels(result), later_tokens(result)
        rows = max(1, _rows(labels))
        figure = Figure(figsize=(7.5, 4.6 + 0.22 * rows), layout="constrained")
        axes = figure.subplots()
        curves = {run: tokens.loc[tokens["run"] == run, "latency_s"] for run in labels}
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
    curves: "Mapping[str, pd.Series[float]]",
    styles: Mapping[str, Mapping[str, Any]],
    *,
    above: bool = False,
) -> list[Line2D]:
    """The share of tokens that came within a time or, on a logarithmic axis, took longer: a step curve per label.

    Args:
        axes: where to draw; gets its scales and labels.
        curves: times in seconds by label.
        styles: of the lines, by label.
        above: show the share of those that took longer.

    Returns:
        A line per label, empty where there is no token.
    """
    known = [each for each in curves.values() if len(each)]
    unit_s, unit = 1.0, ""
    if known:
        unit_s, name = set_latency_scale(axes, *_ends(known))
        unit = f" [{name}]"
    else:
        axes.text(0.5, 0.5, "no token followed another", transform=axes.transAxes, ha="center", va="center")
        axes.set_xticks([])
    axes.set_xlabel(f"Time per output token{unit}")
    lines = []
    for label, each in curves.items():
        x, y = _steps(np.sort(each.to_numpy(dtype=np.float64)), above=above)
        lines += axes.plot(x / unit_s, y, drawstyle="steps-post", **styles[label])
    if not above:
        axes.set_ylim(0.0, 1.02)
    elif known:
        axes.set_yscale("log")
        axes.set_ylim(top=1.2)
        axes.yaxis.set_major_formatter(FuncFormatter(plain))
    return lines


def _ends(known: "Sequence[pd.Series[float]]") -> tuple[float, float]:
    return min(float(each.min()) for each in known), max(float(each.max()) for each in known)


def _steps(
    times: npt.NDArray[np.float64], *, above: bool
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Where a curve steps and its shares from there on; of many steps `_MOST_STEPS`, which look like all of them.

    Shares within a time are kept at even distances. Of those above, on a logarithmic axis, the last are the longest
    steps, so that distances from the end rise in proportion.
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
    # The last token has none above it, and no place on a logarithmic axis.
    return (x, np.where(y < 1.0, 1.0 - y, np.nan)) if above else (x, y)


def _labels(result: Result) -> dict[str, str]:
    """What the legend says of each run."""
    labels = {}
    for row in result.runs.to_dict("records"):
        ended = "" if row["status"] == "complete" else f" ({row['status']} after {_tokens(row['tokens'])})"
        labels[row["run"]] = literal(f"{row['run']}{ended}")
    return labels


def _tokens(count: int) -> str:
    return f"{count:,} token" if count == 1 else f"{count:,} tokens"


def _rows(labels: dict[str, str]) -> int:
    """Rows of the legend, where the longest label decides how many stand side by side."""
    longest = max(map(len, labels.values()), default=0)
    return math.ceil(len(labels) / max(1, min(3, 90 // (longest + 9))))

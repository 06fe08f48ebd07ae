"""Figures, drawn without any global state and saved to the same bytes every time."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, cycle
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from headway.analysis.metrics import later_tokens
from headway.analysis.tables import time_unit
from headway.simcore.results import Result
from headway.traces.errors import visible

LOG_FROM_RATIO = 20.0
"""Times are drawn on a logarithmic axis if the longest is so many times the shortest."""

_MOST_STEPS = 1000
"""Steps of a curve; more cannot be seen, and each takes room in a file."""

_LEAST_WIDTH = 0.02
"""The x axis spans at least this share of its middle: differences far below one percent are not worth magnifying."""

METADATA: dict[str, dict[str, None]] = {".svg": {"Date": None, "Creator": None}, ".png": {"Software": None}}
"""The kinds of image files, with what matplotlib is not to say about itself in each."""

_DASHES = (
    "-",
    (0, (5, 1.5)),
    (0, (1.2, 1.2)),
    (0, (6, 1.5, 1.2, 1.5)),
    (0, (3, 1)),
    (0, (8, 1.5, 3, 1.5)),
    (0, (2, 0.8, 1, 0.8)),
)
"""Seven line styles beside ten colours: seventy runs before a pair repeats, and any two neighbours differ in both."""


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


def looks(labels: Iterable[str], *first: Any) -> dict[str, dict[str, Any]]:
    """Colour and line style of each label, distinct in both from its neighbours'; `first` are the first's colours."""
    pairs = zip(chain(first, cycle(sns.color_palette("colorblind"))), cycle(_DASHES), strict=False)
    return {
        label: {"color": colour, "linestyle": dash, "linewidth": 1.5}
        for label, (colour, dash) in zip(labels, pairs, strict=False)
    }


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


def save_figure(figure: Figure, folder: Path, name: str) -> None:
    """Write `<name>.svg` and `<name>.png` into a folder; equal figures give equal bytes."""
    for suffix in METADATA:
        save_as(figure, folder / f"{name}{suffix}")


def save_as(figure: Figure, path: Path) -> None:
    """Write a file whose suffix is one of `METADATA`; equal figures give equal bytes."""
    with styled():
        figure.savefig(path, metadata=METADATA[path.suffix], dpi=150 if path.suffix == ".png" else "figure")


@contextmanager
def styled() -> Iterator[None]:
    """The look of all figures, whatever a user's matplotlibrc says; element ids in SVG come from a fixed salt."""
    with mpl.rc_context():
        mpl.rcdefaults()
        look: dict[Any, Any] = dict(sns.axes_style("whitegrid"))
        mpl.rcParams.update(look | {"svg.hashsalt": "headway", "axes.edgecolor": "0.4", "grid.color": "0.9"})
        yield


def _labels(result: Result) -> dict[str, str]:
    """What the legend says of each run."""
    labels = {}
    for row in result.runs.to_dict("records"):
        ended = "" if row["status"] == "complete" else f" ({row['status']} after {_tokens(row['tokens'])})"
        labels[row["run"]] = literal(f"{row['run']}{ended}")
    return labels


def literal(text: str) -> str:
    """Text that matplotlib shows as it is: `$` would begin a formula, and a leading `_` would hide the label.

    Control characters, which no SVG may hold, are written as escapes.
    """
    return (" " if text.startswith("_") else "") + visible(text).replace("$", r"\$")


def _tokens(count: int) -> str:
    return f"{count:,} token" if count == 1 else f"{count:,} tokens"


def _rows(labels: dict[str, str]) -> int:
    """Rows of the legend, where the longest label decides how many stand side by side."""
    longest = max(map(len, labels.values()), default=0)
    return math.ceil(len(labels) / max(1, min(3, 90 // (longest + 9))))


def set_latency_scale(axes: Axes, fastest_s: float, slowest_s: float) -> tuple[float, str]:
    """Give the x axis its scale, limits and ticks; its unit in seconds, and the name of the unit."""
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
    """Plain numbers on a logarithmic axis, at 1, 2, 5, 10, ... or, beyond three decades, at powers of ten."""
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low <= 1e3 else (1.0,), numticks=20))
    axis.set_major_formatter(FuncFormatter(plain))
    axis.set_minor_formatter(NullFormatter())


def plain(value: float, _position: int | None = None) -> str:
    """A number as a tick shows it, never with an exponent."""
    return f"{value:,.10f}".rstrip("0").rstrip(".") if 0.0 < abs(value) < 1e-3 else f"{value:,.10g}"

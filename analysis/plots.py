"""Figures, drawn without any global state and saved to the same bytes every time."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib as mpl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from analysis.metrics import later_tokens
from simcore.results import Result

_LOG_FROM_RATIO = 20.0
"""The x axis is logarithmic when the slowest token takes this many times as long as the fastest."""

_SECONDS_FROM_S = 0.3
"""The x axis is in seconds when the geometric mean of fastest and slowest is this long; in milliseconds otherwise."""

_LEAST_WIDTH = 0.02
"""The x axis spans at least this share of its middle: differences far below one percent are not worth magnifying."""

METADATA: dict[str, dict[str, None]] = {".svg": {"Date": None, "Creator": None}, ".png": {"Software": None}}
"""The kinds of image files, with what matplotlib is not to say about itself in each."""

DASHES = (
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
        labels = _labels(result)
        rows = max(1, _rows(labels))
        figure = Figure(figsize=(7.5, 4.6 + 0.22 * rows), layout="constrained")
        axes = figure.subplots()
        _draw(axes, result, labels)
        axes.set_ylabel("Share of tokens")
        axes.set_ylim(0.0, 1.02)
        axes.set_title(literal(", ".join(dict.fromkeys(result.runs["scenario"]))), loc="left")
        if labels:
            figure.legend(
                loc="outside lower left", ncols=math.ceil(len(labels) / rows), frameon=False, handlelength=3.5
            )
    return figure


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
    """Text that matplotlib shows as it is: `$` would begin a formula, and a leading `_` would hide the label."""
    return (" " if text.startswith("_") else "") + text.replace("$", r"\$")


def _tokens(count: int) -> str:
    return f"{count:,} token" if count == 1 else f"{count:,} tokens"


def _rows(labels: dict[str, str]) -> int:
    """Rows of the legend, where the longest label decides how many stand side by side."""
    longest = max(map(len, labels.values()), default=0)
    return math.ceil(len(labels) / max(1, min(3, 90 // (longest + 9))))


def _draw(axes: Axes, result: Result, labels: dict[str, str]) -> None:
    tokens = later_tokens(result)
    if tokens.empty:
        _draw_nothing(axes, labels)
        return
    unit_s, unit = set_latency_scale(axes, float(tokens["latency_s"].min()), float(tokens["latency_s"].max()))
    colours, dashes = cycle(sns.color_palette("colorblind")), cycle(DASHES)
    for run, label in labels.items():
        times = tokens.loc[tokens["run"] == run, "latency_s"] / unit_s
        style: dict[str, Any] = {
            "color": next(colours),
            "linestyle": next(dashes),
            "linewidth": 1.8,
            "label": label,
        }
        if times.empty:
            axes.plot([], [], **style)
        else:
            sns.ecdfplot(x=times, ax=axes, **style)
    axes.set_xlabel(f"Time per output token [{unit}]")


def _draw_nothing(axes: Axes, labels: dict[str, str]) -> None:
    """A figure without curves still names its runs."""
    for label in labels.values():
        axes.plot([], [], linestyle="none", label=label)
    axes.text(0.5, 0.5, "no token followed another", transform=axes.transAxes, ha="center")
    axes.set_xlabel("Time per output token")
    axes.set_xticks([])


def set_latency_scale(axes: Axes, fastest_s: float, slowest_s: float) -> tuple[float, str]:
    """Give the x axis its scale, limits and ticks; its unit in seconds, and the name of the unit."""
    unit_s, unit = (1.0, "s") if math.sqrt(fastest_s * slowest_s) >= _SECONDS_FROM_S else (1e-3, "ms")
    low, high = fastest_s / unit_s, slowest_s / unit_s
    if low > 0.0 and high / low > _LOG_FROM_RATIO:
        _set_log(axes, low, high)
    else:
        middle, half = (low + high) / 2, max((high - low) / 2 * 1.05, (low + high) / 4 * _LEAST_WIDTH)
        axes.set_xlim(middle - half, middle + half)
        axes.ticklabel_format(axis="x", useOffset=False)
    return unit_s, unit


def _set_log(axes: Axes, low: float, high: float) -> None:
    """A logarithmic x axis with plain numbers at 1, 2, 5, 10, ... or, beyond four decades, at powers of ten."""
    axes.set_xscale("log")
    margin = (high / low) ** 0.03
    axes.set_xlim(low / margin, high * margin)
    axes.xaxis.set_major_locator(
        LogLocator(subs=(1.0, 2.0, 5.0) if high / low <= 1e4 else (1.0,), numticks=20)
    )
    axes.xaxis.set_major_formatter(FuncFormatter(plain))
    axes.xaxis.set_minor_formatter(NullFormatter())


def plain(value: float, _position: int | None = None) -> str:
    """A number as a tick shows it."""
    return f"{value:,.10g}"

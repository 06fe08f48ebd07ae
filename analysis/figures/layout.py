"""Common layout of figures: sizes, grids of panels, legends."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from headway.analysis.figures.axes import LOG_FROM_RATIO, log_ticks
from headway.analysis.figures.style import literal, styled

COLOURS = "cividis"
"""Colour map of heat maps, suitable for colour-blind readers (Nuñez, Anderton and Renslow, PLoS ONE 13, 2018)."""


@dataclass(frozen=True)
class Size:
    """Size of a figure; its height depends on its content.

    Attributes:
        width_in: width [in].
        font_pt: font size [pt].
    """

    width_in: float
    font_pt: float

    @property
    def line_in(self) -> float:
        """Height of a line of text [in]."""
        return 1.7 * self.font_pt / 72.0


COLUMN = Size(3.5, 7.0)
PAGE = Size(7.5, 9.0)
SLIDE = Size(10.0, 14.0)


@contextmanager
def lettered(size: Size) -> Iterator[None]:
    """Apply the common style with this font size."""
    with styled(), mpl.rc_context({"font.size": size.font_pt, "axes.titlesize": "medium"}):
        yield


def new_figure(size: Size, height_in: float) -> Figure:
    """An empty figure."""
    return Figure(figsize=(size.width_in, height_in), layout="constrained")


def panels(
    size: Size, titles: Sequence[str], height_in: float, *, legend: Sequence[str] = (), **shared: Any
) -> tuple[Figure, list[Axes]]:
    """A figure with a panel of height `height_in` per title, at most three per row, and room for a legend."""
    columns = min(len(titles), 2 if size.width_in / size.font_pt < 0.8 else 3)
    if len(titles) == 4:
        columns = 2
    rows = math.ceil(len(titles) / columns)
    room = size.line_in * (1 + legend_rows(size, legend)) if legend else 0.0
    figure = new_figure(size, rows * (height_in + 2.4 * size.line_in) + room)
    grid = list(figure.subplots(rows, columns, squeeze=False, **shared).flat)
    for axes, title in zip(grid, titles, strict=False):
        axes.set_title(literal(shortened(title, int(110 / columns))), loc="left")
    for axes in grid[len(titles) :]:
        axes.set_axis_off()
    # A panel above an empty place is the last of its column and needs tick labels.
    for axes in grid[len(titles) - columns : len(titles)]:
        axes.tick_params(labelbottom=True)
    return figure, grid[: len(titles)]


def label_below(axes: Sequence[Axes], text: str) -> None:
    """Label the x axis of the last panel of each column."""
    lowest = {panel.get_subplotspec().colspan.start: panel for panel in axes}  # type: ignore[union-attr]
    for panel in lowest.values():
        panel.set_xlabel(text)


def label_left(axes: Sequence[Axes], text: str) -> None:
    """Label the y axis of the first panel of each row."""
    for panel in axes:
        if panel.get_subplotspec().colspan.start == 0:  # type: ignore[union-attr]
            panel.set_ylabel(text)


def legend_columns(size: Size, labels: Sequence[str]) -> int:
    """Number of columns of the legend below a figure."""
    letters = 150 * size.width_in / size.font_pt / 1.25
    return max(1, min(4, int(letters / (max(map(len, labels), default=1) + 9))))


def legend_rows(size: Size, labels: Sequence[str]) -> int:
    """Number of rows of the legend."""
    return math.ceil(len(labels) / legend_columns(size, labels))


def add_legend(figure: Figure, size: Size, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """Add a legend below the figure."""
    figure.legend(
        handles,
        [literal(label) for label in labels],
        loc="outside lower left",
        ncols=legend_columns(size, labels),
        frameon=False,
        handlelength=3.0,
    )


def finish(figure: Figure, size: Size) -> Figure:
    """Set the font size of ticks, which matplotlib creates when it saves the figure."""
    for axes in figure.axes:
        axes.tick_params(labelsize=size.font_pt * 0.9)
    return figure


def note(axes: Axes, text: str) -> Axes:
    """Write the reason into an empty panel."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center")
    axes.set_xticks([])
    axes.set_yticks([])
    return axes


def log_if_wide(axes: Axes, low: float, high: float) -> None:
    """Make the y axis logarithmic if the values span a wide range."""
    if not 0.0 < low * LOG_FROM_RATIO < high:
        axes.set_ylim(bottom=0.0)
        return
    axes.set_yscale("log")
    log_ticks(axes.yaxis, low, high)


def policies_in(*columns: "pd.Series[Any]") -> list[str]:
    """All labels of some columns in their order, including categories without rows.

    So a policy without tokens keeps its position and colour.
    """
    labels: dict[str, None] = {}
    for column in columns:
        known = column.cat.categories if isinstance(column.dtype, pd.CategoricalDtype) else column.unique()
        labels |= dict.fromkeys(known)
    return list(labels)


def thinned(values: npt.NDArray[np.float64], most: int) -> npt.NDArray[np.float64]:
    """At most `most` equidistant values, including the first and the last."""
    indices = np.unique(np.linspace(0, len(values) - 1, min(len(values), most)).astype(np.int64))
    return values[indices]


def shortened(text: str, letters: int) -> str:
    """A text of at most `letters` letters: the middle is replaced, because names usually differ at their ends."""
    if len(text) <= letters:
        return text
    tail = letters // 2
    return f"{text[: letters - tail - 1]}…{text[-tail:]}"

"""The look of all figures: colours and line styles of runs, and labels shown as they are."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, cycle
from typing import Any

import matplotlib as mpl
import seaborn as sns

from headway.traces.errors import visible

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


def looks(labels: Iterable[str], *first: Any) -> dict[str, dict[str, Any]]:
    """Colour and line style of each label, distinct in both from its neighbours'; `first` are the first's colours."""
    pairs = zip(chain(first, cycle(sns.color_palette("colorblind"))), cycle(_DASHES), strict=False)
    return {
        label: {"color": colour, "linestyle": dash, "linewidth": 1.5}
        for label, (colour, dash) in zip(labels, pairs, strict=False)
    }


@contextmanager
def styled() -> Iterator[None]:
    """The look of all figures, whatever a user's matplotlibrc says; element ids in SVG come from a fixed salt."""
    with mpl.rc_context():
        mpl.rcdefaults()
        look: dict[Any, Any] = dict(sns.axes_style("whitegrid"))
        mpl.rcParams.update(look | {"svg.hashsalt": "headway", "axes.edgecolor": "0.4", "grid.color": "0.9"})
        yield


def literal(text: str) -> str:
    """Text that matplotlib shows as it is: `$` would begin a formula, and a leading `_` would hide the label.

    Control characters, which no SVG may hold, are written as escapes.
    """
    return (" " if text.startswith("_") else "") + visible(text).replace("$", r"\$")

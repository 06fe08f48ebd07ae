"""Common style of figures: colours and line styles of runs, and literal labels."""

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
"""Seven line styles and ten colours: 70 combinations, and consecutive runs differ in both."""


def looks(labels: Iterable[str], *first: Any) -> dict[str, dict[str, Any]]:
    """Colour and line style of each label; consecutive labels differ in both. `first`: colours of the first labels."""
    pairs = zip(chain(first, cycle(sns.color_palette("colorblind"))), cycle(_DASHES), strict=False)
    return {
        label: {"color": colour, "linestyle": dash, "linewidth": 1.5}
        for label, (colour, dash) in zip(labels, pairs, strict=False)
    }


@contextmanager
def styled() -> Iterator[None]:
    """Apply the common style instead of the user's matplotlibrc, with reproducible element ids in SVG."""
    with mpl.rc_context():
        mpl.rcdefaults()
        look: dict[Any, Any] = dict(sns.axes_style("whitegrid"))
        mpl.rcParams.update(look | {"svg.hashsalt": "headway", "axes.edgecolor": "0.4", "grid.color": "0.9"})
        yield


def literal(text: str) -> str:
    """Text that matplotlib shows unchanged. Otherwise `$` starts a formula, and a leading `_` hides the label.

    Control characters, which SVG does not allow, become escape sequences.
    """
    return (" " if text.startswith("_") else "") + visible(text).replace("$", r"\$")

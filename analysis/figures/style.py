"""Common style of figures: colours and line styles of runs, and literal labels."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, cycle
from typing import Any

import matplotlib as mpl
from matplotlib.colors import to_rgb

from headway.traces.errors import visible

PALETTE = [
    to_rgb(colour)
    for colour in (
        *("#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc"),
        *("#ca9161", "#fbafe4", "#949494", "#ece133", "#56b4e9"),
    )
]
"""Ten colours that colour-blind people can distinguish: the palette `colorblind` of seaborn."""

_LOOK: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": "0.4",
    "axes.grid": True,
    "axes.labelcolor": ".15",
    "font.sans-serif": ["Arial", "DejaVu Sans", "Liberation Sans", "Bitstream Vera Sans", "sans-serif"],
    "grid.color": "0.9",
    "lines.solid_capstyle": "round",
    "patch.edgecolor": "w",
    "patch.force_edgecolor": True,
    "svg.hashsalt": "headway",
    "text.color": ".15",
    "xtick.bottom": False,
    "xtick.color": ".15",
    "ytick.color": ".15",
    "ytick.left": False,
}
"""The style `whitegrid` of seaborn, with darker axes and a lighter grid. seaborn itself takes a second to import."""

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
    pairs = zip(chain(first, cycle(PALETTE)), cycle(_DASHES), strict=False)
    return {
        label: {"color": colour, "linestyle": dash, "linewidth": 1.5}
        for label, (colour, dash) in zip(labels, pairs, strict=False)
    }


@contextmanager
def styled() -> Iterator[None]:
    """Apply the common style instead of the user's matplotlibrc, with reproducible element ids in SVG."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_LOOK)
        yield


def literal(text: str) -> str:
    """Text that matplotlib shows unchanged. Otherwise `$` starts a formula, and a leading `_` hides the label.

    Control characters, which SVG does not allow, become escape sequences.
    """
    return (" " if text.startswith("_") else "") + visible(text).replace("$", r"\$")

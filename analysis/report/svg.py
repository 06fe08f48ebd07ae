"""Figures as inline SVG, in the colours of the page."""

import io
import re
from html import escape

import matplotlib as mpl
from matplotlib.figure import Figure

from headway.analysis.figures.style import styled

_INK = {"#262626": "var(--ink)", "#666666": "var(--frame)", "#e6e6e6": "var(--grid)"}
"""Colours of text, axes and grids in figures, and the CSS variables that replace them."""

_ID = re.compile(r'\bid="([^"]+)"')
_REFERENCE = re.compile(r'(url\(|href=")#')
_DROPPED = re.compile(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<defs>\s*</defs>", re.DOTALL)


def inline_svg(figure: Figure, name: str, title: str) -> str:
    """A figure as an element of a page.

    Args:
        figure: its backgrounds are removed.
        name: distinct in the page, for the ids of its parts.
        title: text for screen readers.
    """
    with styled(), mpl.rc_context({"svg.fonttype": "none"}):
        figure.patch.set_visible(False)
        for axes in figure.axes:
            if not axes.images:
                axes.patch.set_visible(False)
        target = io.StringIO()
        figure.savefig(target, format="svg", metadata={"Date": None, "Creator": None})
    text = target.getvalue()
    text = _DROPPED.sub("", _DROPPED.sub("", text[text.index("<svg") :]))
    for colour, variable in _INK.items():
        text = text.replace(f": {colour}", f": {variable}")
    head, _, body = _own_ids(text, name).partition(">")
    head = re.sub(r' (?:width|height|version)="[^"]*"', "", head)
    label = escape(title, quote=True)
    return f'{head} role="img" aria-label="{label}">{body}'


def _own_ids(text: str, name: str) -> str:
    """The same with ids that are unique in the page; of identical parts, only the first has an id."""
    ids: set[str] = set()

    def own(match: re.Match[str]) -> str:
        first = match[1] not in ids
        ids.add(match[1])
        return f'id="{name}-{match[1]}"' if first else ""

    text = _ID.sub(own, text)
    return _REFERENCE.sub(rf"\1#{name}-", text)

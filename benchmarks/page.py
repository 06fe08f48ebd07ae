"""Draw docs/performance.md from docs/performance.json: python -m benchmarks.page."""

import json
import textwrap
from pathlib import Path

from jinja2 import Environment

from benchmarks.measure import Figures

_HERE = Path(__file__).parent
_DOCS = _HERE.parent / "docs"
FIGURES, PAGE = _DOCS / "performance.json", _DOCS / "performance.md"

_WIDTH = 120


def page(figures: Figures) -> str:
    """The page with these figures, without the sections of benchmarks that were left out."""
    environment = Environment(trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": _number, "percent": "{:.0%}".format}
    template = environment.from_string((_HERE / "performance.md.jinja").read_text(encoding="utf-8"))
    paragraphs = template.render(figures).strip("\n").split("\n\n")
    return "\n\n".join(_wrapped(one.strip("\n")) for one in paragraphs) + "\n"


def _wrapped(paragraph: str) -> str:
    """A paragraph of prose in lines of the width of the pages; tables and code stay as they are."""
    is_prose = not paragraph.startswith(("#", "|", "`" * 3, "<!--"))
    return textwrap.fill(paragraph, _WIDTH, break_on_hyphens=False) if is_prose else paragraph


def _number(value: float) -> str:
    """A number with three significant digits; counts below 10,000 have all of them."""
    if isinstance(value, int) and value < 10_000:
        return f"{value:,}"
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:g}"


def main() -> None:
    """Draw the page."""
    PAGE.write_text(page(json.loads(FIGURES.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Save figures as SVG and PNG. Equal figures give equal bytes."""

from pathlib import Path

from matplotlib.figure import Figure

from headway.analysis.figures.style import styled

METADATA: dict[str, dict[str, None]] = {".svg": {"Date": None, "Creator": None}, ".png": {"Software": None}}
"""Suffixes of image files, and the metadata that matplotlib must omit."""


def save_figure(figure: Figure, folder: Path, name: str) -> None:
    """Write `<name>.svg` and `<name>.png` into a folder."""
    for suffix in METADATA:
        save_as(figure, folder / f"{name}{suffix}")


def save_as(figure: Figure, path: Path) -> None:
    """Write a file with a suffix of `METADATA`."""
    with styled():
        figure.savefig(path, metadata=METADATA[path.suffix], dpi=150 if path.suffix == ".png" else "figure")

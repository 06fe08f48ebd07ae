"""Figures as files: SVG and PNG, equal figures in equal bytes."""

from pathlib import Path

from matplotlib.figure import Figure

from headway.analysis.figures.style import styled

METADATA: dict[str, dict[str, None]] = {".svg": {"Date": None, "Creator": None}, ".png": {"Software": None}}
"""The kinds of image files, with what matplotlib is not to say about itself in each."""


def save_figure(figure: Figure, folder: Path, name: str) -> None:
    """Write `<name>.svg` and `<name>.png` into a folder; equal figures give equal bytes."""
    for suffix in METADATA:
        save_as(figure, folder / f"{name}{suffix}")


def save_as(figure: Figure, path: Path) -> None:
    """Write a file whose suffix is one of `METADATA`; equal figures give equal bytes."""
    with styled():
        figure.savefig(path, metadata=METADATA[path.suffix], dpi=150 if path.suffix == ".png" else "figure")

"""`headway report`."""

# ruff: noqa: PLC0415

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from headway.analysis.console.terminal import SmallestDifference, reported, show


class SizeName(StrEnum):
    """Sizes of figures."""

    COLUMN = "column"
    PAGE = "page"
    SLIDE = "slide"


_Folder = Annotated[
    Path,
    typer.Argument(
        metavar="DIR",
        help="A folder of `headway run` or `headway whatif`, or the store or export of a campaign.",
    ),
]
_File = Annotated[
    Path | None,
    typer.Option("-o", "--out", metavar="FILE", help="The file, DIR.html beside the folder by default."),
]
_Campaign = Annotated[
    str | None, typer.Option(metavar="NAME", help="The campaign, if the store has several.")
]
_Metric = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Rank policies by this metric, such as ttft_p95_s, e2e_p95_s, tpot_p50_s or tpot_max_s.",
    ),
]
_WarmUp = Annotated[
    int, typer.Option(min=0, metavar="TOKENS", help="Leave out this many tokens at the start of every run.")
]
_FiguresFolder = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Write the figures as SVG and PNG into this folder too.")
]
_Size = Annotated[
    SizeName, typer.Option(help="Size of these figures: a column of a paper, a page, or a slide.")
]


def report(
    folder: _Folder,
    out: _File = None,
    campaign: _Campaign = None,
    metric: _Metric = "tokens_per_s",
    smallest_difference: SmallestDifference = None,
    warm_up: _WarmUp = 0,
    figures: _FiguresFolder = None,
    size: _Size = SizeName.COLUMN,
) -> None:
    """Write a report on results, as one HTML file.

    The page has a verdict, intervals, figures and tables, and needs no network. An existing file is replaced.

    Example: headway report results/home-cluster
    """
    with reported():
        from headway.analysis import figures as sizes
        from headway.analysis.figures.saving import save_figure
        from headway.analysis.files.atomic import writing
        from headway.analysis.report.data import after_warm_up
        from headway.analysis.report.figures import report_figures
        from headway.analysis.report.load import read_results
        from headway.analysis.report.page import page
        from headway.analysis.report.ranking import rank_policies, verdict
        from headway.analysis.statistics import SMALLEST
        from headway.analysis.statistics import smallest_difference as share
        from headway.analysis.statistics.metrics import metric_named

        ranked = metric_named(metric)
        smallest = (
            SMALLEST if smallest_difference is None else share(smallest_difference, "--smallest-difference")
        )
        data = after_warm_up(read_results(folder, campaign), warm_up)
        target = out if out is not None else folder.with_name(f"{folder.resolve().name}.html")
        text = page(data, ranked, smallest=smallest)
        with writing(target):
            target.write_text(text, encoding="utf-8", newline="\n")
        ranking = rank_policies(data, ranked, smallest=smallest)
        if figures is not None:
            with writing(figures):
                figures.mkdir(parents=True, exist_ok=True)
                for picture in report_figures(data, ranking, getattr(sizes, size.name)):
                    save_figure(picture.figure, figures, picture.name)
        show(verdict(ranking), f"Report: {target}")

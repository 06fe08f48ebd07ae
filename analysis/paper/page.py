"""Result files of the experiments, and the page that shows them.

The page contains regions `<!-- table:NAME -->` ... `<!-- end -->`, and only their content is replaced. So the prose can
be edited without running anything, and no number is typed by hand.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from matplotlib.figure import Figure

from headway.analysis.figures.saving import save_figure
from headway.analysis.files.atomic import check_unused, first_unused, writing
from headway.analysis.paper import author_baselines, figures, many_layers, overload, tables
from headway.analysis.paper.cells import markdown
from headway.analysis.paper.experiments import Experiment
from headway.analysis.paper.runs import Tables
from headway.traces.errors import InputError

_REGION = re.compile(r"(?P<begin><!-- table:(?P<name>[\w-]+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)

TABLES: Mapping[Experiment, Callable[[Tables], dict[str, pd.DataFrame]]] = {
    "small": tables.small,
    "medium": tables.medium,
    "sensitivity": tables.sensitivity,
    "overload": overload.tables,
    "author-baselines": author_baselines.tables,
    "many-layers": many_layers.tables,
}
FIGURES: Mapping[Experiment, Callable[[Tables], dict[str, Figure]]] = {
    "small": figures.small,
    "medium": figures.medium,
    "sensitivity": figures.sensitivity,
}


@dataclass(frozen=True)
class Written:
    """The written tables and figures of an experiment.

    Attributes:
        tables: Markdown tables by name.
        figures: names of the figures in the results folder.
    """

    tables: dict[str, str]
    figures: tuple[str, ...]


def choose_folder(out: Path | None, experiments: Sequence[Experiment], *, replace: bool) -> tuple[Path, bool]:
    """The folder for the results of some experiments, and whether results in it will be replaced.

    Args:
        out: the folder; by default `results/paper`, or the first of `results/paper-2`, ... without such results.
        experiments: whose results are written.
        replace: whether results of the same experiments may be replaced.

    Raises:
        InputError: the folder `out` has such results.
    """

    def in_use(folder: Path) -> bool:
        return any(any(folder.glob(f"{experiment}-*.parquet")) for experiment in experiments)

    target = Path("results/paper") if out is None else out
    if out is None and not replace:
        target = first_unused(target, in_use)
    check_unused(target, in_use(target) and not replace)
    return target, in_use(target)


def write(experiment: Experiment, results: Tables, folder: Path) -> Written:
    """Write the tables and figures of an experiment into a new or existing folder.

    Files of the same names are replaced, and no other is touched.

    Raises:
        InputError: the folder cannot be written.
    """
    texts = {name: markdown(table) for name, table in TABLES[experiment](results).items()}
    pictures = FIGURES[experiment](results) if experiment in FIGURES else {}
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for table in fields(Tables):
            frame = getattr(results, table.name)
            if len(frame):
                target = folder / f"{experiment}-{table.name}.parquet"
                pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), target)
        for name, text in texts.items():
            (folder / f"{name}.md").write_text(text + "\n", encoding="utf-8", newline="\n")
        for name, figure in pictures.items():
            save_figure(figure, folder, name)
    return Written(texts, tuple(pictures))


def fill(page: Path, written: Sequence[Written], results: Path) -> None:
    """Put tables into their regions of a page, and figures into the folder `images` beside it.

    Args:
        page: a Markdown file.
        written: tables and figures; regions with other names stay unchanged.
        results: folder with the figures.

    Raises:
        InputError: the page cannot be read or written, or lacks a region for a table.
    """
    text = read(page)
    texts = {name: table for part in written for name, table in part.tables.items()}
    missing = sorted(set(texts) - regions(text))
    if missing:
        raise InputError(
            str(page),
            f"a page without a region for {', '.join(missing)}",
            "<!-- table:NAME --> ... <!-- end -->",
        )

    def filled(match: "re.Match[str]") -> str:
        name = match["name"]
        return f"{match['begin']}\n{texts[name]}\n\n{match['end']}" if name in texts else match[0]

    images = page.parent / "images"
    with writing(page):
        page.write_text(_REGION.sub(filled, text), encoding="utf-8", newline="\n")
        images.mkdir(exist_ok=True)
        for name in (name for part in written for name in part.figures):
            (images / f"{name}.svg").write_bytes((results / f"{name}.svg").read_bytes())


def read(page: Path) -> str:
    """The text of a page.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return page.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("--page", str(page), "a Markdown file with regions for tables") from error


def regions(text: str) -> set[str]:
    """Names of the regions of a page."""
    return {match["name"] for match in _REGION.finditer(text)}

"""`headway paper`."""

# ruff: noqa: PLC0415

from pathlib import Path
from typing import Annotated

import typer

from headway.analysis.commands.results_options import Force, Out, Workers, process_count
from headway.analysis.console.progress import counted
from headway.analysis.console.terminal import DecisionLimit, reported, show
from headway.analysis.console.terminal import decision_limit as allowed


def paper(
    which: Annotated[
        str,
        typer.Argument(
            metavar="[small|medium|sensitivity|overload|author-baselines|many-layers|all]",
            help="The experiment, all by default.",
        ),
    ] = "all",
    quick: Annotated[
        bool, typer.Option("--quick", help="A few small worlds, as a test; too few for conclusions.")
    ] = False,
    out: Out = None,
    force: Force = False,
    workers: Workers = None,
    decision_limit: DecisionLimit = None,
    page: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Also put the tables and figures into this page, as in docs/paper.md."
        ),
    ] = None,
) -> None:
    """Repeat the experiments of arXiv 2505.02533 in random worlds.

    Tables and figures include confidence intervals. A folder may hold the results of several experiments, and other
    files.

    Example: headway paper small --quick
    """
    with reported():
        from headway.analysis.files.atomic import writing
        from headway.analysis.paper import page as pages
        from headway.analysis.paper.experiments import cases, chosen, scale
        from headway.analysis.paper.runs import run_all
        from headway.simcore.simulate import RunOptions

        options = RunOptions(decision_limit_s=allowed(decision_limit))
        experiments = chosen(which)
        if page is not None:
            pages.read(page)
        folder, replaced = pages.choose_folder(out, experiments, replace=force)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        written = []
        for name in experiments:
            todo = cases(name, scale(quick))
            with counted(name, sum(len(case.seeds) for case in todo), "worlds") as step:
                count = process_count(workers)
                results = run_all(todo, workers=count, options=options, progress=step)
            written.append(pages.write(name, results, folder))
        if page is not None:
            pages.fill(page, written, folder)
        show(f"Results: {folder}{' (replaced)' if replaced else ''}")

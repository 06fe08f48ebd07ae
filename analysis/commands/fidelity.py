"""`headway fidelity`."""

# ruff: noqa: PLC0415

from pathlib import Path
from typing import Annotated

import typer

from headway.analysis.commands.results_options import Force, Out
from headway.analysis.console.progress import counted
from headway.analysis.console.terminal import reported, show

_Rows = Annotated[
    Path,
    typer.Argument(
        metavar="ROWS.csv", help="Measurements, one per row, or the output of `llama-bench -o json`."
    ),
]
_Calibration = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Parameters from `headway calibrate`, which take precedence over the shipped ones.",
    ),
]


def fidelity(rows: _Rows, out: Out = None, calibration: _Calibration = None, force: Force = False) -> None:
    """Predict rows of measurements, and compare.

    The results are `rows.csv` and a parity plot. A row that cannot be predicted is listed with the reason.

    Example: headway fidelity my-lab.csv --out results/my-lab
    """
    with reported():
        from headway.analysis.fidelity.known import load_known
        from headway.analysis.fidelity.own_measurements import read_measurements
        from headway.analysis.fidelity.plots import parity_plot
        from headway.analysis.fidelity.predict_row import predict_rows
        from headway.analysis.fidelity.results import ROWS, write_rows
        from headway.analysis.fidelity.tables import skipped_table, summary_table
        from headway.analysis.figures.saving import save_figure
        from headway.analysis.files.atomic import new_folder, writing

        table = read_measurements(rows)
        known = load_known(calibration)
        target = out or Path("results") / f"fidelity-{rows.stem}"
        files = {ROWS, "parity.svg", "parity.png"}
        with new_folder(target, files, ROWS, replace=force, numbered=out is None) as folder:
            with counted("fidelity", len(table), "rows") as step:
                predictions = predict_rows(table, known, step)
            with writing(folder.target):
                write_rows(folder.path / ROWS, predictions)
                figure = parity_plot(predictions)
                if figure is not None:
                    save_figure(figure, folder.path, "parity")
        left_out = skipped_table(predictions)
        if left_out is not None:
            show(left_out, "")
        show(summary_table(predictions), "")
        if figure is None:
            show("No value is both measured and predicted, so there is no parity plot.", "")
        show(f"Results: {folder}")

"""Predictions of all rows of a file, and the folder with the results of `headway fidelity`."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from headway.analysis.fidelity.contexts import work_of
from headway.analysis.fidelity.known import Known
from headway.analysis.fidelity.parity import parity_plot
from headway.analysis.fidelity.predict_row import predict_row
from headway.analysis.fidelity.results import (
    ROWS,
    Prediction,
    Quantity,
    asked_quantities,
    prediction,
    skipped,
    write_rows,
)
from headway.analysis.fidelity.rows import Row
from headway.analysis.figures.saving import save_figure
from headway.analysis.files.atomic import NewFolder, new_folder
from headway.simcore.errors import RunEndedError
from headway.traces.errors import InputError, error_text

PARITY = "parity"


def fidelity_folder(
    target: Path, *, replace: bool = False, numbered: bool = False
) -> AbstractContextManager[NewFolder]:
    """A new empty folder that becomes `target` when the block ends without an exception, as `new_folder`.

    Raises:
        InputError: the target is in use, or cannot be written.
    """
    files = {ROWS, *(f"{PARITY}.{kind}" for kind in ("svg", "png"))}
    return new_folder(target, files, ROWS, replace=replace, numbered=numbered)


def predict_rows(
    rows: Sequence[Row], known: Known, progress: Callable[[], None] = lambda: None
) -> list[Prediction]:
    """The predictions of all rows, in their order. A row that fails is skipped with the reason, whatever fails."""
    predictions: list[Prediction] = []
    for row in rows:
        predictions += _predict(row, known)
        progress()
    return predictions


def _predict(row: Row, known: Known) -> list[Prediction]:
    try:
        predictions = predict_row(row, known)
        there = {one.quantity for one in predictions}
        others = [quantity for quantity in asked_quantities(row) if quantity not in there]
        return predictions + [prediction(row, other, None, note=_reason(row, other)) for other in others]
    except (InputError, RunEndedError) as error:
        return skipped(row, [str(error)])
    except Exception as error:  # A defect in one row must not discard the results of all others.
        return skipped(row, [f"a defect of Headway: {error_text(error)}"])


def _reason(row: Row, quantity: Quantity) -> str:
    """The reason why a quantity of a predicted row has no prediction."""
    if quantity == "ttft" and not work_of(row).prompt:
        return "the length of the prompt is not stated"
    return f"{quantity} is not predicted for this phase"


def write_folder(folder: Path, predictions: Sequence[Prediction]) -> bool:
    """Write `rows.csv` and the parity plot; returns whether there is a plot."""
    write_rows(folder / ROWS, predictions)
    figure = parity_plot(predictions)
    if figure is None:
        return False
    save_figure(figure, folder, PARITY)
    return True

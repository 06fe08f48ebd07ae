"""Predictions of rows, beside measured values where a row has them, and the file `rows.csv`."""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from headway.analysis.fidelity.other_metrics import other_quantity
from headway.analysis.fidelity.rows import Row

Quantity = Literal["total", "compute", "transfer", "bytes_sent", "bytes_received", "ttft", "tokens_per_s"]
Status = Literal["predicted", "extrapolated", "skipped"]

QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)

COLUMNS = ("id", "system", "quantity", "measured", "predicted", "error", "status", "note")
"""Columns of `rows.csv`."""

ROWS = "rows.csv"

_UNITS: Mapping[Quantity, str] = {
    "total": "ms",
    "compute": "ms",
    "transfer": "ms",
    "bytes_sent": "kB",
    "bytes_received": "kB",
    "tokens_per_s": "tokens/s",
}


@dataclass(frozen=True)
class Prediction:
    """One quantity of a row.

    Attributes:
        id: of the row.
        system: of the row.
        quantity: "total", "compute" and "transfer" are times per token; bytes are those of the root per token.
        measured: in `unit`; None if the row has no measured value.
        predicted: in `unit`; None if the quantity is skipped.
        status: "extrapolated" if a value of the row lies outside the calibrated range; "skipped" if there is no
            prediction.
        note: the reason for the status, and assumptions.
        unit: "ms", "kB" of 1024 B, or "tokens/s"; of "ttft" the unit of the row, "ms" or "s".
    """

    id: str
    system: str
    quantity: Quantity
    measured: float | None
    predicted: float | None
    status: Status
    note: str
    unit: str

    @property
    def error(self) -> float | None:
        """Relative error, predicted / measured - 1; 0 if both are 0; None if one of them is missing."""
        if self.measured is None or self.predicted is None:
            return None
        if self.measured == 0.0:
            return math.inf if self.predicted else 0.0
        return self.predicted / self.measured - 1.0


def measured_values(row: Row) -> dict[Quantity, float]:
    """The measured quantities of a row, each in its unit."""
    other = other_quantity(row)
    values: dict[Quantity, float | None] = {
        "total": row.ms_per_token_total,
        "compute": row.ms_compute,
        "transfer": row.ms_transfer_or_sync,
        "bytes_sent": row.root_sent_kB_per_token,
        "bytes_received": row.root_recv_kB_per_token,
        "ttft": other.measured if other is not None and other.quantity == "ttft" else None,
        "tokens_per_s": row.tokens_per_s,
    }
    return {quantity: value for quantity, value in values.items() if value is not None}


def asked_quantities(row: Row) -> list[Quantity]:
    """The quantities that the columns of a row ask for: measured ones and its further metric; maybe none."""
    asked: set[Quantity] = set(measured_values(row))
    other = other_quantity(row)
    if other is not None and other.quantity is not None:
        asked.add(other.quantity)
    return [quantity for quantity in QUANTITIES if quantity in asked]


def prediction(
    row: Row, quantity: Quantity, value: float, *, extrapolated: str = "", note: str = ""
) -> Prediction:
    """A prediction of a quantity of a row.

    Args:
        row: the row.
        quantity: the quantity.
        value: in the unit `unit_of(row, quantity)`; kB are rounded down here, as in the logs of distributed-llama.
        extrapolated: the value of the row that lies outside the calibrated range, in a sentence; empty if none does.
        note: assumptions.
    """
    unit = unit_of(row, quantity)
    return Prediction(
        row.id,
        row.system,
        quantity,
        measured_values(row).get(quantity),
        float(math.floor(value)) if unit == "kB" else value,
        "extrapolated" if extrapolated else "predicted",
        _note(quantity, unit, (extrapolated, note)),
        unit,
    )


def skipped(row: Row, reasons: Sequence[str]) -> list[Prediction]:
    """Every quantity that a row asks for, without a prediction; the total if it asks for none."""
    quantities: list[Quantity] = asked_quantities(row) or ["total"]
    return [skipped_quantity(row, quantity, reasons) for quantity in quantities]


def skipped_quantity(row: Row, quantity: Quantity, reasons: Sequence[str]) -> Prediction:
    """A quantity of a row without a prediction."""
    unit = unit_of(row, quantity)
    measured = measured_values(row).get(quantity)
    note = _note(quantity, unit, reasons)
    return Prediction(row.id, row.system, quantity, measured, None, "skipped", note, unit)


def _note(quantity: Quantity, unit: str, parts: Sequence[str]) -> str:
    """The parts of a note that are not empty; that of a time to the first token begins with its unit."""
    return "; ".join(part for part in (f"in {unit}" if quantity == "ttft" else "", *parts) if part)


def unit_of(row: Row, quantity: Quantity) -> str:
    """The unit of a quantity of a row; of the time to the first token it is the row's own, else seconds."""
    if quantity != "ttft":
        return _UNITS[quantity]
    other = other_quantity(row)
    return other.unit if other is not None and other.quantity == "ttft" else "s"


def write_rows(path: Path, predictions: Iterable[Prediction]) -> None:
    """Write `rows.csv`: one line per prediction, in their order."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for one in predictions:
            numbers = [_text(value) for value in (one.measured, one.predicted, one.error)]
            writer.writerow([one.id, one.system, one.quantity, *numbers, one.status, one.note])


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"

"""Quantities of rows, measured and predicted, and the file `rows.csv`."""

import csv
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from headway.analysis.fidelity.rows import Row
from headway.analysis.fidelity.texts import NUMBER, middle

Quantity = Literal["total", "compute", "transfer", "bytes_sent", "bytes_received", "ttft", "tokens_per_s"]
Status = Literal["predicted", "extrapolated", "skipped"]

QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)

COLUMNS = ("id", "system", "quantity", "measured", "predicted", "error", "status", "note")
"""Columns of `rows.csv`."""

ROWS = "rows.csv"

_MEASURED: Mapping[Quantity, tuple[str, str]] = {
    "total": ("ms_per_token_total", "ms"),
    "compute": ("ms_compute", "ms"),
    "transfer": ("ms_transfer_or_sync", "ms"),
    "bytes_sent": ("root_sent_kB_per_token", "kB"),
    "bytes_received": ("root_recv_kB_per_token", "kB"),
    "tokens_per_s": ("tokens_per_s", "tokens/s"),
}
"""Column and unit of each quantity; the time to the first token is in other columns."""


_FIRST_TOKEN = re.compile(
    r"TTFT(?! by)|prefill time|prefill / generation / total|time to rebuild the KV cache"
)
SECONDS = {"s": 1.0, "ms": 1e-3}
"""Further metrics that are the time to the first token, and its units."""


class FirstToken(NamedTuple):
    """The time to the first token of a row, or to process its prompt: in `unit`, "s" or "ms"; None if blank."""

    unit: str
    measured: float | None


def first_token(row: Row) -> FirstToken | None:
    """The time to the first token of a row; None if its further metric is another one, or none."""
    unit = row.other_unit.split(";")[0].strip()
    if unit not in SECONDS or not _FIRST_TOKEN.match(row.other_metric):
        return None
    # The number of the first of several metrics, or the median of several runs of one metric.
    numbers = [float(number) for number in re.findall(NUMBER, row.other_value.split(";")[0])]
    if not numbers:
        return FirstToken(unit, None)
    return FirstToken(unit, numbers[0] if "/" in row.other_metric else middle(numbers))


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
    first = first_token(row)
    values = {quantity: getattr(row, column) for quantity, (column, _) in _MEASURED.items()}
    values["ttft"] = None if first is None else first.measured
    return {quantity: values[quantity] for quantity in QUANTITIES if values[quantity] is not None}


def asked_quantities(row: Row) -> list[Quantity]:
    """The quantities that the columns of a row ask for: measured ones and its further metric; maybe none."""
    measured, first = measured_values(row), first_token(row)
    return [one for one in QUANTITIES if one in measured or (one == "ttft" and first is not None)]


def prediction(
    row: Row, quantity: Quantity, value: float | None, *, extrapolated: str = "", note: str = ""
) -> Prediction:
    """A prediction of a quantity of a row.

    Args:
        row: the row.
        quantity: the quantity.
        value: in the unit of the quantity, which is the row's own for the time to the first token, else seconds; kB are
            rounded down here, as in the logs of distributed-llama. None: the quantity is skipped.
        extrapolated: the value of the row that lies outside the calibrated range, in a sentence; empty if none does.
        note: assumptions, or the reason why the quantity is skipped. That of a time to the first token gets its unit.
    """
    first = first_token(row)
    unit = _MEASURED[quantity][1] if quantity != "ttft" else "s" if first is None else first.unit
    notes = (f"in {unit}" if quantity == "ttft" else "", extrapolated, note)
    return Prediction(
        row.id,
        row.system,
        quantity,
        measured_values(row).get(quantity),
        float(math.floor(value)) if value is not None and unit == "kB" else value,
        "skipped" if value is None else "extrapolated" if extrapolated else "predicted",
        "; ".join(filter(None, notes)),
        unit,
    )


def skipped(row: Row, reasons: Sequence[str]) -> list[Prediction]:
    """Every quantity that a row asks for, without a prediction; the total if it asks for none."""
    quantities: list[Quantity] = asked_quantities(row) or ["total"]
    return [prediction(row, quantity, None, note="; ".join(reasons)) for quantity in quantities]


def write_rows(path: Path, predictions: Iterable[Prediction]) -> None:
    """Write `rows.csv`: one line per prediction, in their order."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for one in predictions:
            values = (one.measured, one.predicted, one.error)
            numbers = ["" if value is None else f"{value:.10g}" for value in values]
            writer.writerow([one.id, one.system, one.quantity, *numbers, one.status, one.note])

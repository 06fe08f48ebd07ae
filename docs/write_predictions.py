"""Write docs/fidelity/predictions.csv: predictions of rows whose measured values are not known.

Run it as `python docs/write_predictions.py ROWS.csv`. Rows are predicted as by `headway fidelity`. No column has the
faults of rows with moved layers: docs/examples/moving_layers.py predicts these (docs/fidelity/moving-layers.csv).
"""

import csv
import sys
from dataclasses import replace
from pathlib import Path

from headway.analysis.fidelity.known import load_known
from headway.analysis.fidelity.predict_row import predict_rows
from headway.analysis.fidelity.results import Prediction, prediction, skipped, write_rows
from headway.analysis.fidelity.rows import Row, read_rows

FOLDER = Path(__file__).parent / "fidelity"
REQUESTS = 2
"""Requests in flight in all measurements of moved layers under faults."""


def main(path: str) -> None:
    """Predict the rows of a file."""
    rows = read_rows(path)
    faults = _faults()
    others = [row for row in rows if row.id not in faults]
    predictions = {row.id: list[Prediction]() for row in rows}
    for one in predict_rows(others, load_known()):
        predictions[one.id].append(one)
    for row in rows:
        if row.id in faults:
            predictions[row.id] = _under_faults(row, *faults[row.id])
    write_rows(FOLDER / "predictions.csv", (one for row in rows for one in predictions[row.id]))


def _faults() -> dict[str, tuple[str, str]]:
    """The predicted time between tokens [ms] and its assumption, by row."""
    with (FOLDER / "moving-layers.csv").open(encoding="utf-8", newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["quantity"] == "total"]
    return {line["id"]: (line["predicted"], line["assumption"]) for line in lines}


def _under_faults(row: Row, predicted: str, assumption: str) -> list[Prediction]:
    note = f"docs/fidelity/moving-layers.md: {assumption}"
    if not predicted:
        return [replace(one, note=note) for one in skipped(row, [note])]
    total_ms = float(predicted)
    guess = "the strength of the fault and the first placement are guessed"
    return [
        prediction(row, "total", total_ms, extrapolated=guess, note=note),
        prediction(row, "tokens_per_s", REQUESTS * 1e3 / total_ms, extrapolated=guess, note=note),
    ]


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Predictions as tables for a terminal: errors by system, and skipped rows with the reasons."""

import math
import re
from collections.abc import Sequence

import numpy as np
from rich.table import Table
from rich.text import Text

from headway.analysis.console.grid import grid
from headway.analysis.fidelity.results import QUANTITIES, Prediction
from headway.analysis.formatting import NOTHING, number

_ALL = "All systems"
_NO_NAME = "without a name"


def family(system: str) -> str:
    """The name of a system up to the first bracket or comma."""
    return re.split(r"\s*[(,]", system, maxsplit=1)[0].strip() or system or _NO_NAME


def summary_table(predictions: Sequence[Prediction]) -> Table:
    """Rows, predicted rows, and median and 90th percentile of the size of the error, by system and quantity."""
    names = sorted({family(one.system) for one in predictions})
    table = grid("Errors by system", ["System"], ["Rows", "Predicted"])
    table.add_column(Text("Quantity"))
    for heading in ("Values", "Median\n[%]", "90th percentile\n[%]"):
        table.add_column(Text(heading), justify="right")
    for name in [*names, _ALL] if len(names) > 1 else names:
        _add_block(table, name, [one for one in predictions if name in (_ALL, family(one.system))])
    return table


def _add_block(table: Table, name: str, predictions: Sequence[Prediction]) -> None:
    rows = {one.id for one in predictions}
    done = {one.id for one in predictions if one.status != "skipped"}
    first = [name, f"{len(rows):,}", f"{len(done):,}"]
    blocks = [(quantity, _sizes(predictions, quantity)) for quantity in QUANTITIES]
    known = [(quantity, sizes) for quantity, sizes in blocks if sizes]
    for quantity, sizes in known:
        ends = [_percent(percentile(sizes, share)) for share in (50.0, 90.0)]
        table.add_row(*map(Text, (*first, quantity, f"{len(sizes):,}", *ends)))
        first = ["", "", ""]
    if not known:
        table.add_row(*map(Text, (*first, *[NOTHING] * 4)))


def _sizes(predictions: Sequence[Prediction], quantity: str) -> list[float]:
    return [abs(one.error) for one in predictions if one.quantity == quantity and one.error is not None]


def percentile(values: Sequence[float], share: float) -> float:
    """A percentile with linear interpolation; infinite where a value that it needs is infinite."""
    with np.errstate(invalid="ignore"):
        value = float(np.percentile(values, share))
    return math.inf if math.isnan(value) else value


def _percent(share: float) -> str:
    return number(100.0 * share) if math.isfinite(share) else "∞"


def skipped_table(predictions: Sequence[Prediction]) -> Table | None:
    """The skipped quantities by row, with the reasons; None if nothing is skipped."""
    quantities: dict[tuple[str, str], list[str]] = {}
    for one in predictions:
        if one.status == "skipped":
            quantities.setdefault((one.id, one.note), []).append(one.quantity)
    if not quantities:
        return None
    table = grid("Skipped", ["Row", "Quantities", "Reason"], [])
    for (name, note), parts in quantities.items():
        table.add_row(Text(name), Text(", ".join(parts)), Text(note))
    return table

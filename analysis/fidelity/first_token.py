"""The time to the first token that a row measures: its columns `other_metric`, `other_value` and `other_unit`."""

import re
from dataclasses import dataclass

from headway.analysis.fidelity.rows import Row
from headway.analysis.fidelity.texts import NUMBER, middle

_METRICS = re.compile(r"TTFT(?! by)|prefill time|prefill / generation / total|time to rebuild the KV cache")
_UNITS = {"s": 1.0, "ms": 1e-3}


@dataclass(frozen=True)
class FirstToken:
    """The time to the first token of a row, or to process its prompt.

    Attributes:
        unit: "s" or "ms".
        measured: in `unit`; the median of several runs; None if blank.
    """

    unit: str
    measured: float | None

    @property
    def unit_s(self) -> float:
        """Seconds in a unit."""
        return _UNITS[self.unit]


def first_token(row: Row) -> FirstToken | None:
    """The time to the first token of a row; None if its further metric is another one, or none."""
    unit = row.other_unit.split(";")[0].strip()
    if unit not in _UNITS or not _METRICS.match(row.other_metric):
        return None
    # The number of the first of several metrics, or the median of several runs of one metric.
    numbers = [float(number) for number in re.findall(NUMBER, row.other_value.split(";")[0])]
    if not numbers:
        return FirstToken(unit, None)
    return FirstToken(unit, numbers[0] if "/" in row.other_metric else middle(numbers))

"""The further quantity that a row measures: its columns `other_metric`, `other_value` and `other_unit`."""

import re
from dataclasses import dataclass
from typing import Literal

from headway.analysis.fidelity.rows import Row
from headway.analysis.fidelity.texts import NUMBER, middle

Meaning = Literal["ttft", "prefill-time", "cache-rebuild", "completion", "prefill-rate"]

_MEANINGS: dict[str, Meaning] = {
    r"TTFT(?! by)": "ttft",
    r"prefill time": "prefill-time",
    r"prefill / generation / total": "prefill-time",
    r"time to rebuild the KV cache": "cache-rebuild",
    r"client completion": "completion",
    r"pp\d{1,9}": "prefill-rate",
    r"prefill": "prefill-rate",
    r"prompt": "prefill-rate",
}
_UNITS = {"s": 1.0, "ms": 1e-3, "tokens/s": 1.0}


@dataclass(frozen=True)
class OtherQuantity:
    """A further quantity of a row.

    Attributes:
        meaning: "ttft" is the time to the first token; "prefill-time" and "cache-rebuild" are times to process a
            prompt; "completion" is the time of a whole request; "prefill-rate" is in tokens/s.
        quantity: name of the quantity in the results; the prefill rate is none, since a row has one rate there.
        unit: "s", "ms" or "tokens/s".
        measured: in `unit`; the median of several runs; None if blank.
        prompt: tokens of the prompt where the metric names them, as "pp512" does; else None.
    """

    meaning: Meaning
    quantity: Literal["ttft"] | None
    unit: str
    measured: float | None
    prompt: int | None = None

    @property
    def unit_s(self) -> float:
        """Seconds in a unit of time."""
        return _UNITS[self.unit]


def other_quantity(row: Row) -> OtherQuantity | None:
    """The further quantity of a row; None if it has none, or one that no run of a model has."""
    unit = row.other_unit.split(";")[0].strip()
    meaning = next((named for form, named in _MEANINGS.items() if re.match(form, row.other_metric)), None)
    if meaning is None or (meaning == "prefill-rate") != (unit == "tokens/s") or unit not in _UNITS:
        return None
    tokens = re.fullmatch(r"pp(\d{1,9})", row.other_metric)
    return OtherQuantity(
        meaning=meaning,
        quantity="ttft" if meaning in ("ttft", "prefill-time", "cache-rebuild") else None,
        unit=unit,
        measured=_measured(row),
        prompt=int(tokens[1]) if tokens else None,
    )


def _measured(row: Row) -> float | None:
    """The number of the first of several metrics, or the median of several runs of one metric."""
    first = row.other_value.split(";")[0]
    numbers = [float(number) for number in re.findall(NUMBER, first)]
    if not numbers:
        return None
    return numbers[0] if "/" in row.other_metric else middle(numbers)

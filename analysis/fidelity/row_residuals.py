"""Errors of predicted rows as a function of parameters, in logarithms, and their derivatives."""

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from headway.analysis.fidelity.known import QUANTITIES, Known, Parameter
from headway.analysis.fidelity.predict_row import measured_quantities, predicted_quantities, used_names
from headway.analysis.fidelity.results import Quantity
from headway.analysis.fidelity.rows import Row
from headway.simcore.arrays import FloatArray

STEP = 1e-4
"""Step of the differences in the Jacobian, in logarithms."""

LEAST_VALUE = 1e-6
"""Least predicted value of a quantity, in its unit, that counts; less is rounding."""


class RowResiduals:
    """Logarithms of predicted over measured quantities of rows.

    A row is predicted again only if one of its own parameters changes. Rows are sorted by their ids, so that results do
    not depend on their order in a file.

    Attributes:
        rows: those that can be predicted and have a measured time or rate.
        independent: which residuals count in a fit, shape (size,): see `independent_quantities`.
    """

    def __init__(self, rows: Sequence[Row], known: Known) -> None:
        self._known = known
        self.rows: list[Row] = []
        self._measured: list[Mapping[Quantity, float]] = []
        self._names: list[Collection[tuple[str, str]]] = []
        counts: list[bool] = []
        for row in sorted(rows, key=lambda row: row.id):
            measured = {key: value for key, value in measured_quantities(row).items() if value > 0.0}
            predicted = predicted_quantities(row, known) if measured else {}
            both = {key: measured[key] for key in measured if predicted.get(key, 0.0) > LEAST_VALUE}
            if both:
                self.rows.append(row)
                self._measured.append(both)
                self._names.append(used_names(row, known))
                kept = independent_quantities(both, predicted)
                counts += [key in kept for key in both]
        self.independent = np.array(counts, dtype=bool)
        self._first = np.cumsum([0, *map(len, self._measured)])

    def parameters(self) -> list[Parameter]:
        """All parameters of the devices and engines of the rows."""
        names = sorted({name for of_row in self._names for name in of_row})
        return [
            Parameter(kind, name, quantity)
            for kind, name in names
            for quantity, of in QUANTITIES.items()
            if of == kind
        ]

    def residuals(self, values: Mapping[Parameter, float]) -> FloatArray:
        """Logarithms of predicted over measured, shape (size,)."""
        known = self._known.changed(values)
        return np.concatenate([np.zeros(0), *(self._of_row(i, known) for i in range(len(self.rows)))])

    def jacobian(self, values: Mapping[Parameter, float]) -> FloatArray:
        """Derivatives of the residuals by the logarithms of parameters, shape (size, parameters)."""
        base = self._known.changed(values)
        here: dict[int, FloatArray] = {}
        matrix = np.zeros((len(self.independent), len(values)))
        for column, (parameter, value) in enumerate(values.items()):
            moved = base.changed({parameter: value * math.exp(STEP)})
            for i, names in enumerate(self._names):
                if (parameter.kind, parameter.name) not in names:
                    continue
                here.setdefault(i, self._of_row(i, base))
                part = slice(self._first[i], self._first[i + 1])
                matrix[part, column] = (self._of_row(i, moved) - here[i]) / STEP
        return matrix

    def by_quantity(self, residuals: FloatArray) -> dict[tuple[str, str], float]:
        """Relative errors by row and quantity."""
        of_rows = zip(self.rows, self._measured, strict=True)
        keys: list[tuple[str, str]] = [(row.id, key) for row, measured in of_rows for key in measured]
        return dict(zip(keys, np.expm1(residuals).tolist(), strict=True))

    def _of_row(self, i: int, known: Known) -> FloatArray:
        predicted = predicted_quantities(self.rows[i], known)
        return np.array([math.log(predicted[key] / value) for key, value in self._measured[i].items()])


def independent_quantities(
    measured: Collection[Quantity], predicted: Mapping[Quantity, float]
) -> set[Quantity]:
    """The measured quantities of a row without those that follow from others of them.

    A time and its rate are one measurement. A total is the sum of compute and transfer. On one device, compute is the
    total. A quantity that counts twice would make standard errors too small.
    """
    kept = set(measured)
    if "total" not in predicted:
        return kept - {"tokens_per_s"} if "ttft" in kept else kept
    if {"compute", "transfer"} <= kept:
        return kept - {"total", "tokens_per_s"}
    if kept & {"total", "tokens_per_s"} and predicted["transfer"] <= LEAST_VALUE:
        kept -= {"compute"}
    return kept - {"tokens_per_s"} if "total" in kept else kept

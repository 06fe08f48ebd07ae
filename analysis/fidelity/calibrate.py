"""Fit numbers of the library to rows of measurements, by least squares.

Residuals are logarithms of predicted over measured, and parameters are fitted in logarithms: so errors count relative,
and no rate becomes negative. A parameter that the rows cannot identify keeps its value and is named: its column of the
Jacobian is zero, or other parameters change the predictions in the same way.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from headway.analysis.fidelity.known import DEVICE_QUANTITIES, PROFILE_QUANTITIES, Known, Parameter
from headway.analysis.fidelity.predict_row import measured_quantities, predicted_quantities, used_names
from headway.analysis.fidelity.rows import Row
from headway.simcore.arrays import FloatArray

STEP = 1e-4
"""Step of the differences in the Jacobian, in logarithms."""

LEAST_EFFECT = 1e-3
"""Change of the predictions, as root of the sum of squares of logarithms per logarithm, below which a parameter, or a
combination of parameters, is not identified."""

TYPICAL_ERROR = 0.1
"""Assumed standard deviation of a residual, for the choice of the parameters."""

LARGEST_ERROR = 0.5
"""A parameter is fitted if residuals of `TYPICAL_ERROR` leave it a standard error of at most this, in logarithms."""

ORDER = (
    "memory_bandwidth",
    "sync_s",
    "layer_bytes",
    "kv_bandwidth",
    "compute",
    "overhead",
    "lm_head_reads",
    "expert_reads",
    "expert_work",
    "kv_efficiency",
    "efficiency",
)
"""Quantities, the most important first: where rows cannot tell two apart, the first one is fitted."""

LEAST_VALUE = 1e-6
"""Least predicted value of a quantity, in its unit, that counts; less is rounding."""

_WIDEST = math.log(1e3)
"""A fit changes a parameter by at most this factor."""


@dataclass(frozen=True)
class Fitted:
    """A fitted parameter.

    Attributes:
        parameter: which one.
        before: value in the library.
        value: fitted value, in SI units.
        error: standard error, relative to the value; infinite if there are no more residuals than parameters.
    """

    parameter: Parameter
    before: float
    value: float
    error: float


@dataclass(frozen=True)
class Calibration:
    """The result of a fit.

    Attributes:
        known: the library with the fitted values.
        fitted: all fitted parameters.
        unidentified: other parameters, with the reason.
        residuals: relative error of each prediction after the fit, by row and quantity.
        before: the same before the fit.
    """

    known: Known
    fitted: tuple[Fitted, ...]
    unidentified: Mapping[Parameter, str]
    residuals: Mapping[tuple[str, str], float]
    before: Mapping[tuple[str, str], float]


def calibrate(
    rows: Sequence[Row], known: Known, wanted: Callable[[Parameter], bool] = lambda _: True
) -> Calibration:
    """Fit all identifiable parameters of the devices and engines of some rows.

    Args:
        rows: measurements; those that cannot be predicted, or have no measured time or rate, are ignored.
        known: start of the fit.
        wanted: whether a parameter may change.
    """
    model = _Model(rows, known)
    candidates = [one for one in model.candidates() if wanted(one) and known.value(one) > 0.0]
    start = np.log([known.value(one) for one in candidates])
    unidentified: dict[Parameter, str] = {}
    kept = list(range(len(candidates)))
    if candidates and model.size:
        jacobian = model.jacobian(candidates, start)
        kept, unidentified = _identifiable(candidates, jacobian)
    used = [candidates[i] for i in kept]
    before = model.residuals({})
    if not used:
        errors = model.by_quantity(before)
        return Calibration(known, (), unidentified, errors, errors)
    at = start[kept]
    fit = least_squares(
        lambda x: model.residuals(dict(zip(used, np.exp(x), strict=True))),
        at,
        jac=lambda x: model.jacobian(used, x),
        bounds=(at - _WIDEST, at + _WIDEST),
        x_scale=1.0,
        loss="soft_l1",
        f_scale=0.2,
        xtol=1e-4,
        ftol=1e-5,
        max_nfev=25,
    )
    values = dict(zip(used, np.exp(fit.x).tolist(), strict=True))
    errors = _standard_errors(fit.jac, fit.fun)
    fitted = tuple(
        Fitted(one, known.value(one), values[one], error) for one, error in zip(used, errors, strict=True)
    )
    return Calibration(
        known.changed(values),
        fitted,
        unidentified,
        model.by_quantity(fit.fun),
        model.by_quantity(before),
    )


class _Model:
    """Predictions of rows as a function of parameters; a row is predicted again only if one of its own changes."""

    def __init__(self, rows: Sequence[Row], known: Known) -> None:
        self._known = known
        self._rows: list[Row] = []
        self._measured: list[Mapping[str, float]] = []
        self._names: list[frozenset[tuple[str, str]]] = []
        for row in rows:
            measured = {key: value for key, value in measured_quantities(row).items() if value > 0.0}
            names = used_names(row, known)
            predicted = predicted_quantities(row, known) if names and measured else {}
            both = {key: measured[key] for key in measured if predicted.get(key, 0.0) > LEAST_VALUE}
            if both:
                self._rows.append(row)
                self._measured.append(both)
                self._names.append(frozenset(names))
        self._first = np.cumsum([0, *map(len, self._measured)])
        self.size = int(self._first[-1])

    def candidates(self) -> list[Parameter]:
        """All parameters of the devices and engines of the rows."""
        names = sorted({name for of_row in self._names for name in of_row})
        quantities = {"devices": DEVICE_QUANTITIES, "profiles": PROFILE_QUANTITIES}
        return [Parameter(kind, name, quantity) for kind, name in names for quantity in quantities[kind]]

    def residuals(self, values: Mapping[Parameter, float]) -> FloatArray:
        """Logarithms of predicted over measured, shape (size,)."""
        known = self._known.changed(values)
        every = [self._of_row(i, known) for i in range(len(self._rows))]
        return np.concatenate(every) if every else np.zeros(0)

    def jacobian(self, parameters: Sequence[Parameter], at: FloatArray) -> FloatArray:
        """Derivatives of the residuals by the logarithms of parameters, shape (size, parameters)."""
        values = dict(zip(parameters, np.exp(at).tolist(), strict=True))
        base = self._known.changed(values)
        matrix = np.zeros((self.size, len(parameters)))
        here: dict[int, FloatArray] = {}
        for column, parameter in enumerate(parameters):
            moved = base.changed({parameter: values[parameter] * math.exp(STEP)})
            for i, names in enumerate(self._names):
                if (parameter.kind, parameter.name) not in names:
                    continue
                here.setdefault(i, self._of_row(i, base))
                matrix[self._first[i] : self._first[i + 1], column] = (
                    self._of_row(i, moved) - here[i]
                ) / STEP
        return matrix

    def by_quantity(self, residuals: FloatArray) -> dict[tuple[str, str], float]:
        """Relative errors by row and quantity."""
        keys: Iterable[tuple[str, str]] = (
            (row.id, key)
            for row, measured in zip(self._rows, self._measured, strict=True)
            for key in measured
        )
        return dict(zip(keys, np.expm1(residuals).tolist(), strict=True))

    def _of_row(self, i: int, known: Known) -> FloatArray:
        predicted = predicted_quantities(self._rows[i], known)
        return np.array([math.log(predicted[key] / value) for key, value in self._measured[i].items()])


def _identifiable(
    candidates: Sequence[Parameter], jacobian: FloatArray
) -> tuple[list[int], dict[Parameter, str]]:
    """The parameters that the rows identify together, in order; and the others, with the reason.

    As long as the standard error of a parameter is too large, the last of these in `ORDER` is left out.
    """
    sizes = np.linalg.norm(jacobian, axis=0)
    kept = [i for i, size in enumerate(sizes) if size > LEAST_EFFECT]
    reasons = {
        candidates[i]: "it changes no prediction of these rows" for i in set(range(len(sizes))) - set(kept)
    }
    while kept:
        part = jacobian[:, kept]
        errors = TYPICAL_ERROR * np.sqrt(np.diag(_inverse(part)))
        vague = [k for k, error in enumerate(errors) if error > LARGEST_ERROR]
        if not vague:
            break
        worst = max(vague, key=lambda k: _rank(candidates[kept[k]]))
        out = kept.pop(worst)
        others = [(abs(_cosine(jacobian[:, out], jacobian[:, i])), i) for i in kept]
        alike = max(others, default=(0.0, -1))
        reasons[candidates[out]] = (
            f"these rows do not tell it from {candidates[alike[1]]}"
            if alike[0] > 0.9
            else "these rows hardly depend on it"
        )
    return kept, reasons


def _inverse(jacobian: FloatArray) -> FloatArray:
    """The inverse of J^T J; a little is added to the diagonal, so that it exists."""
    square = jacobian.T @ jacobian
    inverse: FloatArray = np.linalg.inv(square + 1e-9 * np.eye(len(square)))
    return inverse


def _rank(parameter: Parameter) -> tuple[int, str]:
    return ORDER.index(parameter.quantity), parameter.name


def _cosine(a: FloatArray, b: FloatArray) -> float:
    return float(a @ b) / (float(np.linalg.norm(a)) * float(np.linalg.norm(b)) or 1.0)


def _standard_errors(jacobian: FloatArray, residuals: FloatArray) -> list[float]:
    """Standard errors of parameters in logarithms: the square roots of the diagonal of s^2 (J^T J)^-1."""
    spare = len(residuals) - jacobian.shape[1]
    if spare <= 0:
        return [math.inf] * jacobian.shape[1]
    variance = float(residuals @ residuals) / spare
    errors: list[float] = np.sqrt(variance * np.diag(_inverse(jacobian))).tolist()
    return errors

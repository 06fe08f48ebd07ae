"""Fit numbers of the library to rows of measurements, by least squares.

Residuals are logarithms of predicted over measured, and parameters are fitted in logarithms: so errors count relative,
and no rate becomes negative. A parameter that the rows cannot identify keeps its value and is named: it changes no
prediction, or other parameters change the predictions in the same way.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from headway.analysis.fidelity.known import QUANTITIES, Known, Parameter
from headway.analysis.fidelity.row_residuals import RowResiduals
from headway.analysis.fidelity.rows import Row
from headway.simcore.arrays import FloatArray

SCALE = 0.2
"""Residual from which the loss `soft_l1` counts outliers linearly instead of by their squares."""

_WIDEST = math.log(1e3)
"""A fit changes a parameter by at most this factor."""

LEAST_EFFECT = 1e-3
"""Norm of a column of the Jacobian (both sides in logarithms) below which its parameter changes no prediction."""

TYPICAL_ERROR = 0.1
"""Assumed standard deviation of a residual, for the choice of the parameters."""

LARGEST_ERROR = 0.5
"""A parameter is fitted if residuals of `TYPICAL_ERROR` leave it a standard error of at most this, in logarithms."""

NO_EFFECT = "it changes no prediction"
LITTLE_EFFECT = "the rows hardly depend on it"

_MOST_NAMES = 3
_LEAST_SHARE = 0.2

_AT_LIMIT = "the fit changes it by more than a factor of 1,000"


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

    A parameter that the rows identify at its first value may not be identified at the fitted one, for example the rate
    of a memory that no longer limits any row. It then gets its first value again, and the others are fitted anew.

    Args:
        rows: measurements; those that cannot be predicted, or have no measured time or rate, are ignored.
        known: start of the fit.
        wanted: whether a parameter may change.
    """
    model = RowResiduals(rows, known)
    candidates = [one for one in model.parameters() if wanted(one) and known.value(one) > 0.0]
    order = list(QUANTITIES)
    candidates.sort(key=lambda one: (order.index(one.quantity), one.kind, one.name))
    start = {one: known.value(one) for one in candidates}
    values, unidentified = _identified(model, start)
    while values:
        values = _least_squares(model, values, start)
        kept, lost = _identified(model, values)
        lost |= {one: _AT_LIMIT for one in kept if abs(math.log(values[one] / start[one])) > 0.999 * _WIDEST}
        if not lost:
            break
        unidentified |= lost
        values = {one: value for one, value in values.items() if one not in lost}
    before, after = model.residuals({}), model.residuals(values)
    counted = model.independent
    errors = standard_errors(model.jacobian(values)[counted], after[counted], SCALE) if values else []
    pairs = zip(values.items(), errors, strict=True)
    fitted = [Fitted(one, start[one], value, error) for (one, value), error in pairs]
    return Calibration(
        known.changed(values),
        tuple(sorted(fitted, key=lambda one: one.parameter)),
        dict(sorted(unidentified.items())),
        model.by_quantity(after),
        model.by_quantity(before),
    )


def _identified(
    model: RowResiduals, values: Mapping[Parameter, float]
) -> tuple[dict[Parameter, float], dict[Parameter, str]]:
    """The values of the parameters that are identified at these values; and the others, with the reason."""
    names = list(values)
    taken, reasons = identified([str(one) for one in names], model.jacobian(values)[model.independent])
    return {names[i]: values[names[i]] for i in taken}, {names[i]: text for i, text in reasons.items()}


def _least_squares(
    model: RowResiduals, values: Mapping[Parameter, float], start: Mapping[Parameter, float]
) -> dict[Parameter, float]:
    """Values of the parameters with the least sum of the losses of all residuals."""

    def values_of(x: FloatArray) -> dict[Parameter, float]:
        return dict(zip(values, np.exp(x).tolist(), strict=True))

    def errors(x: FloatArray) -> FloatArray:
        return np.compress(model.independent, model.residuals(values_of(x)))

    def derivatives(x: FloatArray) -> FloatArray:
        return np.compress(model.independent, model.jacobian(values_of(x)), axis=0)

    middle = np.log([start[one] for one in values])
    fit = least_squares(
        errors,
        np.log(list(values.values())),
        jac=derivatives,
        bounds=(middle - _WIDEST, middle + _WIDEST),
        x_scale=1.0,
        loss="soft_l1",
        f_scale=SCALE,
        xtol=1e-4,
        ftol=1e-5,
        max_nfev=25,
    )
    return values_of(fit.x)


def identified(names: Sequence[str], jacobian: FloatArray) -> tuple[list[int], dict[int, str]]:
    """The columns that can be fitted together, and the reason for each other one.

    Columns are tried in their order. A column is taken if, with it, the standard errors of all columns taken so far
    remain small. So an earlier column has priority over a later one that changes the predictions in the same way.

    Args:
        names: of the columns, for the reasons.
        jacobian: derivatives of the residuals by logarithms of parameters, shape (residuals, columns).
    """
    taken: list[int] = []
    reasons: dict[int, str] = {}
    for column, size in enumerate(np.linalg.norm(jacobian, axis=0)):
        if size <= LEAST_EFFECT:
            reasons[column] = NO_EFFECT
        elif TYPICAL_ERROR / size > LARGEST_ERROR:
            reasons[column] = LITTLE_EFFECT
        elif max(_errors(jacobian[:, [*taken, column]])) > LARGEST_ERROR:
            alike = _alike(jacobian[:, taken], jacobian[:, column])
            reasons[column] = f"the rows do not tell it from {', '.join(names[taken[i]] for i in alike)}"
        else:
            taken.append(column)
    return taken, reasons


def standard_errors(jacobian: FloatArray, residuals: FloatArray, scale: float) -> list[float]:
    """Standard errors of parameters that a fit with the loss `soft_l1` gave; infinite without spare residuals.

    The formula for an M-estimator (P. J. Huber, Robust Statistics, 1981, section 7.6): the covariance is

        sum(psi^2) / (n - p) / mean(psi')^2 * (J^T J)^-1

    with psi(r) = r / sqrt(1 + (r / scale)^2), the derivative of the loss. For residuals far below `scale` it is the one
    of least squares, s^2 (J^T J)^-1.

    Args:
        jacobian: derivatives of the residuals at the solution, without weights of the loss, shape (n, p).
        residuals: at the solution, shape (n,).
        scale: `f_scale` of the fit.
    """
    count, parameters = jacobian.shape
    if count <= parameters:
        return [math.inf] * parameters
    square = 1.0 + (residuals / scale) ** 2
    psi, slope = residuals / np.sqrt(square), float(np.mean(square**-1.5))
    deviation = math.sqrt(float(psi @ psi) / (count - parameters)) / slope
    return [deviation / TYPICAL_ERROR * error for error in _errors(jacobian)]


def _errors(jacobian: FloatArray) -> list[float]:
    """Standard errors for residuals of `TYPICAL_ERROR`; very large for columns that depend on others."""
    # With columns of norm 1 the small number on the diagonal does not depend on their sizes.
    sizes = np.linalg.norm(jacobian, axis=0)
    unit = jacobian / sizes
    inverse = np.linalg.inv(unit.T @ unit + 1e-9 * np.eye(len(sizes)))
    errors: list[float] = (TYPICAL_ERROR * np.sqrt(np.abs(np.diag(inverse))) / sizes).tolist()
    return errors


def _alike(others: FloatArray, column: FloatArray) -> list[int]:
    """The columns that contribute most to the best approximation of a column by them."""
    weights = np.linalg.lstsq(others, column, rcond=1e-6)[0]
    shares = np.abs(weights) * np.linalg.norm(others, axis=0)
    order = np.argsort(-shares, kind="stable")[:_MOST_NAMES]
    return [int(i) for i in order if shares[i] >= _LEAST_SHARE * shares.max()]

"""Which parameters a set of rows identifies, and how precisely: linear algebra on the Jacobian of a fit."""

import math
from collections.abc import Sequence

import numpy as np

from headway.simcore.arrays import FloatArray

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

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

from headway.analysis.fidelity.identify import identified, standard_errors
from headway.analysis.fidelity.known import Known, Parameter
from headway.analysis.fidelity.row_residuals import RowResiduals
from headway.analysis.fidelity.rows import Row
from headway.simcore.arrays import FloatArray

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

SCALE = 0.2
"""Residual from which the loss `soft_l1` counts outliers linearly instead of by their squares."""

_WIDEST = math.log(1e3)
"""A fit changes a parameter by at most this factor."""

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
    candidates.sort(key=lambda one: (ORDER.index(one.quantity), one.kind, one.name))
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
    fitted = [
        Fitted(one, start[one], value, error)
        for (one, value), error in zip(values.items(), errors, strict=True)
    ]
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
        counted: FloatArray = model.residuals(values_of(x))[model.independent]
        return counted

    def derivatives(x: FloatArray) -> FloatArray:
        counted: FloatArray = model.jacobian(values_of(x))[model.independent]
        return counted

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

"""The analytic model of a kind of synthetic trace: distribution and correlation in closed form."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from headway.traces.trace import FloatArray


@dataclass(frozen=True)
class Model:
    """The stationary distribution of the values, and their correlation over time.

    Attributes:
        mean: expectation.
        deviation: standard deviation.
        correlation: of two values, as a function of the time between them [s].
        cdf: probability of a value up to x, for an array of x.
        atoms: values with a probability of their own, and these probabilities.
    """

    mean: float
    deviation: float
    correlation: Callable[[FloatArray], FloatArray]
    cdf: Callable[[FloatArray], FloatArray]
    atoms: Mapping[float, float] = field(default_factory=dict)

    def cdf_below(self, x: FloatArray) -> FloatArray:
        """Probability of a value below x."""
        return self.cdf(x) - sum((np.where(x == value, p, 0.0) for value, p in self.atoms.items()), 0.0)

"""A mixed-integer linear programme in the making, for the solver HiGHS."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from headway.simcore import FloatArray, IntArray


@dataclass
class Programme:
    """Columns and rows as they are added; variables are arrays of column numbers.

    Attributes:
        unit: seconds of one unit of cost.
        worst: what costs more, in units, cannot be part of the optimum.
    """

    unit: float
    worst: float
    cost: list[FloatArray] = field(default_factory=list)
    upper: list[FloatArray] = field(default_factory=list)
    whole: list[FloatArray] = field(default_factory=list)
    entries: list[tuple[IntArray, IntArray, FloatArray]] = field(default_factory=list)
    limits: list[tuple[float, float]] = field(default_factory=list)
    columns: int = 0

    def possible(self, seconds: FloatArray) -> FloatArray:
        """1 where times may be part of the optimum, else 0."""
        return (np.isfinite(seconds) & (seconds <= self.worst * self.unit)).astype(np.float64)

    def scaled(self, seconds: FloatArray, possible: FloatArray) -> FloatArray:
        """Times in units of cost, 0 where they are not possible."""
        return np.where(possible > 0.0, seconds, 0.0) / self.unit

    def variables(self, seconds: FloatArray, upper: float | FloatArray, *, whole: bool) -> IntArray:
        """New variables from 0 to `upper`, shaped as their costs `seconds`; 0 where these are too high."""
        possible = self.possible(seconds)
        self.cost.append(self.scaled(seconds, possible).ravel())
        self.upper.append(np.where(possible > 0.0, upper, 0.0).ravel())
        self.whole.append(np.full(seconds.size, float(whole)))
        first = self.columns
        self.columns += seconds.size
        return np.arange(first, self.columns).reshape(seconds.shape)

    def one_of(self, seconds: FloatArray) -> IntArray:
        """New binary variables of which exactly one is 1."""
        binaries = self.variables(seconds, 1.0, whole=True)
        self.row([(binaries, 1.0)], 1.0, 1.0)
        return binaries

    def product(self, seconds: FloatArray, left: IntArray, right: IntArray) -> None:
        """Charge `seconds[l, r]` if variable l of `left` and r of `right` are 1, of which each has exactly one."""
        both = self.variables(seconds, 1.0, whole=False)
        for one, line in [*zip(left, both, strict=True), *zip(right, both.T, strict=True)]:
            self.row([(line, 1.0), (np.array([one]), -1.0)], 0.0, 0.0)

    def row(self, terms: Sequence[tuple[IntArray, float | FloatArray]], low: float, high: float) -> None:
        """Demand low <= sum of variables times coefficients <= high."""
        for columns, coefficients in terms:
            values = np.broadcast_to(coefficients, columns.shape)
            self.entries.append((np.full(len(columns), len(self.limits)), columns, values))
        self.limits.append((low, high))

    def solve(self, time_limit_s: float, gap: float) -> tuple[int, FloatArray | None, float]:
        """HiGHS's status, the values of the variables if it has any, and its bound on the cost, in units."""
        from scipy.optimize import Bounds, LinearConstraint, milp  # noqa: PLC0415 (half a second of import that only the exact policies need)
        from scipy.sparse import coo_array  # noqa: PLC0415

        row, column, value = (np.concatenate(part) for part in zip(*self.entries, strict=True))
        matrix = coo_array((value, (row, column)), shape=(len(self.limits), self.columns)).tocsr()
        # Presolving, HiGHS 1.12 takes some feasible programmes for infeasible (its issue 3090 is of that kind), and
        # programmes like these are solved as fast without. Now and then it prints to standard output that it solves for
        # whole numbers once more, `HighsMipSolverData::transformNewIntegerFeasibleSolution tmpSolver.run();`: a trace
        # left in that release, which no option keeps back (its issue 2783).
        result = milp(
            np.concatenate(self.cost),
            integrality=np.concatenate(self.whole),
            bounds=Bounds(np.zeros(self.columns), np.concatenate(self.upper)),
            constraints=LinearConstraint(matrix, *np.array(self.limits).T),
            options={"time_limit": time_limit_s, "mip_rel_gap": gap, "presolve": False},
        )
        bound = result.mip_dual_bound
        return int(result.status), result.x, -np.inf if bound is None else float(bound)

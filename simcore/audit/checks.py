"""Checks of laws. A check that fails ends the run with an error."""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

Law: TypeAlias = Literal["clock", "order", "place", "memory", "work", "bytes", "fairness"]
"""Kinds of laws: times and parts of a latency; order; places of blocks; memory; computations; messages; sharing."""

_CLOSE = 1e-9
"""Relative tolerance of numbers: sums of many terms depend on their order."""

_ULPS = 64
"""Tolerance of times, in steps of float64."""


class AuditError(Exception):
    """A run broke a law of the simulation, which is a defect of the simulator.

    Attributes:
        time_s: simulated time of the check.
        law: kind of law.
        what: subject of the check.
        expected: value that the law requires.
        actual: value in the run.
    """

    def __init__(self, time_s: float, law: Law, what: str, expected: object, actual: object) -> None:
        self.time_s = time_s
        self.law: Law = law
        self.what = what
        self.expected = expected
        self.actual = actual
        super().__init__(time_s, law, what, expected, actual)

    def __str__(self) -> str:
        text = f"{self.what}: expected {self.expected}, got {self.actual}"
        return f"a law of {self.law} is broken at {self.time_s:.9g} s: {' '.join(text.split())}"


@dataclass
class Checks:
    """Makes and counts checks.

    Attributes:
        now_s: simulated time.
        count: number of checks.
    """

    now_s: float = 0.0
    count: int = 0

    def that(self, holds: object, law: Law, what: str, expected: object, actual: object) -> None:
        """A condition must hold.

        Raises:
            AuditError: it does not hold.
        """
        self.count += 1
        if not holds:
            raise AuditError(self.now_s, law, what, expected, actual)

    def equal(self, law: Law, what: str, expected: float, actual: float, slack: float = 0.0) -> None:
        """Two numbers must be equal up to a billionth of them plus `slack`.

        Raises:
            AuditError: they differ more.
        """
        self.count += 1
        if not abs(actual - expected) <= _CLOSE * max(abs(expected), abs(actual)) + slack:
            raise AuditError(self.now_s, law, what, repr(float(expected)), repr(float(actual)))

    def at_most(self, law: Law, what: str, most: float, actual: float, slack: float = 0.0) -> None:
        """A number must not exceed another, with the tolerance of `equal`.

        Raises:
            AuditError: it does so.
        """
        self.count += 1
        if not actual <= most + _CLOSE * abs(most) + slack:
            raise AuditError(self.now_s, law, what, f"at most {float(most)!r}", repr(float(actual)))


def tolerance_s(time_s: float) -> float:
    """Tolerance for equal moments [s]: each is a rounded sum of earlier times."""
    return _ULPS * math.ulp(time_s)

"""Checks: each is counted, or ends the run with an error."""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

Law: TypeAlias = Literal["clock", "order", "place", "memory", "work", "bytes", "fairness"]
"""Kinds of laws: times and parts of a latency; order; places of blocks; memory; computations; messages; sharing."""

_CLOSE = 1e-9
_ULPS = 64


class AuditError(Exception):
    """A run broke a law of the simulation: a defect of the simulator, whatever the scenario.

    Attributes:
        time_s: simulated time of the check.
        law: kind of law.
        what: subject of the check.
        expected: value that the law requires.
        found: value in the run.
    """

    def __init__(self, time_s: float, law: Law, what: str, expected: object, found: object) -> None:
        self.time_s = time_s
        self.law: Law = law
        self.what = what
        self.expected = expected
        self.found = found
        super().__init__(time_s, law, what, expected, found)

    def __str__(self) -> str:
        told = f"{self.what}: expected {self.expected}, found {self.found}"
        return f"a law of {self.law} is broken at {self.time_s:.9g} s: {' '.join(told.split())}"


@dataclass
class Checks:
    """Makes and counts checks.

    Attributes:
        now_s: simulated time.
        made: how many checks were made.
    """

    now_s: float = 0.0
    made: int = 0

    def that(self, holds: object, law: Law, what: str, expected: object, found: object) -> None:
        """A condition must hold.

        Raises:
            AuditError: it does not hold.
        """
        self.made += 1
        if not holds:
            raise AuditError(self.now_s, law, what, expected, found)

    def equal(self, law: Law, what: str, expected: float, found: float, slack: float = 0.0) -> None:
        """Two numbers must be equal up to a billionth of them, and `slack`.

        Raises:
            AuditError: they are not.
        """
        self.made += 1
        if not abs(found - expected) <= _CLOSE * max(abs(expected), abs(found)) + slack:
            raise AuditError(self.now_s, law, what, repr(float(expected)), repr(float(found)))

    def at_most(self, law: Law, what: str, most: float, found: float, slack: float = 0.0) -> None:
        """A number must not exceed another, with the tolerance of `equal`.

        Raises:
            AuditError: it does.
        """
        self.made += 1
        if not found <= most + _CLOSE * abs(most) + slack:
            raise AuditError(self.now_s, law, what, f"at most {float(most)!r}", repr(float(found)))


def grain(time_s: float) -> float:
    """Tolerance for equal moments [s]: each is a rounded sum of earlier times."""
    return _ULPS * math.ulp(time_s)

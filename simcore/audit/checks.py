"""What becomes of a check: it is counted, or it ends the run."""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

Law: TypeAlias = Literal["clock", "order", "place", "memory", "work", "bytes", "fairness"]
"""Which kind of law: times and the parts of a token; what begins when; where blocks are; who holds which bytes; what is
computed; what is sent; how it is shared."""

_CLOSE = 1e-9
_ULPS = 64


class AuditError(Exception):
    """A law that holds in every run does not hold in this one: a defect of the simulator, whatever the scenario.

    Attributes:
        time_s: simulated time at which that was found.
        law: which kind of law.
        what: it is about.
        expected: by the law.
        found: instead.
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
    """Counts checks, and knows the time.

    Attributes:
        now_s: simulated time.
        made: how many checks were made.
    """

    now_s: float = 0.0
    made: int = 0

    def that(self, holds: object, law: Law, what: str, expected: object, found: object) -> None:
        """Something must be so.

        Raises:
            AuditError: it is not.
        """
        self.made += 1
        if not holds:
            raise AuditError(self.now_s, law, what, expected, found)

    def equal(self, law: Law, what: str, expected: float, found: float, slack: float = 0.0) -> None:
        """Two numbers must be equal but for rounding: a billionth of them, and `slack`.

        Raises:
            AuditError: they are not.
        """
        self.made += 1
        if not abs(found - expected) <= _CLOSE * max(abs(expected), abs(found)) + slack:
            raise AuditError(self.now_s, law, what, repr(float(expected)), repr(float(found)))

    def at_most(self, law: Law, what: str, most: float, found: float, slack: float = 0.0) -> None:
        """A number must not exceed another but for rounding, as in `equal`.

        Raises:
            AuditError: it does.
        """
        self.made += 1
        if not found <= most + _CLOSE * abs(most) + slack:
            raise AuditError(self.now_s, law, what, f"at most {float(most)!r}", repr(float(found)))


def grain(time_s: float) -> float:
    """By how much moments may differ that are meant to be one [s]: each is a sum of times before it, rounded."""
    return _ULPS * math.ulp(time_s)

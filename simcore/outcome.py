"""How a run can end before its last token.

These are findings about the simulated world, not mistakes of the user: the run stops, keeps its rows, and says why.
"""

from typing import Literal, TypeAlias

from traces.errors import InputError

Status: TypeAlias = Literal["complete", "out-of-memory", "infeasible", "stalled"]


class RunEndedError(Exception):
    """The simulated system can go no further.

    Attributes:
        status: what happened, as it appears in the results.
        detail: where and when, in one sentence.
    """

    def __init__(self, status: Status, detail: str) -> None:
        self.status: Status = status
        self.detail = detail
        super().__init__(status, detail)

    def __str__(self) -> str:
        return f"{self.status}: {self.detail}"


class DoesNotFitError(InputError):
    """A model that no placement could ever hold: a mistake in one scenario, and a finding where many are tried."""

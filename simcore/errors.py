"""Exceptions that end a run before its last token.

A `RunEndedError` is a finding about the simulated world, not a mistake of the user: the run stops, and its rows and the
reason are kept. A `PolicyError` is a mistake in a policy: there is no result.
"""

from typing import Literal, TypeAlias

from headway.traces.errors import InputError, quoted

Status: TypeAlias = Literal["complete", "out-of-memory", "infeasible", "stalled"]


class RunEndedError(Exception):
    """The simulated system cannot continue.

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
    """No placement can hold the model: a mistake in a single scenario, a finding in a campaign."""


class PolicyError(InputError):
    """A policy raised an exception (the cause of this one) or exceeded its time limit.

    Attributes:
        policy: its name.
        request: number of the request that was served.
        token: tokens generated for it so far.
        time_s: simulated time at which it was asked.
    """

    def __init__(self, policy: str, request: int, token: int, time_s: float, got: str, expected: str) -> None:
        self.policy = policy
        self.request = request
        self.token = token
        self.time_s = time_s
        where = f"policy {quoted(policy)}, asked at token {token} of request {request} at {time_s:.6g} s"
        super().__init__(where, got, expected)

    def __reduce__(self) -> tuple[type["PolicyError"], tuple[str, int, int, float, str, str]]:  # type: ignore[override]
        """Let the exception be pickled, so that worker processes can return it."""
        return type(self), (self.policy, self.request, self.token, self.time_s, self.got, self.expected)

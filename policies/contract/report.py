"""The result of a check."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from headway.policies.contract.growth import Timing, growth_text
from headway.policies.contract.question import Question
from headway.simcore import dump_scenario

Level: TypeAlias = Literal["quick", "thorough"]
Outcome: TypeAlias = Literal["kept", "broken", "declared", "unfounded", "not reached"]

FAILURES: Mapping[Level, tuple[Outcome, ...]] = {"quick": ("broken",), "thorough": ("broken", "unfounded")}
"""Outcomes with which a policy fails a check."""

_MODULE = '''"""Counterexample for the law {}: {}."""

from headway.policies import policy_factory
from headway.policies.contract import StartingFrom


def asked() -> StartingFrom:
    return StartingFrom(policy_factory({!r})(), {}, {})
'''


@dataclass(frozen=True, eq=False)
class Finding:
    """The result for one law.

    Attributes:
        law: its name.
        guards: the property that it tests.
        outcome: `kept`; `broken`; `declared`: broken, as the policy declares; `unfounded`: declared, but without a
            counterexample; `not reached`: the law did not apply to any example.
        examples: number of questions.
        applicable: number of questions to which the law applied.
        reason: the reason that the policy declares for breaking it, otherwise empty.
        complaint: the violation in the smallest counterexample; empty if there is none.
        question: this counterexample.
    """

    law: str
    guards: str
    outcome: Outcome
    examples: int
    applicable: int
    reason: str = ""
    complaint: str = ""
    question: Question | None = None

    @property
    def scenario(self) -> str | None:
        """The scenario of the counterexample as the text of a scenario file; None if there is none."""
        return None if self.question is None else dump_scenario(self.question.scenario)

    def module(self, policy: str) -> str | None:
        """The text of a module whose function `asked` makes the policy with the placement of the counterexample.

        None if the counterexample has no current placement: then the policy itself makes the first decision.

        Args:
            policy: a registered name, or `module:Class`.
        """
        if self.question is None or self.question.in_force is None:
            return None
        asked = self.question.in_force.tolist(), list(self.question.copies)
        return _MODULE.format(self.law, self.question, policy, *asked)

    def __str__(self) -> str:
        lines = [f"{self.law}: {self.outcome}", f"  {self.guards}"]
        lines += [f"  declared: {self.reason}"] if self.reason else []
        lines += [f"  {self.complaint}"] if self.complaint else []
        lines += [f"  {self.question}"] if self.question is not None else []
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class Report:
    """The results for all laws.

    Attributes:
        policy: its name.
        level: number of questions, as in `check_policy`.
        findings: one per law.
        timings: decision times in increasingly large worlds.
    """

    policy: str
    level: Level
    findings: tuple[Finding, ...]
    timings: tuple[Timing, ...]

    @property
    def broken(self) -> tuple[Finding, ...]:
        """Laws broken without a declaration; at `thorough` also declarations without a counterexample."""
        return tuple(finding for finding in self.findings if finding.outcome in FAILURES[self.level])

    @property
    def ok(self) -> bool:
        """Whether the policy passes the check."""
        return not self.broken

    @property
    def growth(self) -> str:
        """The decision time and its growth in one sentence."""
        return growth_text(self.timings)

    def __str__(self) -> str:
        parts = [str(finding) for finding in self.findings if finding.outcome != "kept"]
        kept = sum(finding.outcome == "kept" for finding in self.findings)
        return "\n".join([f"{self.policy}: {kept} of {len(self.findings)} laws kept", *parts])

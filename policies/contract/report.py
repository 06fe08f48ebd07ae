"""What an examination found."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from headway.policies.contract.growth import Timing, told
from headway.policies.contract.question import Question
from headway.simcore import dump_scenario

Level: TypeAlias = Literal["quick", "thorough"]
Outcome: TypeAlias = Literal["kept", "broken", "declared", "unfounded", "not reached"]


_MODULE = '''"""An example of the law {}: {}."""

from headway.policies import found
from headway.policies.contract import AskedWith


def asked() -> AskedWith:
    return AskedWith(found({!r})(), {})
'''


@dataclass(frozen=True, eq=False)
class Finding:
    """What became of one law.

    Attributes:
        law: its name.
        guards: what it guards.
        outcome: `kept`; `broken`; `declared`, when it is broken and the policy says so; `unfounded`, when the policy
            says so and no example shows it; `not reached`, when no example had anything to judge.
        examples: questions asked.
        judged: those of them in which there was something to judge.
        reason: why the policy does not keep it, if it declares that.
        complaint: what is wrong, in the smallest example that was found; empty where nothing is.
        question: that example.
    """

    law: str
    guards: str
    outcome: Outcome
    examples: int
    judged: int
    reason: str = ""
    complaint: str = ""
    question: Question | None = None

    @property
    def scenario(self) -> str | None:
        """The world of the example as the text of a scenario file; None where there is none."""
        return None if self.question is None else dump_scenario(self.question.scenario)

    def module(self, policy: str) -> str | None:
        """The text of a module whose function `asked` makes the policy, to be asked as in the example.

        None where the example has no placement in force: then the policy itself is asked at first.

        Args:
            policy: a registered name, or `module:Class`.
        """
        if self.question is None or self.question.in_force is None:
            return None
        return _MODULE.format(self.law, self.question, policy, self.question.in_force.tolist())

    def __str__(self) -> str:
        lines = [f"{self.law}: {self.outcome}", f"  {self.guards}"]
        lines += [f"  declared: {self.reason}"] if self.reason else []
        lines += [f"  {self.complaint}"] if self.complaint else []
        lines += [f"  {self.question}"] if self.question is not None else []
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class Report:
    """What became of all laws.

    Attributes:
        policy: its name.
        level: how thoroughly it was examined.
        findings: one for each law.
        timings: decisions in ever larger worlds.
    """

    policy: str
    level: Level
    findings: tuple[Finding, ...]
    timings: tuple[Timing, ...]

    @property
    def broken(self) -> tuple[Finding, ...]:
        """What is wrong: laws broken without saying so; at `thorough` also declarations that no example bears out."""
        wrong = {"broken", "unfounded"} if self.level == "thorough" else {"broken"}
        return tuple(finding for finding in self.findings if finding.outcome in wrong)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.broken

    @property
    def examples(self) -> int:
        """Questions asked in all, counted once for every law about which they were asked."""
        return sum(finding.examples for finding in self.findings)

    @property
    def growth(self) -> str:
        """How long decisions take, and how that grows, in a sentence."""
        return told(self.timings)

    def __str__(self) -> str:
        parts = [str(finding) for finding in self.findings if finding.outcome != "kept"]
        kept = sum(finding.outcome == "kept" for finding in self.findings)
        return "\n".join([f"{self.policy}: {kept} of {len(self.findings)} laws kept", *parts])

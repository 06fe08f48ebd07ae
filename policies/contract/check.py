"""Check a policy under every law, and find a small counterexample for each broken law."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeAlias

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException

from headway.policies.contract import strategies
from headway.policies.contract.edges import edges, repeated_decisions
from headway.policies.contract.growth import Timing, measure
from headway.policies.contract.laws import LAWS, BrokenError, Family, Law
from headway.policies.contract.question import Question
from headway.policies.contract.report import Finding, Level, Outcome, Report
from headway.policies.contract.subject import Factory, Subject
from headway.policies.registry import declared_laws
from headway.traces import InputError
from headway.traces.errors import one_of, quoted

TIME = "time"
"""Name of the law on the decision time."""

_TIME_GUARDS = (
    "Decides within 10 s, in a time that grows at most with the fourth power of blocks times devices."
)

_Example: TypeAlias = tuple[Question, str]
"""A counterexample: the question and the violation."""

_DRAWN_FAMILIES: Mapping[Family, Callable[..., st.SearchStrategy[Question]]] = {
    "mixed": lambda **size: st.builds(dict, tight=st.booleans(), faulty=st.booleans()).flatmap(
        lambda kind: strategies.questions(**kind, **size)
    ),
    "again": lambda **size: strategies.questions(again=True, **size),
    "one large": strategies.one_large,
    "untied": strategies.untied,
    "runs": strategies.runs,
}
"""Families that Hypothesis draws, with the arguments `most` and `model`."""

_FIXED_FAMILIES: Mapping[Family, Callable[[], tuple[Question, ...]]] = {
    "edges": edges,
    "repeated decisions": repeated_decisions,
}
"""Families of fixed questions."""


@dataclass(frozen=True)
class _Scale:
    """Effort: questions per family, attempts to shrink a counterexample, and sizes for the decision time."""

    questions: int
    shrinks: int
    sizes: int


_SIZES: Sequence[Mapping[str, Any]] = (
    {"most": 2, "model": strategies.models(most_layers=1, most_heads=1)},
    {"most": 3, "model": strategies.models(most_layers=2, most_heads=2)},
    {},
)
"""Sizes of the worlds in which counterexamples are searched, in this order."""

_SCALES: Mapping[Level, _Scale] = {"quick": _Scale(24, 60, 4), "thorough": _Scale(400, 1000, 5)}


def check_policy(factory: Factory, level: Level = "quick") -> Report:
    """Check a policy under every law.

    The questions are the same at every call, as long as the source code and the version of Hypothesis do not change.

    Args:
        factory: makes a new policy, such as its class.
        level: number of questions per law: dozens (`quick`) or hundreds (`thorough`).

    Raises:
        InputError: there is no such level, or the policy declares a law that does not exist.
    """
    subject, reasons, scale = Subject(factory), declarations(factory), _scale(level)
    findings = [_check(name, subject, reasons, scale) for name in LAWS]
    last, timings = _check_time(subject, reasons, scale)
    return Report(factory().name, level, (*findings, last), tuple(timings))


def check_law(factory: Factory, law: str, level: Level = "quick") -> Finding:
    """Check a policy under one law; arguments and errors as in `check_policy`."""
    subject, reasons, scale = Subject(factory), declarations(factory), _scale(level)
    return _check_time(subject, reasons, scale)[0] if law == TIME else _check(law, subject, reasons, scale)


def _scale(level: Level) -> _Scale:
    if level not in _SCALES:
        raise InputError("level", quoted(level), one_of(str(level), list(_SCALES)))
    return _SCALES[level]


def declarations(factory: Factory) -> Mapping[str, str]:
    """The laws that a policy declares as broken, each with the reason.

    Raises:
        InputError: a law does not exist, or a reason is missing.
    """
    policy = factory()
    declares = declared_laws(policy)
    for name in declares:
        if name not in LAWS and name != TIME:
            raise InputError(f"{policy.name}.declares", quoted(name), one_of(str(name), [*LAWS, TIME]))
    return declares


def _check(name: str, subject: Subject, reasons: Mapping[str, str], scale: _Scale) -> Finding:
    law, reason = LAWS[name], reasons.get(name, "")
    if law.deterministic and not _is_deterministic(subject, scale):
        return Finding(name, law.guards, "not reached", 0, 0, reason)
    examples = applicable = 0
    broken: list[_Example] = []
    family_to_shrink: Family | None = None
    for family in law.families:
        for question in _questions(family, scale.questions):
            examples += 1
            try:
                applicable += law.check(subject, question)
            except BrokenError as error:
                applicable += 1
                broken.append((question, str(error)))
                if family_to_shrink is None and family in _DRAWN_FAMILIES:
                    family_to_shrink = family
    outcome = _outcome(bool(broken), reason, applicable)
    finding = Finding(name, law.guards, outcome, examples, applicable, reason)
    if family_to_shrink is not None and not reason and subject.overdue is None:
        broken = [*_shrink(law, subject, family_to_shrink, scale), *broken]
    if not broken:
        return finding
    question, complaint = min(broken, key=lambda example: example[0].size)
    return replace(finding, question=question, complaint=complaint)


def _check_time(subject: Subject, reasons: Mapping[str, str], scale: _Scale) -> tuple[Finding, list[Timing]]:
    timings, complaint = measure(subject, sizes=scale.sizes)
    count, reason = len(timings), reasons.get(TIME, "")
    outcome = _outcome(bool(complaint), reason, count)
    return Finding(TIME, _TIME_GUARDS, outcome, count, count, reason, complaint), timings


def _is_deterministic(subject: Subject, scale: _Scale) -> bool:
    """Whether the policy keeps the law `deterministic`; otherwise laws that compare its decisions do not apply."""
    law = LAWS["deterministic"]
    with suppress(BrokenError):
        for family in law.families:
            for question in _questions(family, scale.questions):
                law.check(subject, question)
        return True
    return False


def _outcome(broken: bool, reason: str, applicable: int) -> Outcome:
    if reason:
        return "declared" if broken else "unfounded"
    return "broken" if broken else "kept" if applicable else "not reached"


@cache
def _questions(family: Family, count: int) -> tuple[Question, ...]:
    """The questions of a family; they do not depend on the policy, so they are drawn once per process."""
    if family in _FIXED_FAMILIES:
        return _FIXED_FAMILIES[family]()
    questions: list[Question] = []
    _draw(_DRAWN_FAMILIES[family](), count, questions.append)
    return tuple(questions)


def _draw(strategy: st.SearchStrategy[Question], count: int, use: Callable[[Question], None]) -> None:
    """Call `use` with drawn questions; if it raises, with smaller and smaller questions that make it raise."""

    @seed(2505)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        # Not Phase.explain: it takes most of the time.
        phases=[Phase.generate, Phase.shrink],
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def each(question: Question) -> None:
        use(question)

    each()


class _EnoughError(BaseException):
    """The limit of attempts to shrink; not an `Exception`, so that Hypothesis does not catch it."""


def _shrink(law: Law, subject: Subject, family: Family, scale: _Scale) -> list[_Example]:
    """Counterexamples from the smallest worlds of a family that have one, the simplest first.

    The search starts with small worlds, because Hypothesis needs many attempts to shrink large ones.
    """
    broken: list[_Example] = []
    attempts = 0

    def use(question: Question) -> None:
        nonlocal attempts
        attempts += bool(broken)
        if attempts > scale.shrinks:
            raise _EnoughError
        try:
            law.check(subject, question)
        except BrokenError as error:
            broken.append((question, str(error)))
            raise

    for size in _SIZES:
        # Hypothesis raises its own errors for policies that are not deterministic.
        with suppress(BrokenError, _EnoughError, HypothesisException):
            _draw(_DRAWN_FAMILIES[family](**size), scale.questions, use)
        if broken:
            break
    return broken[::-1]

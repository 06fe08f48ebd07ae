"""Examine a policy: every law, and for each that is broken the smallest example that was found."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeAlias

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException

from headway.policies.contract import strategies
from headway.policies.contract.edges import edges, second_thoughts
from headway.policies.contract.growth import Timing, measured
from headway.policies.contract.laws import LAWS, BrokenError, Family, Law
from headway.policies.contract.question import Question
from headway.policies.contract.report import Finding, Level, Outcome, Report
from headway.policies.contract.subject import Factory, Subject
from headway.policies.registry import declared
from headway.traces import InputError
from headway.traces.errors import one_of, shown

TIME = "time"
"""The law about how long decisions take."""

_TIME_GUARDS = (
    "Decides in bounded time: no decision takes too long, nor does time grow too fast with the problem."
)

_Example: TypeAlias = tuple[Question, str]
"""A question about which a law is broken, and how."""

_DRAWN: Mapping[Family, Callable[..., st.SearchStrategy[Question]]] = {
    "asked": lambda **size: st.builds(dict, tight=st.booleans(), faulty=st.booleans()).flatmap(
        lambda kind: strategies.questions(**kind, **size)
    ),
    "again": lambda **size: strategies.questions(again=True, **size),
    "one large": strategies.one_large,
    "untied": strategies.untied,
    "runs": strategies.runs,
}
"""Families that are drawn, of the arguments `most` and `model`."""

_MADE: Mapping[Family, Callable[[], tuple[Question, ...]]] = {
    "edges": edges,
    "second thoughts": second_thoughts,
}
"""Families that are not drawn."""


@dataclass(frozen=True)
class _Scale:
    """How much is tried: questions of each family, tries to make an example smaller, rungs of the timing ladder."""

    questions: int
    shrinks: int
    rungs: int


_SIZES: Sequence[Mapping[str, Any]] = (
    {"most": 2, "model": strategies.models(most_layers=1, most_heads=1)},
    {"most": 3, "model": strategies.models(most_layers=2, most_heads=2)},
    {},
)
"""Sizes of the worlds in which examples are looked for where a law is broken, one after another."""

_SCALES: Mapping[Level, _Scale] = {"quick": _Scale(24, 60, 4), "thorough": _Scale(400, 1000, 5)}


def check_policy(factory: Factory, level: Level = "quick") -> Report:
    """Examine a policy under every law.

    The questions are the same every time, so what is found once is found again, as long as neither the source code nor
    the release of Hypothesis is another.

    Args:
        factory: makes a fresh policy, such as its class.
        level: how many questions are asked: dozens or hundreds for each law.

    Raises:
        InputError: there is no such level, or the policy declares a law that does not exist.
    """
    subject, declared, scale = Subject(factory), declarations(factory), _scale(level)
    found = [_examine(name, subject, declared, scale) for name in LAWS]
    last, timings = _timed(subject, declared, scale)
    return Report(factory().name, level, (*found, last), tuple(timings))


def check_law(factory: Factory, law: str, level: Level = "quick") -> Finding:
    """Examine a policy under one law; arguments and errors as of `check_policy`."""
    subject, declared, scale = Subject(factory), declarations(factory), _scale(level)
    return _timed(subject, declared, scale)[0] if law == TIME else _examine(law, subject, declared, scale)


def _scale(level: Level) -> _Scale:
    if level not in _SCALES:
        raise InputError("level", shown(level), one_of(str(level), list(_SCALES)))
    return _SCALES[level]


def declarations(factory: Factory) -> Mapping[str, str]:
    """The laws that a policy says it does not keep, each with the reason.

    Raises:
        InputError: one of them does not exist, or there is no reason.
    """
    policy = factory()
    declares = declared(policy)
    for name in declares:
        if name not in LAWS and name != TIME:
            raise InputError(f"{policy.name}.declares", shown(name), one_of(str(name), [*LAWS, TIME]))
    return declares


def _examine(name: str, subject: Subject, declared: Mapping[str, str], scale: _Scale) -> Finding:
    law, reason = LAWS[name], declared.get(name, "")
    if law.settled and _wavers(subject, scale):
        return Finding(name, law.guards, "not reached", 0, 0, reason)
    examples = judged = 0
    broken: list[_Example] = []
    drawn: Family | None = None
    for family in law.families:
        for question in _questions(family, scale.questions):
            examples += 1
            try:
                judged += law.broken(subject, question)
            except BrokenError as complaint:
                judged += 1
                broken.append((question, str(complaint)))
                drawn = drawn or (family if family in _DRAWN else None)
    found = Finding(name, law.guards, _outcome(bool(broken), reason, judged), examples, judged, reason)
    if drawn is not None and not reason and subject.overdue is None:
        broken = [*_smaller(law, subject, drawn, scale), *broken]
    if not broken:
        return found
    question, how = min(broken, key=lambda example: example[0].size)
    return replace(found, question=question, complaint=how)


def _timed(subject: Subject, declared: Mapping[str, str], scale: _Scale) -> tuple[Finding, list[Timing]]:
    timings, complaint = measured(subject, rungs=scale.rungs)
    count, reason = len(timings), declared.get(TIME, "")
    outcome = _outcome(bool(complaint), reason, count)
    return Finding(TIME, _TIME_GUARDS, outcome, count, count, reason, complaint), timings


def _wavers(subject: Subject, scale: _Scale) -> bool:
    """Whether the policy breaks `deterministic`: laws that compare its decisions then say nothing more."""
    law = LAWS["deterministic"]
    try:
        for family in law.families:
            for question in _questions(family, scale.questions):
                law.broken(subject, question)
    except BrokenError:
        return True
    return False


def _outcome(broken: bool, reason: str, judged: int) -> Outcome:
    if reason:
        return "declared" if broken else "unfounded"
    return "broken" if broken else "kept" if judged else "not reached"


@cache
def _questions(family: Family, count: int) -> tuple[Question, ...]:
    """The questions of a family, always the same; they do not depend on the policy, so they are drawn once."""
    if family in _MADE:
        return _MADE[family]()
    drawn: list[Question] = []
    _draw(_DRAWN[family](), count, drawn.append)
    return tuple(drawn)


def _draw(drawn: st.SearchStrategy[Question], count: int, use: Callable[[Question], None]) -> None:
    """Call `use` with one question after another; where it raises, with ever smaller ones that make it raise."""

    @seed(2505)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        # Hypothesis can also explain why examples fail, line by line, and takes most of the time for it.
        phases=[Phase.generate, Phase.shrink],
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(drawn)
    def each(question: Question) -> None:
        use(question)

    each()


class _EnoughError(BaseException):
    """The example has been made smaller often enough; no `Exception`, so that Hypothesis lets it through."""


def _smaller(law: Law, subject: Subject, family: Family, scale: _Scale) -> list[_Example]:
    """Examples in which a law is broken, the simplest first, in the smallest worlds of a family that have any.

    In large worlds Hypothesis would spend its tries on getting to small ones.
    """
    broken: list[_Example] = []
    tries = 0

    def use(question: Question) -> None:
        nonlocal tries
        tries += bool(broken)
        if tries > scale.shrinks:
            raise _EnoughError
        try:
            law.broken(subject, question)
        except BrokenError as complaint:
            broken.append((question, str(complaint)))
            raise

    for size in _SIZES:
        # Hypothesis itself complains of policies that decide otherwise when they are asked again.
        with suppress(BrokenError, _EnoughError, HypothesisException):
            _draw(_DRAWN[family](**size), scale.questions, use)
        if broken:
            break
    return broken[::-1]

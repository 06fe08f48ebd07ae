"""Examine a policy: every law, and for each that is broken the smallest example that was found."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException

from policies.contract import strategies
from policies.contract.edges import edges, second_thoughts
from policies.contract.growth import measured
from policies.contract.laws import LAWS, BrokenError, Family, Law
from policies.contract.question import Question
from policies.contract.report import Finding, Level, Outcome, Report
from policies.contract.subject import Factory, Subject
from traces import InputError
from traces.errors import one_of, shown

TIME = "time"
"""The law about how long decisions take."""

_TIME_GUARDS = (
    "Decides in bounded time: no decision takes too long, nor does time grow too fast with the problem."
)

_DRAWN: Mapping[Family, Callable[[], st.SearchStrategy[Question]]] = {
    "asked": lambda: st.builds(dict, tight=st.booleans(), faulty=st.booleans()).flatmap(
        lambda kind: strategies.questions(**kind)
    ),
    "again": lambda: strategies.questions(again=True),
    "one large": strategies.one_large,
    "untied": strategies.untied,
    "runs": strategies.runs,
}

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


_SCALES: Mapping[Level, _Scale] = {"quick": _Scale(24, 150, 4), "thorough": _Scale(400, 1000, 5)}


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
    if level not in _SCALES:
        raise InputError("level", shown(level), one_of(str(level), list(_SCALES)))
    scale = _SCALES[level]
    subject = Subject(factory)
    declared = declarations(factory)
    found = [_examine(name, subject, declared, scale) for name in LAWS]
    timings, complaint = measured(subject, rungs=scale.rungs)
    reason = declared.get(TIME, "")
    outcome = _outcome(bool(complaint), reason, len(timings))
    found.append(Finding(TIME, _TIME_GUARDS, outcome, len(timings), len(timings), reason, complaint))
    return Report(factory().name, level, tuple(found), tuple(timings))


def check_law(factory: Factory, law: str, level: Level = "quick") -> Finding:
    """Examine a policy under one law; arguments and errors as of `check_policy`."""
    if law == TIME:
        return check_policy(factory, level).findings[-1]
    return _examine(law, Subject(factory), declarations(factory), _SCALES[level])


def declarations(factory: Factory) -> Mapping[str, str]:
    """The laws that a policy says it does not keep, each with the reason.

    Raises:
        InputError: one of them does not exist.
    """
    policy = factory()
    declared: Mapping[str, str] = getattr(policy, "declares", {})
    for name in declared:
        if name not in LAWS and name != TIME:
            raise InputError(f"{policy.name}.declares", shown(name), one_of(name, [*LAWS, TIME]))
    return declared


def _examine(name: str, subject: Subject, declared: Mapping[str, str], scale: _Scale) -> Finding:
    law, reason = LAWS[name], declared.get(name, "")
    if law.settled and _wavers(subject, scale):
        return Finding(name, law.guards, _outcome(False, reason, 0), 0, 0, reason)
    examples = judged = 0
    worst: tuple[Question, str] | None = None
    for family in law.families:
        for question in _questions(family, scale.questions):
            examples += 1
            try:
                judged += law.broken(subject, question)
            except BrokenError as broken:
                judged += 1
                if worst is None:
                    small = family in _MADE or reason
                    worst = (question, str(broken)) if small else _smallest(law, subject, family, scale)
    outcome = _outcome(worst is not None, reason, judged)
    found = Finding(name, law.guards, outcome, examples, judged, reason)
    return found if worst is None else replace(found, question=worst[0], complaint=worst[1])


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
    _draw(family, count, drawn.append)
    return tuple(drawn)


def _draw(family: Family, count: int, use: Callable[[Question], None]) -> None:
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
    @given(_DRAWN[family]())
    def each(question: Question) -> None:
        use(question)

    each()


class _EnoughError(BaseException):
    """The example has been made smaller often enough; no `Exception`, so that Hypothesis lets it through."""


def _smallest(law: Law, subject: Subject, family: Family, scale: _Scale) -> tuple[Question, str]:
    """The smallest question in which a law is broken, and how.

    Hypothesis tries ever simpler ones, but where it is stopped the last that breaks the law need not have least blocks
    and devices; of those that have as many, it is the simplest.
    """
    broken: list[tuple[Question, str]] = []
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

    # Hypothesis itself complains of policies that decide otherwise when they are asked again.
    with suppress(BrokenError, _EnoughError, HypothesisException):
        _draw(family, scale.questions, use)
    return min(reversed(broken), key=lambda found: found[0].size)

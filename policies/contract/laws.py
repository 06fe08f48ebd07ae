"""What every policy must keep, or declare that it does not. One function for each law.

A law is asked about one question. It returns whether there was anything to judge, and raises `BrokenError` with what is
wrong. A policy that answers nonsense breaks `answers` or `complete` alone: the other laws are about decisions.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from pandas import DataFrame

from headway.policies.contract.edges import elsewhere
from headway.policies.contract.question import Question, shown
from headway.policies.contract.subject import (
    NotAskedError,
    Subject,
    devices_of,
    malformed,
    same,
    settled_in,
    told,
)
from headway.policies.contract.views import changed, renamed, reordered, rescaled, thawed
from headway.simcore import (
    AuditError,
    IntArray,
    Keep,
    Observation,
    Placement,
    Policy,
    PolicyError,
    Result,
    RunOptions,
    Scenario,
    predict,
    simulate,
)

Family: TypeAlias = Literal["asked", "again", "edges", "second thoughts", "one large", "untied", "runs"]
"""Sets of questions; `policies.contract.check` draws them."""

_ROUNDING = 1e-9
"""Relative difference of seconds that may be rounding."""


_UNITS = (*((2.0**power, 1.0) for power in (-12, 12, -30, 30)), (1.0, 2.0**12), (1.0, 2.0**30))
"""Units of time, and of sizes and work. Sizes are not made smaller: a millionth of a byte may be rounding."""


class BrokenError(AssertionError):
    """A law is broken; says how."""


def answers(subject: Subject, question: Question) -> bool:
    """Answers every question with a decision, and raises nothing, in edge worlds too."""
    seen = shown(question)
    said = subject.said(question)
    if isinstance(said, NotAskedError):
        return False
    if not isinstance(said, Placement) and (complaint := malformed(seen, said)):
        raise BrokenError(complaint) from (said if isinstance(said, BaseException) else None)
    return True


def complete(subject: Subject, question: Question) -> bool:
    """Gives each block it was asked about one device that exists."""
    seen, decision = shown(question), subject.said(question)
    if isinstance(decision, Placement) and (complaint := malformed(seen, decision)):
        raise BrokenError(complaint)
    return isinstance(decision, Placement)


def present(subject: Subject, question: Question) -> bool:
    """Places no block on a device that is down, nor keeps one there."""
    seen, decision = shown(question), subject.answer(question)
    devices = None if decision is None else devices_of(seen, decision)
    if devices is None or seen.up.all():
        return False
    down = np.flatnonzero(~seen.up[devices])
    if len(down):
        block, device = seen.blocks.names[down[0]], seen.device_names[devices[down[0]]]
        raise BrokenError(f"{block} is to be on {device}, which is down")
    return True


def within_memory(subject: Subject, question: Question) -> bool:
    """Puts no more on a device than is available there; where it finds nothing that fits, it says `Infeasible`."""
    seen, decision = shown(question), subject.answer(question)
    devices = None if decision is None else devices_of(seen, decision)
    if decision is None or devices is None:
        return False
    excess = predict.held_bytes(seen, devices) - seen.available_bytes
    excess = np.where(seen.up, excess, 0.0)
    worst = int(excess.argmax())
    if excess[worst] > predict.TOLERANCE_BYTES:
        name = seen.device_names[worst]
        raise BrokenError(f"{excess[worst]:.4g} bytes too many on {name}: {told(seen, decision)}")
    return True


def finds_room(subject: Subject, question: Question) -> bool:
    """Finds a placement where one device alone could hold everything."""
    seen, decision = shown(question), subject.answer(question)
    if decision is None:
        return False
    if devices_of(seen, decision) is None:
        large = seen.device_names[int(seen.available_bytes.argmax())]
        raise BrokenError(f"{told(seen, decision)}, but {large} has room for all blocks")
    return True


def deterministic(subject: Subject, question: Question) -> bool:
    """Two fresh policies decide the same about the same observation."""
    seen, first, second = shown(question), subject.answer(question), subject.second(question)
    if first is None or second is None:
        return False
    if not same(seen, first, second):
        raise BrokenError(f"first {told(seen, first)}; then {told(seen, second)}")
    return True


def reusable(subject: Subject, question: Question) -> bool:
    """Takes nothing from one run to the next: a policy that has been used makes the same run as a fresh one."""
    used, world = subject.factory(), question.scenario
    try:
        # Audited on the way: if a policy brings the simulator to break a law, that is no fault of the policy.
        fresh = simulate(world, subject.factory(), RunOptions(audit=True))
        simulate(elsewhere(), used)
        difference = _reused(world, used, fresh)
        if difference and _difference(fresh, simulate(world, subject.factory())):
            return False  # `deterministic` reports it
    except AuditError:
        raise
    except Exception:  # `answers` reports it
        return False
    if difference:
        raise BrokenError(f"used before in another world, {difference}")
    return True


def read_only(subject: Subject, question: Question) -> bool:
    """Leaves the observation as it is."""
    seen = shown(question)
    given = thawed(seen)
    if isinstance(subject.reply(given), BaseException):  # `answers` reports it
        return False
    if name := changed(seen, given):
        raise BrokenError(
            f"changes `{name}` of the observation; in a run that array is read-only and this raises"
        )
    return True


def renaming(subject: Subject, question: Question) -> bool:
    """Decides the same whatever the devices are called."""
    seen, before = shown(question), subject.settled(question)
    after = subject.usable(renamed(seen))
    if before is None or after is None:
        return False
    if not same(seen, before, after):
        raise BrokenError(f"{told(seen, before)}; under other names {told(renamed(seen), after)}")
    return True


def reordering(subject: Subject, question: Question) -> bool:
    """Decides as well whatever the order in which devices are listed, where no two are alike."""
    seen, before = shown(question), subject.settled(question)
    order = np.arange(seen.devices)[::-1]
    reverse = reordered(seen, order)
    after = subject.usable(reverse)
    if before is None or after is None or seen.devices == 1:
        return False
    listed, devices = devices_of(seen, before), devices_of(reverse, after)
    one, other = told(seen, before), told(reverse, after)
    if listed is None or devices is None:
        if listed is not devices:
            raise BrokenError(f"{one}; with the devices listed in reverse order {other}")
        return True
    one_s, other_s = predict.horizon_delay(seen, listed), predict.horizon_delay(seen, order[devices])
    if not np.isclose(one_s, other_s, rtol=_ROUNDING, atol=0.0):
        takes = f"{one}, which is predicted to take {one_s:.6g} s"
        raise BrokenError(f"{takes}; with the devices listed in reverse order {other}: {other_s:.6g} s")
    return True


def units(subject: Subject, question: Question) -> bool:
    """Decides the same when all times, sizes and work are scaled alike: no hidden thresholds in seconds or bytes."""
    seen, before = shown(question), subject.settled(question)
    if before is None:
        return False
    for second, byte in _UNITS:
        after = subject.usable(rescaled(seen, second=second, byte=byte, flop=byte))
        if after is not None and not same(seen, before, after):
            what = "times" if byte == 1.0 else "sizes and work"
            factor = second if byte == 1.0 else byte
            raise BrokenError(f"{told(seen, before)}; with {what} times {factor:g} {told(seen, after)}")
    return True


def stable(subject: Subject, question: Question) -> bool:
    """Moves nothing when it sees the same again with its own placement in force."""
    seen, first = shown(question), subject.settled(question)
    devices = None if first is None else devices_of(seen, first)
    if first is None or devices is None:
        return False
    again = settled_in(seen, devices)
    second = subject.usable(again)
    if second is None:
        return False
    after = devices_of(again, second)
    if after is not None and not np.array_equal(after, devices):
        raise BrokenError(f"first {told(seen, first)}; then moves {_moves(seen, devices, after)}")
    return True


def worth_moving(subject: Subject, question: Question) -> bool:
    """Pays for no migration that is predicted to cost more than it saves within the interval."""
    seen, decision = shown(question), subject.answer(question)
    now = seen.placement
    devices = None if decision is None else devices_of(seen, decision)
    if now is None or devices is None or not _can_stay(seen, now):
        return False
    if isinstance(decision, Keep):
        return True
    stay_s, go_s = predict.horizon_delay(seen, now), predict.objective(seen, devices)
    if go_s > stay_s * (1.0 + _ROUNDING):
        moves = f"moves {_moves(seen, now, devices)}"
        raise BrokenError(f"{moves}: {go_s:.6g} s with the interval thereafter; staying takes {stay_s:.6g} s")
    return True


@dataclass(frozen=True)
class Law:
    """A law.

    Attributes:
        broken: asks about one question; see above.
        families: the questions about which it is asked.
        settled: it compares decisions, and so has nothing to say about a policy that is not `deterministic`.
    """

    broken: Callable[[Subject, Question], bool]
    families: tuple[Family, ...]
    settled: bool = False

    @property
    def guards(self) -> str:
        """What it guards, in one line."""
        return (self.broken.__doc__ or "").strip()


LAWS: Mapping[str, Law] = {
    "answers": Law(answers, ("asked", "edges")),
    "complete": Law(complete, ("asked", "edges")),
    "present": Law(present, ("asked", "edges")),
    "within-memory": Law(within_memory, ("asked", "edges")),
    "finds-room": Law(finds_room, ("one large",)),
    "deterministic": Law(deterministic, ("asked", "again", "untied")),
    "reusable": Law(reusable, ("runs",), settled=True),
    "read-only": Law(read_only, ("asked",)),
    "renaming": Law(renaming, ("asked",), settled=True),
    "reordering": Law(reordering, ("untied",), settled=True),
    "units": Law(units, ("asked",), settled=True),
    "stable": Law(stable, ("asked", "again", "second thoughts"), settled=True),
    "worth-moving": Law(worth_moving, ("again",)),
}
"""All laws about answers; how long an answer takes is measured by `policies.contract.growth`."""


def _can_stay(seen: Observation, now: IntArray) -> bool:
    return bool(seen.up[now].all()) and not seen.lost.any() and predict.fits(seen, now)


def _moves(seen: Observation, old: IntArray, new: IntArray) -> str:
    """Which blocks move, in words: runs of blocks from one device to another."""
    names = seen.device_names
    by_way: dict[tuple[int, int], list[str]] = {}
    for block, way in zip(seen.blocks.names, zip(old.tolist(), new.tolist(), strict=True), strict=True):
        by_way.setdefault(way, []).append(block)
    ways = ((i, j, blocks) for (i, j), blocks in by_way.items() if i != j)
    return ", ".join(f"{' '.join(blocks)} from {names[i]} to {names[j]}" for i, j, blocks in ways)


def _reused(world: Scenario, used: Policy, fresh: Result) -> str:
    """What a policy that has been used does in a world that a fresh one does not."""
    try:
        return _difference(fresh, simulate(world, used))
    except PolicyError as error:
        return f"it ends the run, and a fresh one does not: {error.got}"


def _difference(fresh: Result, used: Result) -> str:
    """What a policy that has been used does first that a fresh one does not, in words; empty when there is nothing."""
    for one, other in _pairs(fresh.decisions, used.decisions):
        if (one.outcome, one.reason, one.moved_blocks) != (other.outcome, other.reason, other.moved_blocks):
            said, expected = (row.outcome + (row.reason and f" ({row.reason})") for row in (other, one))
            return f"its answer is {said}, that of a fresh one {expected} {_when(one)}"
    for one, other in _pairs(fresh.placements, used.placements):
        if one.device != other.device:
            return f"it has {one.block} on {other.device}, a fresh one on {one.device} {_when(one)}"
    return "" if fresh.tokens.equals(used.tokens) else "its tokens take other times"


def _pairs(one: DataFrame, other: DataFrame) -> Iterator[tuple[Any, Any]]:
    return zip(one.itertuples(), other.itertuples(), strict=False)


def _when(row: Any) -> str:
    return f"(token {row.token} of request {row.request})"

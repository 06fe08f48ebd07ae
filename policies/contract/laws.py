"""The laws of the policy contract: one function per law.

Each function tests one question. It returns whether the law applies to the question, and raises `BrokenError` with a
description if the policy breaks the law. Invalid replies break only `answers` or `complete`; the other laws apply only
to valid decisions.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from pandas import DataFrame

from headway.policies.contract.edges import other_world
from headway.policies.contract.question import Question, observation_of
from headway.policies.contract.subject import (
    NotAskedError,
    Subject,
    devices_of,
    malformation,
    same_placement,
    text_of,
    with_placement,
)
from headway.policies.contract.views import difference, renamed, reordered, rescaled, writable_copy
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
from headway.simcore.observe import is_fixed

Family: TypeAlias = Literal["mixed", "again", "edges", "repeated decisions", "one large", "untied", "runs"]
"""Sets of questions; `policies.contract.check` draws them."""

_ROUNDING = 1e-9
"""Relative tolerance for times, for rounding errors."""

_UNITS = (*((2.0**power, 1.0) for power in (-12, 12, -30, 30)), (1.0, 2.0**12), (1.0, 2.0**30))
"""Factors on times, and on sizes and work. Sizes do not become smaller, because of the tolerance in bytes."""


class BrokenError(AssertionError):
    """A law is broken; the message describes the violation."""


def answers(subject: Subject, question: Question) -> bool:
    """Returns a decision for every observation and raises no exception, also in edge cases."""
    observation = observation_of(question)
    reply = subject.first_reply(question)
    if isinstance(reply, NotAskedError):
        return False
    if not isinstance(reply, Placement) and (complaint := malformation(observation, reply)):
        raise BrokenError(complaint) from (reply if isinstance(reply, BaseException) else None)
    return True


def complete(subject: Subject, question: Question) -> bool:
    """Assigns each block to one existing device."""
    observation, decision = observation_of(question), subject.first_reply(question)
    if isinstance(decision, Placement) and (complaint := malformation(observation, decision)):
        raise BrokenError(complaint)
    return isinstance(decision, Placement)


def present(subject: Subject, question: Question) -> bool:
    """Neither places nor keeps a block on a device that is down."""
    observation, decision = observation_of(question), subject.first_decision(question)
    devices = devices_of(observation, decision)
    if devices is None or observation.up.all():
        return False
    down = np.flatnonzero(~observation.up[devices])
    if len(down):
        block, device = observation.blocks.names[down[0]], observation.device_names[devices[down[0]]]
        raise BrokenError(f"{block} is on {device}, which is down")
    return True


def within_memory(subject: Subject, question: Question) -> bool:
    """Uses at most the available memory of every device; if no placement fits, it returns `Infeasible`."""
    observation, decision = observation_of(question), subject.first_decision(question)
    devices = devices_of(observation, decision)
    if decision is None or devices is None:
        return False
    excess = predict.held_bytes(observation, devices) - observation.available_bytes
    excess = np.where(observation.up, excess, 0.0)
    worst = int(excess.argmax())
    if excess[worst] > predict.TOLERANCE_BYTES:
        name = observation.device_names[worst]
        raise BrokenError(f"{excess[worst]:.4g} bytes too many on {name}: {text_of(observation, decision)}")
    return True


def finds_room(subject: Subject, question: Question) -> bool:
    """Finds a placement if one device alone can hold all blocks."""
    observation, decision = observation_of(question), subject.first_decision(question)
    if decision is None:
        return False
    if devices_of(observation, decision) is None:
        large = observation.device_names[int(observation.available_bytes.argmax())]
        raise BrokenError(f"{text_of(observation, decision)}, but {large} has room for all blocks")
    return True


def deterministic(subject: Subject, question: Question) -> bool:
    """Two new instances of the policy make the same decision for the same observation."""
    observation = observation_of(question)
    first, second = subject.first_decision(question), subject.second_decision(question)
    if first is None or second is None:
        return False
    if not same_placement(observation, first, second):
        raise BrokenError(f"first {text_of(observation, first)}; then {text_of(observation, second)}")
    return True


def reusable(subject: Subject, question: Question) -> bool:
    """Keeps no state between runs: a used instance makes the same run as a new one."""
    used, world = subject.factory(), question.scenario
    try:
        # Audited: an error of the simulator is not an error of the policy.
        fresh = simulate(world, subject.factory(), RunOptions(audit=True))
        simulate(other_world(), used)
        deviation = _deviation(world, used, fresh)
        if deviation and _difference(fresh, simulate(world, subject.factory())):
            return False  # `deterministic` reports it
    except AuditError:
        raise
    except Exception:  # `answers` reports it
        return False
    if deviation:
        raise BrokenError(f"after a run in another world, {deviation}")
    return True


def read_only(subject: Subject, question: Question) -> bool:
    """Does not modify the observation."""
    observation = observation_of(question)
    copy = writable_copy(observation)
    if isinstance(subject.reply(copy), BaseException):  # `answers` reports it
        return False
    if name := difference(observation, copy):
        raise BrokenError(
            f"changes `{name}` of the observation; in a run, this array is read-only and writing raises an exception"
        )
    return True


def renaming(subject: Subject, question: Question) -> bool:
    """Decides the same if the devices have other names."""
    observation, before = observation_of(question), subject.repeatable_decision(question)
    after = subject.decision(renamed(observation))
    if before is None or after is None:
        return False
    if not same_placement(observation, before, after):
        one, other = text_of(observation, before), text_of(renamed(observation), after)
        raise BrokenError(f"{one}; with other names {other}")
    return True


def reordering(subject: Subject, question: Question) -> bool:
    """Decides equally well for any order of the devices, if no two of them are equal."""
    observation, before = observation_of(question), subject.repeatable_decision(question)
    order = np.arange(observation.devices)[::-1]
    reverse = reordered(observation, order)
    after = subject.decision(reverse)
    if before is None or after is None or observation.devices == 1:
        return False
    listed, devices = devices_of(observation, before), devices_of(reverse, after)
    one, other = text_of(observation, before), text_of(reverse, after)
    if listed is None or devices is None:
        if listed is not devices:
            raise BrokenError(f"{one}; with the devices in reverse order {other}")
        return True
    one_s = predict.horizon_delay(observation, listed)
    other_s = predict.horizon_delay(observation, order[devices])
    if not np.isclose(one_s, other_s, rtol=_ROUNDING, atol=0.0):
        takes = f"{one}, which is predicted to take {one_s:.6g} s"
        raise BrokenError(f"{takes}; with the devices in reverse order {other}: {other_s:.6g} s")
    return True


def units(subject: Subject, question: Question) -> bool:
    """Decides the same in other units of time or size: it has no hidden thresholds in seconds or bytes."""
    observation, before = observation_of(question), subject.repeatable_decision(question)
    if before is None:
        return False
    for second, byte in _UNITS:
        after = subject.decision(rescaled(observation, second=second, byte=byte, flop=byte))
        if after is not None and not same_placement(observation, before, after):
            scaled = "times" if byte == 1.0 else "sizes and work"
            factor = second if byte == 1.0 else byte
            one, other = text_of(observation, before), text_of(observation, after)
            raise BrokenError(f"{one}; with {scaled} times {factor:g} {other}")
    return True


def stable(subject: Subject, question: Question) -> bool:
    """Moves nothing if its own placement is in force and nothing else has changed; if `fixed`, never."""
    observation, first = observation_of(question), subject.repeatable_decision(question)
    devices = devices_of(observation, first)
    if first is None or devices is None:
        return False
    now = observation.placement
    if now is not None and is_fixed(subject.factory()) and not np.array_equal(devices, now):
        raise BrokenError(f"is `fixed`, but moves {_moves(observation, now, devices)}")
    again = with_placement(observation, devices)
    second = subject.decision(again)
    if second is None:
        return False
    after = devices_of(again, second)
    if after is not None and not np.array_equal(after, devices):
        moves = _moves(observation, devices, after)
        raise BrokenError(f"first {text_of(observation, first)}; then moves {moves}")
    return True


def worth_moving(subject: Subject, question: Question) -> bool:
    """Starts no migration that is predicted to cost more than it saves within the horizon."""
    observation, decision = observation_of(question), subject.first_decision(question)
    now = observation.placement
    devices = devices_of(observation, decision)
    if now is None or devices is None or observation.lost.any() or not predict.fits(observation, now):
        return False
    if isinstance(decision, Keep):
        return True
    stay_s, go_s = predict.horizon_delay(observation, now), predict.objective(observation, devices)
    if go_s > stay_s * (1.0 + _ROUNDING):
        moves = f"moves {_moves(observation, now, devices)}"
        raise BrokenError(f"{moves}: migration and interval take {go_s:.6g} s; staying takes {stay_s:.6g} s")
    return True


@dataclass(frozen=True)
class Law:
    """A law.

    Attributes:
        check: tests one question, see the module.
        families: the questions that it tests.
        deterministic: the law compares decisions, so it does not apply to a policy that breaks `deterministic`.
    """

    check: Callable[[Subject, Question], bool]
    families: tuple[Family, ...]
    deterministic: bool = False

    @property
    def guards(self) -> str:
        """The property that it tests, in one line."""
        return (self.check.__doc__ or "").strip()


LAWS: Mapping[str, Law] = {
    "answers": Law(answers, ("mixed", "edges")),
    "complete": Law(complete, ("mixed", "edges")),
    "present": Law(present, ("mixed", "edges")),
    "within-memory": Law(within_memory, ("mixed", "edges")),
    "finds-room": Law(finds_room, ("one large",)),
    "deterministic": Law(deterministic, ("mixed", "again", "untied")),
    "reusable": Law(reusable, ("runs",), deterministic=True),
    "read-only": Law(read_only, ("mixed",)),
    "renaming": Law(renaming, ("mixed",), deterministic=True),
    "reordering": Law(reordering, ("untied",), deterministic=True),
    "units": Law(units, ("mixed",), deterministic=True),
    "stable": Law(stable, ("mixed", "again", "repeated decisions"), deterministic=True),
    "worth-moving": Law(worth_moving, ("again",)),
}
"""All laws on decisions; `policies.contract.growth` tests the decision time."""


def _moves(observation: Observation, old: IntArray, new: IntArray) -> str:
    """The moves in words: the blocks of each pair of devices."""
    names = observation.device_names
    by_pair: dict[tuple[int, int], list[str]] = {}
    for block, i, j in zip(observation.blocks.names, old.tolist(), new.tolist(), strict=True):
        by_pair.setdefault((i, j), []).append(block)
    moves = ((i, j, blocks) for (i, j), blocks in by_pair.items() if i != j)
    return ", ".join(f"{' '.join(blocks)} from {names[i]} to {names[j]}" for i, j, blocks in moves)


def _deviation(world: Scenario, used: Policy, fresh: Result) -> str:
    """The first difference between the runs of a used and a new instance, in words; empty if there is none."""
    try:
        return _difference(fresh, simulate(world, used))
    except PolicyError as error:
        return f"it ends the run, and a new instance does not: {error.got}"


def _difference(fresh: Result, used: Result) -> str:
    """The first difference between two results, in words; empty if there is none."""
    for one, other in _pairs(fresh.decisions, used.decisions):
        if (one.outcome, one.reason, one.moved_blocks) != (other.outcome, other.reason, other.moved_blocks):
            actual, expected = (row.outcome + (row.reason and f" ({row.reason})") for row in (other, one))
            return f"its decision is {actual}, that of a new instance is {expected} {_when(one)}"
    for one, other in _pairs(fresh.placements, used.placements):
        if one.device != other.device:
            return f"it puts {one.block} on {other.device}, a new instance on {one.device} {_when(one)}"
    return "" if fresh.tokens.equals(used.tokens) else "its tokens have other latencies"


def _pairs(one: DataFrame, other: DataFrame) -> Iterator[tuple[Any, Any]]:
    return zip(one.itertuples(), other.itertuples(), strict=False)


def _when(row: Any) -> str:
    return f"(token {row.token} of request {row.request})"

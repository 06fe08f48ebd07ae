"""Growth of the decision time with the size of the problem.

The time of a decision is the minimum of three measurements of the thread's processor time. One series of worlds has one
layer and more heads from world to world, the other has more layers; both also have more devices. A policy is too slow
if the time grows faster than the fourth power of blocks times devices from one world to the next, or if a single
decision exceeds a limit. Such a decision is measured again, in case the machine was busy; if it is slow again, the
series ends. A decision that exceeds the wall time limit counts with that limit.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headway.policies.contract.edges import star_world
from headway.policies.contract.question import Question
from headway.policies.contract.subject import MOST_WAIT_S, NotAskedError, Subject
from headway.policies.contract.views import writable_copy
from headway.simcore import Scenario
from headway.simcore.engine.placement.policy_timeout import OverdueError

MOST_SECONDS = 10.0
"""Processor time that one decision may take."""

MOST_EXPONENT = 4.0

_NOISE_S = 0.02
"""Times below this do not break the law, for any growth."""

_LEAST_TREND_S = 1e-3
"""Shorter times are mostly the overhead of function calls, so no growth is reported for them."""


@dataclass(frozen=True)
class Timing:
    """The time of one decision; `wide` is the series with more heads, otherwise with more layers."""

    blocks: int
    devices: int
    seconds: float
    wide: bool

    @property
    def size(self) -> int:
        """Blocks times devices."""
        return self.blocks * self.devices


def measure(subject: Subject, *, sizes: int) -> tuple[list[Timing], str]:
    """Times of increasingly large decisions, and the violation of the law; empty if there is none.

    Args:
        subject: the policy. Measurement stops if it raises an exception.
        sizes: number of worlds in each series; the last has 2**sizes devices.
    """
    timings = []
    for wide in (True, False):
        before: Timing | None = None
        for size in range(1, sizes + 1):
            question = Question(_world(2**size, wide=wide))
            now = _time_decision(subject, question, wide=wide)
            if now is not None and _complaint(before, now):
                again = _time_decision(subject, question, wide=wide)
                now = again if again is not None and again.seconds < now.seconds else now
            if now is None:
                break
            timings.append(now)
            if complaint := _complaint(before, now):
                return timings, complaint
            before = now
    return timings, ""


def growth_text(timings: Sequence[Timing]) -> str:
    """The decision time and its growth in one sentence."""
    if not timings:
        return "No decision time was measured: the policy raises an exception."
    slowest = max(timings, key=lambda timing: timing.seconds)
    size = f"{slowest.blocks} blocks x {slowest.devices} devices"
    duration = f"{slowest.seconds:.3g} s" if slowest.seconds >= 1.0 else f"{slowest.seconds * 1e3:.3g} ms"
    most = f"A decision takes at most {duration} of processor time ({size})"
    power = exponent([timing for timing in timings if timing.wide is slowest.wide])
    if slowest.seconds < _LEAST_TREND_S or math.isnan(power):
        return f"{most}."
    return f"{most}; the time grows as (blocks x devices)^{power:.1f}."


def exponent(timings: Sequence[Timing]) -> float:
    """Exponent p in seconds ~ (blocks * devices)**p, fitted to the three largest worlds; nan if there are fewer.

    The number of points is fixed, so that it does not depend on the load of the machine.
    """
    largest = sorted(timings, key=lambda timing: timing.size)[-3:]
    if len({timing.size for timing in largest}) < 3:
        return math.nan
    sizes, seconds = (np.log([getattr(t, key) for t in largest]) for key in ("size", "seconds"))
    return float(np.polyfit(sizes, seconds, 1)[0])


def _complaint(before: Timing | None, now: Timing) -> str:
    if now.seconds > MOST_SECONDS:
        return f"a decision about {now.blocks} blocks and {now.devices} devices takes {now.seconds:.3g} s"
    if before is None or now.seconds < _NOISE_S:
        return ""
    steepness = math.log(now.seconds / max(before.seconds, _NOISE_S / 10)) / math.log(now.size / before.size)
    if steepness <= MOST_EXPONENT:
        return ""
    return (
        f"from {before.blocks} blocks and {before.devices} devices to {now.blocks} and {now.devices} "
        f"a decision takes {now.seconds / before.seconds:.3g} times as long, {now.seconds:.3g} s"
    )


def _time_decision(subject: Subject, question: Question, *, wide: bool) -> Timing | None:
    observation = question.observation
    assert observation is not None
    best = math.inf
    for _ in range(3):
        policy, copy = subject.factory(), writable_copy(observation)
        try:
            policy.decide(copy)
        except (OverdueError, NotAskedError):
            overdue = subject.overdue or observation
            return Timing(len(overdue.blocks), overdue.devices, MOST_WAIT_S, wide)
        except KeyboardInterrupt:
            raise
        except BaseException:  # `answers` reports it
            return None
        best = min(best, subject.spent_s)
        if best > 1.0:
            break
    return Timing(len(observation.blocks), observation.devices, max(best, 1e-9), wide)


def _world(devices: int, *, wide: bool) -> Scenario:
    heads, layers = (2 * devices, 1) if wide else (2, devices)
    speeds, links = [1e9 / (1 + i) for i in range(devices)], [(1e7 / i, 1e-4) for i in range(1, devices)]
    return star_world("growth", speeds, links, heads=heads, layers=layers, output=1)

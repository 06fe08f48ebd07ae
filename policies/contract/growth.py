"""How the time of a decision grows with the problem.

Decisions are timed by the processor time of the thread, the least of three, in worlds of one layer that become wider
and in worlds that become deeper, with more devices at the same time. A policy is too slow when the time grows faster
than the fourth power of blocks times devices from one world to the next, or when a single decision takes too long; that
decision is timed once more, in case the machine had much else to do, and the next world is not tried. A decision that
never ends counts as long as it was waited for.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headway.policies.contract.question import Question
from headway.policies.contract.subject import MOST_WAIT_S, NotAskedError, Subject
from headway.policies.contract.views import thawed
from headway.simcore import BlockOptions, Cluster, DecodeCost, Device, Link, ModelSpec, Request, Scenario
from headway.simcore.engine.placement.policy_timeout import OverdueError
from headway.traces import Trace

MOST_SECONDS = 10.0
"""Processor time that one decision may take."""

MOST_EXPONENT = 4.0

_NOISE_S = 0.02
"""Times below this break no law, however they grow."""

_TELLING_S = 1e-3
"""Times below this are of calling functions, not of what they do: of what takes no longer, growth is not told."""


@dataclass(frozen=True)
class Timing:
    """One timed decision, in a world that is wider than the one before, or deeper."""

    blocks: int
    devices: int
    seconds: float
    wide: bool

    @property
    def size(self) -> int:
        """Blocks times devices."""
        return self.blocks * self.devices


def measured(subject: Subject, *, rungs: int) -> tuple[list[Timing], str]:
    """Timings of ever larger decisions, and what is wrong with them; empty when nothing is.

    Args:
        subject: the policy. One that raises is not timed further.
        rungs: worlds of each kind; the last has 2**rungs devices.
    """
    timings = []
    for wide in (True, False):
        before: Timing | None = None
        for rung in range(1, rungs + 1):
            question = Question(_world(2**rung, wide=wide))
            now = _timed(subject, question, wide=wide)
            if now is not None and _complaint(before, now):
                now = min(now, _timed(subject, question, wide=wide) or now, key=lambda timing: timing.seconds)
            if now is None:
                break
            timings.append(now)
            if complaint := _complaint(before, now):
                return timings, complaint
            before = now
    return timings, ""


def told(timings: Sequence[Timing]) -> str:
    """How long decisions take, and how that grows, in a sentence."""
    if not timings:
        return "How long a decision takes was not measured: the policy raises."
    slowest = max(timings, key=lambda timing: timing.seconds)
    size = f"{slowest.blocks} blocks x {slowest.devices} devices"
    long = f"{slowest.seconds:.3g} s" if slowest.seconds >= 1.0 else f"{slowest.seconds * 1e3:.3g} ms"
    most = f"A decision takes at most {long} of processor time ({size})"
    power = exponent([timing for timing in timings if timing.wide is slowest.wide])
    return (
        f"{most}."
        if slowest.seconds < _TELLING_S or math.isnan(power)
        else f"{most}; that grows as (blocks x devices)^{power:.1f}."
    )


def exponent(timings: Sequence[Timing]) -> float:
    """P of the best fit of seconds ~ (blocks * devices)**p to the three largest; nan where there are fewer sizes.

    Always the same three, so that it does not hang on how busy the machine is which count.
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


def _timed(subject: Subject, question: Question, *, wide: bool) -> Timing | None:
    seen = question.seen
    assert seen is not None
    best = math.inf
    for _ in range(3):
        policy, given = subject.factory(), thawed(seen)
        try:
            policy.decide(given)
        except (OverdueError, NotAskedError):
            late = subject.overdue or seen
            return Timing(len(late.blocks), late.devices, MOST_WAIT_S, wide)
        except KeyboardInterrupt:
            raise
        except BaseException:  # `answers` reports it
            return None
        best = min(best, subject.spent_s)
        if best > 1.0:
            break
    return Timing(len(seen.blocks), seen.devices, max(best, 1e-9), wide)


def _world(devices: int, *, wide: bool) -> Scenario:
    heads, layers = (2 * devices, 1) if wide else (2, devices)
    model = ModelSpec(
        name="grown", layers=layers, width=16 * heads, heads=heads, kv_heads=heads, head_size=16,
        ffn_width=64, gated_ffn=False, vocabulary=0,
    )  # fmt: skip
    cluster = Cluster(
        tuple(Device(name=f"d{i}", memory_bytes=1e9, flops=1e9 / (1 + i)) for i in range(devices)),
        tuple(
            Link(name=f"l{i}", ends=("d0", f"d{i}"), bandwidth=Trace.constant(1e7 / i), latency_s=1e-4)
            for i in range(1, devices)
        ),
        "d0",
    )
    return Scenario(
        name="grown", model=model, cost=DecodeCost(model), cluster=cluster,
        requests=(Request(prompt=4, output=1),), blocks=BlockOptions(embed=False, lm_head=False),
    )  # fmt: skip

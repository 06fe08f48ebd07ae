"""Pauses of decoding: waits for devices, and reports of pauses to instruments."""

import math

from headway.simcore.engine.events import LatencyParts
from headway.simcore.engine.outages import Process, reached
from headway.simcore.engine.placement.context import RunContext
from headway.simcore.errors import RunEndedError
from headway.simcore.instrument import Cause, Standing
from headway.simcore.world.batch import SequenceStep


def wait_for_source(run: RunContext, first: SequenceStep, back_s: float, parts: LatencyParts) -> Process:
    """Wait until the source is back.

    Raises:
        RunEndedError: it never comes back.
    """
    if math.isinf(back_s):
        name = run.scenario.cluster.source
        raise RunEndedError("stalled", f"the source {name!r} is down from {run.env.now:.6g} s on")
    yield from wait(run, first, back_s, parts)


def wait(run: RunContext, first: SequenceStep, until_s: float, parts: LatencyParts) -> Process:
    """Wait for a device until a time."""
    begun_s = run.env.now
    yield reached(run.env, until_s)
    parts.fault_s += run.env.now - begun_s
    tell_standing(run, first, "fault", begun_s)


def tell_standing(run: RunContext, first: SequenceStep, cause: Cause, begun_s: float) -> None:
    """Tell the instrument that decoding paused from `begun_s` until now."""
    if run.env.now > begun_s:
        run.instrument.stood_still(Standing(first.request, first.token, cause, begun_s, run.env.now))

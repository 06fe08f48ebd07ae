"""Asks the policy at its intervals and after outages, and carries out its decisions in simulated time."""

import math
from collections.abc import Generator, Iterable
from typing import Any

import numpy as np
import simpy

from headway.simcore.engine.events import LatencyParts
from headway.simcore.engine.outages import Process, reached, unless_failing
from headway.simcore.engine.placement.context import RunContext
from headway.simcore.engine.placement.decisions import Decisions, Judgement
from headway.simcore.engine.placement.migration import Mover
from headway.simcore.engine.placement.triggers import OverflowWatch, Trigger, Triggers
from headway.simcore.errors import RunEndedError
from headway.simcore.instrument import Cause, Standing
from headway.simcore.observe import Observation
from headway.simcore.world.batch import Batch, SequenceStep

_MOST_SETBACKS = 1000
"""Maximum consecutive outages per token before the run counts as stalled."""


class Controller:
    """Asks the policy when a decision is due, and has blocks moved.

    Args:
        run: the run.
        decisions: asks the policy.
        mover: moves blocks.
    """

    def __init__(self, run: RunContext, decisions: Decisions, mover: Mover) -> None:
        self._observer = decisions.observer
        self._run = run
        self._env = run.env
        self._scenario = run.scenario
        self._deployment = run.deployment
        self._outages = run.outages
        self._decisions = decisions
        self._mover = mover
        self._triggers = Triggers(run)
        self._noticed_s = 0.0
        self._alarmed = False
        self._unfinished = False
        self._begun_s = 0.0
        self._setbacks = 0

    def prepare(self, batch: Batch, parts: LatencyParts) -> Process:
        """Prepare a step: all blocks in place, all devices up.

        Waits for the source and completes a migration. Asks the policy if a decision is due, a trigger fires or a
        device in use has gone down, and moves blocks. Repeats this until no outage interferes. The policy is not
        asked during a `live` migration.

        Args:
            batch: of the step.
            parts: receives the time that passes.

        Raises:
            RunEndedError: there is no feasible placement.
        """
        first = batch[0]
        due = self._due(first)
        watching = due is None and not self._decisions.fixed
        while True:
            self._notice(first)
            source_s = self._outages.back(self._scenario.cluster.source_index, self._env.now)
            if source_s > self._env.now:
                yield from self._wait_for_source(first, source_s, parts)
            elif self._mover.ready:
                yield from self._migrate(first, self._mover.switch(), (), parts)
            elif self._mover.target is not None and not self._mover.busy:
                self._mover.start(first, self._observer.observe(batch), self._mover.target)
            elif self._alarmed:
                self._alarmed = not (yield from self._plan(batch, "fault", parts))
                due = None
            elif due and not self._mover.busy:
                self._alarmed = not (yield from self._plan(batch, due, parts))
                due = None
            elif watching and not self._mover.busy:
                watching, due = False, self._trigger(batch)
            else:
                break
        self._decisions.record_placement(first)
        self._begun_s = self._env.now

    def _due(self, first: SequenceStep) -> Trigger | None:
        """Why a decision is due before a step, apart from triggers and outages."""
        again = not self._decisions.fixed or self._deployment.placement is None
        if again and first.token % self._scenario.controller.interval == 0:
            return "interval"
        return "pause-budget" if self._unfinished else None

    def quiet_tokens(self, batch: Batch) -> int:
        """For how many steps, from that of `batch` on, `prepare` does nothing.

        This holds if each step generates a token of each sequence at work, no device goes down or comes back, and
        `overflow_watch` does not end it.

        Returns:
            At most the steps until a sequence of the batch ends; 0 if the next step must be prepared.
        """
        first, now = batch[0], self._env.now
        busy = self._mover.busy or self._mover.target is not None or self._deployment.cache_lost
        if busy or self._alarmed or self._due(first) or not self._decisions.up_to_date:
            return 0
        source_s = self._outages.back(self._scenario.cluster.source_index, now)
        if source_s > now or self._outages.next_change(self._noticed_s) < math.inf:
            return 0  # also where a device may come back during the steps, which only `prepare` notices
        left = min(self._scenario.requests[one.request].output - one.token for one in batch if one.tokens)
        if self._decisions.fixed:
            return left
        return min(left, self._observer.interval(first)) if self._triggers.watchable else 0

    def overflow_watch(self, batch: Batch) -> OverflowWatch | None:
        """The memory that ends the quiet of `quiet_tokens` when it becomes scarce; None: no memory does."""
        placement = self._deployment.placement
        if placement is None or self._decisions.fixed:
            return None
        return self._triggers.overflow_watch(batch, placement, self._observer.interval(batch[0]))

    def made(self, batch: Batch) -> None:
        """The step succeeded: reset the count of consecutive outages."""
        self._setbacks = 0
        self._triggers.made(batch, self._env.now - self._begun_s)

    def close(self) -> None:
        """End the thread in which the policy is called."""
        self._decisions.close()

    def _notice(self, first: SequenceStep) -> None:
        """Register the outages since the last call, and the blocks lost by them."""
        since_s, self._noticed_s = self._noticed_s, self._env.now
        if self._outages.next_failure(self._mover.targets, since_s) <= self._env.now:
            self._mover.abandon()
        for device in sorted(self._outages.devices):
            failed_s = self._outages.failure(device, since_s)
            if failed_s > self._env.now:
                continue
            self._deployment.copies.drop(device)
            if device in self._deployment.in_use:
                self._mover.abandon()
                self._lose(first, device, failed_s)

    def _lose(self, first: SequenceStep, device: int, failed_s: float) -> None:
        had_cache = not self._deployment.cache_lost
        lost = self._deployment.lose(device)
        self._run.recorder.add(
            "faults",
            first.request,
            first.token,
            failed_s,
            self._scenario.cluster.names[device],
            lost,
            had_cache and self._deployment.cache_lost,
        )
        self._set_back(first)

    def _set_back(self, first: SequenceStep) -> None:
        self._alarmed = True
        self._setbacks += 1
        if self._setbacks > _MOST_SETBACKS:
            raise RunEndedError(
                "stalled",
                f"token {first.token} of request {first.request} was held up {_MOST_SETBACKS} times in a row "
                f"by devices that went down, the last time at {self._env.now:.6g} s",
            )

    def _wait_for_source(self, first: SequenceStep, back_s: float, parts: LatencyParts) -> Process:
        if math.isinf(back_s):
            name = self._scenario.cluster.source
            raise RunEndedError("stalled", f"the source {name!r} is down from {self._env.now:.6g} s on")
        yield from self._wait(first, back_s, parts)

    def _wait(self, first: SequenceStep, until_s: float, parts: LatencyParts) -> Process:
        begun_s = self._env.now
        yield reached(self._env, until_s)
        parts.fault_s += self._env.now - begun_s
        self._tell_standing(first, "fault", begun_s)

    def _trigger(self, batch: Batch) -> Trigger | None:
        placement = self._deployment.placement
        if placement is None:
            return None
        return self._triggers.fired(batch, placement, self._observer.interval(batch[0]))

    def _plan(self, batch: Batch, trigger: Trigger, parts: LatencyParts) -> Generator[simpy.Event, Any, bool]:
        """Ask the policy and carry out its decision; False if it must be asked again."""
        self._deployment.fit_copies(self._scenario.cluster.available_bytes(self._env.now))
        first, observation = batch[0], self._observer.observe(batch)
        decision, wall_s = self._decisions.ask(observation)
        charged_s = self._decisions.charged_s(wall_s)
        if charged_s > 0.0:
            yield self._env.timeout(charged_s)
        parts.decision_s += charged_s
        if self._outages.next_change(observation.time_s) <= self._env.now:
            reason = "a device went down or came back while it was decided"
            self._decisions.record(observation, Judgement(None, "infeasible", reason), trigger)
            self._set_back(first)
            return False
        judgement = self._decisions.judge(observation, decision)
        self._decisions.record(observation, judgement, trigger)
        target, self._unfinished = judgement.target, judgement.unfinished
        self._triggers.decided(observation, target, self._observer.interval(first))
        if target is None:
            yield from self._wait_for_change(first, judgement.reason, parts)
            return False
        if judgement.recomputes:
            self._deployment.drop_caches()
        done = yield from self._migrate(
            first, self._put_in_force(first, observation, judgement), target.tolist(), parts
        )
        if not done:
            self._set_back(first)
        return done

    def _wait_for_change(self, first: SequenceStep, reason: str, parts: LatencyParts) -> Process:
        """Wait until a device comes back or goes down: before that, the decision would be the same."""
        fails = self._scenario.controller.on_infeasible == "fail"
        change_s = math.inf if fails else self._outages.next_change(self._env.now)
        if math.isinf(change_s):
            raise RunEndedError(
                "infeasible", f"no placement at token {first.token} of request {first.request}: {reason}"
            )
        self._set_back(first)
        yield from self._wait(first, change_s, parts)

    def _migrate(
        self, first: SequenceStep, moves: Process, devices: Iterable[int], parts: LatencyParts
    ) -> Generator[simpy.Event, Any, bool]:
        """Move blocks, unless one of `devices` or of those in use goes down; whether the moves finished."""
        begun_s = self._env.now
        needed = self._deployment.in_use.union(devices, self._mover.targets)
        done = yield from unless_failing(self._env, self._outages, needed, moves)
        parts.migration_s += self._env.now - begun_s
        self._tell_standing(first, "migration", begun_s)
        return done

    def _tell_standing(self, first: SequenceStep, cause: Cause, begun_s: float) -> None:
        if self._env.now > begun_s:
            standing = Standing(first.request, first.token, cause, begun_s, self._env.now)
            self._run.instrument.stood_still(standing)

    def _put_in_force(self, first: SequenceStep, observation: Observation, judgement: Judgement) -> Process:
        target = judgement.target
        assert target is not None
        if observation.placement is None:
            self._deployment.place(target, judgement.copies)
            return
        moved = np.flatnonzero((target != observation.placement) | observation.lost)
        if self._scenario.controller.migration == "blocking" or observation.lost.any():
            yield from self._mover.move(first, moved, target[moved])
        elif len(moved):
            self._mover.start(first, observation, target)

"""Asks the policy at its intervals and after outages, and carries out its decisions in simulated time."""

import math
from collections.abc import Generator, Iterable
from typing import Any

import numpy as np
import simpy

from headway.simcore.engine.events import LatencyParts
from headway.simcore.engine.outages import Process, unless_failing
from headway.simcore.engine.placement.context import RunContext
from headway.simcore.engine.placement.decisions import Decisions, Judgement
from headway.simcore.engine.placement.migration import Mover
from headway.simcore.engine.placement.triggers import OverflowWatch, Trigger, Triggers
from headway.simcore.engine.placement.waiting import tell_standing, wait, wait_for_source
from headway.simcore.errors import RunEndedError
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
        self._noticed_s = self._begun_s = 0.0
        self._alarmed = self._unfinished = False
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
                yield from wait_for_source(self._run, first, source_s, parts)
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
        """For how many steps, from that of `batch` on, `prepare` does nothing; 0 if it is needed now.

        At most until a sequence ends. This holds as long as each step generates a token of each sequence at work, no
        device goes down or comes back, and `overflow_watch` does not end it.
        """
        first, now = batch[0], self._env.now
        busy = self._mover.busy or self._mover.target is not None or self._deployment.cache_lost
        if busy or self._alarmed or self._due(first) or not self._decisions.up_to_date:
            return 0
        back_s = self._outages.back(self._scenario.cluster.source_index, now)
        if back_s > now or self._outages.next_change(self._noticed_s) <= now:
            return 0
        left = min(self._scenario.requests[one.request].output - one.token for one in batch if one.tokens)
        due = self._observer.interval(first) if self._triggers.watchable else 0
        return left if self._decisions.fixed else min(left, due)

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

    def _trigger(self, batch: Batch) -> Trigger | None:
        placement = self._deployment.placement
        count = self._observer.interval(batch[0])
        return None if placement is None else self._triggers.fired(batch, placement, count)

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
            first,
            _put_in_force(self._run, self._mover, first, observation, judgement),
            target.tolist(),
            parts,
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
        yield from wait(self._run, first, change_s, parts)

    def _migrate(
        self, first: SequenceStep, moves: Process, devices: Iterable[int], parts: LatencyParts
    ) -> Generator[simpy.Event, Any, bool]:
        """Move blocks, unless one of `devices` or of those in use goes down; whether the moves finished."""
        begun_s = self._env.now
        needed = self._deployment.in_use.union(devices, self._mover.targets)
        done = yield from unless_failing(self._env, self._outages, needed, moves)
        parts.migration_s += self._env.now - begun_s
        tell_standing(self._run, first, "migration", begun_s)
        return done


def _put_in_force(
    run: RunContext, mover: Mover, first: SequenceStep, observation: Observation, judgement: Judgement
) -> Process:
    """Place all blocks if there was no placement, or move blocks, under `live` migration beside decoding."""
    target = judgement.target
    assert target is not None
    if observation.placement is None:
        run.deployment.place(target, judgement.copies)
        return
    moved = np.flatnonzero((target != observation.placement) | observation.lost)
    if not len(moved):
        return
    if run.scenario.controller.migration == "blocking" or observation.lost.any():
        yield from mover.move(first, moved, target[moved])
    else:
        mover.start(first, observation, target)

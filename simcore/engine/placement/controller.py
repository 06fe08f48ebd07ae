"""When policies are asked, what they are shown, and what becomes of their decision_validation."""

import math
import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import simpy

from simcore import predict
from simcore.arrays import IntArray, sealed
from simcore.engine.decode import Events
from simcore.engine.outages import Outages, reached, unless_failing
from simcore.engine.placement import decision_validation, policy_timeout
from simcore.engine.placement.deployment import Deployment
from simcore.engine.placement.migration import Mover, load_seconds
from simcore.errors import PolicyError, RunEndedError
from simcore.instrument import Asked, Cause, Probe, Standing
from simcore.observe import Decision, Keep, Observation, Placement, Policy, Step
from simcore.results import Recorder
from simcore.scenario import Request, Scenario, Turn
from simcore.world.cost import refill
from traces.errors import told

_MOST_SETBACKS = 1000
"""So often in a row a token may be held up by devices that go down; then it is taken never to be made."""


@dataclass
class Standstill:
    """Time in which decoding stood still before a token, or was in vain.

    Attributes:
        decision_s: a decision was charged to simulated time.
        migration_s: blocks moved.
        fault_s: a device was waited for, or a token begun that a device that went down put an end to.
    """

    decision_s: float = 0.0
    migration_s: float = 0.0
    fault_s: float = 0.0


class Controller:
    """Observes, asks the policy, and has blocks moved."""

    def __init__(
        self,
        env: simpy.Environment,
        scenario: Scenario,
        policy: Policy,
        deployment: Deployment,
        mover: Mover,
        recorder: Recorder,
        outages: Outages,
        probe: Probe | None = None,
        decision_limit_s: float | None = None,
    ) -> None:
        self._env = env
        self._probe = probe
        self._scenario = scenario
        self._policy = policy
        self._name = decision_validation.name_of(policy)
        self._deployment = deployment
        self._mover = mover
        self._recorder = recorder
        self._outages = outages
        self._deadline = policy_timeout.Deadline(decision_limit_s)
        self._load_seconds = sealed(load_seconds(scenario))
        self._recorded: IntArray | None = None
        self._noticed_s = 0.0
        self._alarmed = False
        self._setbacks = 0

    def prepare(self, turn: Turn, still: Standstill) -> Events:
        """See to it that the token can be made.

        Waits for the source, completes a migration, asks the policy if it is time to or a device in use has gone down,
        and has blocks moved: again and again until nothing comes in between. While blocks move beside the decoding the
        policy is not asked.

        Args:
            turn: the token.
            still: receives the time that passes.

        Raises:
            RunEndedError: there is no placement to go on with.
        """
        due = turn.generated % self._scenario.controller.interval == 0
        while True:
            self._notice(turn)
            source_s = self._outages.back(self._scenario.cluster.source_index, self._env.now)
            if source_s > self._env.now:
                yield from self._wait_for_source(source_s, still)
            elif self._mover.ready:
                yield from self._migrate(self._mover.switch(), (), still)
            elif self._alarmed or (due and not self._mover.busy):
                done = yield from self._plan(turn, still)
                due, self._alarmed = not done, not done
            else:
                break
        self._record_placement(turn)

    def made(self) -> None:
        """The token was made."""
        self._setbacks = 0

    def close(self) -> None:
        """The policy will not be asked any more."""
        self._deadline.close()

    def _notice(self, turn: Turn) -> None:
        """Find out what has gone down since the last time, and what is lost by that."""
        since_s, self._noticed_s = self._noticed_s, self._env.now
        if self._outages.next_failure(self._mover.targets, since_s) <= self._env.now:
            self._mover.abandon()
        for device in sorted(self._outages.devices & self._deployment.in_use):
            failed_s = self._outages.failure(device, since_s)
            if failed_s <= self._env.now:
                self._mover.abandon()
                self._lose(turn, device, failed_s)

    def _lose(self, turn: Turn, device: int, failed_s: float) -> None:
        had_cache = not self._deployment.cache_lost
        lost = self._deployment.lose(device)
        self._recorder.add(
            "faults",
            turn.number,
            turn.generated,
            failed_s,
            self._scenario.cluster.names[device],
            lost,
            had_cache and self._deployment.cache_lost,
        )
        self._set_back(turn)

    def _set_back(self, turn: Turn) -> None:
        self._alarmed = True
        self._setbacks += 1
        if self._setbacks > _MOST_SETBACKS:
            raise RunEndedError(
                "stalled",
                f"token {turn.generated} of request {turn.number} was held up {_MOST_SETBACKS} times in a row "
                f"by devices that went down, the last time at {self._env.now:.6g} s",
            )

    def _wait_for_source(self, back_s: float, still: Standstill) -> Events:
        if math.isinf(back_s):
            name = self._scenario.cluster.source
            raise RunEndedError("stalled", f"the source {name!r} is down from {self._env.now:.6g} s on")
        yield from self._wait(back_s, still)

    def _wait(self, until_s: float, still: Standstill) -> Events:
        begun_s = self._env.now
        yield reached(self._env, until_s)
        still.fault_s += self._env.now - begun_s
        self._tell_standing("fault", begun_s)

    def _plan(self, turn: Turn, still: Standstill) -> Generator[simpy.Event, Any, bool]:
        """Ask the policy and do what it says; whether that was possible, or it must be asked again."""
        seen = self.observe(turn)
        begun = time.perf_counter()
        decision = self._ask(seen)
        wall_s = time.perf_counter() - begun
        self._recorder.add("timings", turn.number, turn.generated, wall_s)
        charged_s = self._charge(wall_s)
        if charged_s > 0.0:
            yield self._env.timeout(charged_s)
        still.decision_s += charged_s
        if self._outages.next_change(seen.time_s) <= self._env.now:
            reason = "a device went down or came back while it was decided"
            self._record_decision(seen, None, "infeasible", reason)
            self._set_back(turn)
            return False
        target, outcome, reason = self._judge(seen, decision)
        self._record_decision(seen, target, outcome, reason)
        if target is None:
            yield from self._wait_for_change(turn, reason, still)
            return False
        done = yield from self._migrate(self._put_in_force(turn, seen, target), target.tolist(), still)
        if not done:
            self._set_back(turn)
        return done

    def _ask(self, seen: Observation) -> Decision:
        """What the policy decides.

        Raises:
            PolicyError: it raises instead, or takes too long.
        """
        try:
            # What the policy has numpy do about overflows and the like is its own affair.
            with np.errstate():
                return self._deadline.call(lambda: decision_validation.decided(self._policy, seen))
        except (KeyboardInterrupt, policy_timeout.Interruption):
            raise
        except policy_timeout.OverdueError as error:
            place = "" if error.__cause__ is None else decision_validation.place(error.__cause__, _OURS)
            found = f"{error}" + (place and f", stopped at {place}")
            accepted = "an answer in time; --decision-limit, or decision_limit_s in Python, allows more"
            raise self._mistake(seen, found, accepted) from error.__cause__
        except BaseException as error:
            place = decision_validation.place(error, _OURS)
            found = told(error) + (place and f", raised at {place}")
            raise self._mistake(seen, found, "a Placement, Keep or Infeasible, and no exception") from error

    def _mistake(self, seen: Observation, found: str, accepted: str) -> PolicyError:
        return PolicyError(self._name, seen.request, seen.generated, seen.time_s, found, accepted)

    def _wait_for_change(self, turn: Turn, reason: str, still: Standstill) -> Events:
        """Wait until a device comes back or goes down: only then may there be another answer."""
        fails = self._scenario.controller.on_infeasible == "fail"
        change_s = math.inf if fails else self._outages.next_change(self._env.now)
        if math.isinf(change_s):
            raise RunEndedError(
                "infeasible", f"no placement at token {turn.generated} of request {turn.number}: {reason}"
            )
        self._set_back(turn)
        yield from self._wait(change_s, still)

    def _migrate(
        self, moves: Events, devices: Iterable[int], still: Standstill
    ) -> Generator[simpy.Event, Any, bool]:
        """Have blocks moved, unless one of `devices` or of those in use goes down; whether it was done."""
        begun_s = self._env.now
        needed = self._deployment.in_use.union(devices, self._mover.targets)
        done = yield from unless_failing(self._env, self._outages, needed, moves)
        still.migration_s += self._env.now - begun_s
        self._tell_standing("migration", begun_s)
        return done

    def _tell_standing(self, cause: Cause, begun_s: float) -> None:
        if self._probe is not None and self._env.now > begun_s:
            self._probe(Standing(cause, begun_s, self._env.now))

    def _put_in_force(self, turn: Turn, seen: Observation, target: IntArray) -> Events:
        if seen.placement is None:
            self._deployment.place(target)
            return
        moved = np.flatnonzero((target != seen.placement) | seen.lost)
        if self._scenario.controller.migration == "blocking" or seen.lost.any():
            yield from self._mover.move(turn, moved, target[moved])
        elif len(moved):
            self._mover.start(turn, moved, target[moved])

    def observe(self, turn: Turn) -> Observation:
        """What the policy may see before the token."""
        scenario, now = self._scenario, self._env.now
        cluster, kind = scenario.cluster, scenario.block_table.kind
        request, generated = turn.request, turn.generated
        interval = scenario.controller.interval
        count = min(interval - generated % interval, request.output - generated)
        last = scenario.cost.step(request.prompt, generated + count - 1)
        return Observation(
            time_s=now,
            request=turn.number,
            generated=generated,
            blocks=scenario.block_table,
            device_names=cluster.names,
            source=cluster.source_index,
            capacity_bytes=cluster.memory_bytes,
            available_bytes=cluster.available_bytes(now),
            flops=cluster.flops,
            memory_bandwidth=cluster.memory_bandwidth,
            overhead_s=cluster.overhead_s,
            disk_bandwidth=cluster.disk_bandwidth,
            availability=cluster.availability(now, scenario.controller.window_s),
            rate=cluster.rates(now, scenario.controller.window_s),
            latency_s=cluster.latency_s,
            steps=self._steps(request, generated, count),
            memory_bytes=sealed(last.memory_bytes[kind]),
            moving_bytes=sealed(self._deployment.moving_bytes),
            load_seconds=self._load_seconds,
            up=cluster.up(now),
            lost=sealed(self._deployment.lost.copy()),
            placement=self._deployment.placement,
            overflow=scenario.memory.overflow,
            migration=scenario.controller.migration,
        )

    def _steps(self, request: Request, generated: int, count: int) -> tuple[Step, ...]:
        cost = self._scenario.cost
        if generated == 0 or self._deployment.cache_lost:
            prefill = Step(refill(cost, request.prompt, generated), 1)
            if count == 1:
                return (prefill,)
            return (prefill, Step(cost.step(request.prompt, generated + count // 2), count - 1))
        return (Step(cost.step(request.prompt, generated + (count - 1) // 2), count),)

    def _charge(self, wall_s: float) -> float:
        rule = self._scenario.controller.decision_time
        if rule == "free":
            return 0.0
        return wall_s if rule == "measured" else float(rule)

    def _judge(self, seen: Observation, decision: Decision) -> tuple[IntArray | None, str, str]:
        """The placement to go on with (None: there is none), the outcome, and the reason for it."""
        reason = decision_validation.objection(seen, decision)
        if isinstance(decision, Keep) and not reason:
            return seen.placement, "kept", ""
        if isinstance(decision, Placement) and not reason:
            same = seen.placement is not None and np.array_equal(decision.devices, seen.placement)
            return decision.devices, "kept" if same else "adopted", ""
        if self._scenario.controller.on_infeasible == "fail":
            return None, "infeasible", reason
        target = seen.placement
        if target is None and isinstance(decision, Placement):
            # A complete placement that is only too large: there is nothing else to go on with, so the
            # overflow rule decides what becomes of it.
            target = decision.devices
        if target is not None and not seen.up[target].all():
            target = None
        return target, "infeasible", reason

    def _record_decision(self, seen: Observation, target: IntArray | None, outcome: str, reason: str) -> None:
        moved = 0
        if target is not None and seen.placement is not None:
            moved = int(((target != seen.placement) | seen.lost).sum())
        self._recorder.add(
            "decisions",
            seen.request,
            seen.generated,
            seen.time_s,
            "fault" if self._alarmed else "interval",
            outcome,
            reason,
            moved,
            None if target is None else predict.interval_delay(seen, target),
            None if target is None else predict.migration_delay(seen, target),
        )
        if self._probe is not None:
            self._probe(
                Asked(
                    seen.request, seen.generated, seen.time_s, self._env.now, outcome, reason, moved, target
                )
            )

    def _record_placement(self, turn: Turn) -> None:
        """Write down the placement of the token, if it is not that of the token before."""
        placement = self._deployment.placement
        if placement is None or placement is self._recorded:
            return
        self._recorded = placement
        names = self._scenario.cluster.names
        self._recorder.add_many(
            "placements",
            len(placement),
            turn.number,
            turn.generated,
            list(self._scenario.block_table.names),
            [names[device] for device in placement.tolist()],
        )


_OURS = frozenset((__file__, decision_validation.__file__, policy_timeout.__file__))
"""Through these files the way leads to a policy's code."""

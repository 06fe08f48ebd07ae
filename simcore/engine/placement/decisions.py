"""Observe the world, ask the policy, and judge and record its decisions; none of this takes simulated time."""

import time
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from headway.simcore import predict
from headway.simcore.arrays import IntArray, immutable, sealed
from headway.simcore.engine.network.network import SHARING_RULES, shared_cluster
from headway.simcore.engine.placement import decision_validation, policy_timeout
from headway.simcore.engine.placement.context import RunContext
from headway.simcore.engine.placement.migration import load_seconds
from headway.simcore.engine.placement.triggers import Trigger
from headway.simcore.errors import PolicyError
from headway.simcore.instrument import Asked
from headway.simcore.observe import Decision, Keep, Observation, Placement, Policy, Step
from headway.simcore.world.batch import Batch, SequenceStep, later
from headway.simcore.world.device_time import DEVICE_TIMES
from headway.traces.errors import told


@dataclass(frozen=True, eq=False)
class Judgement:
    """How a decision is carried out.

    Attributes:
        target: the next placement, shape (blocks,); None: there is none.
        outcome: as in the table `decisions`.
        reason: why the decision, or a part of it, cannot be followed; empty if it can.
    """

    target: IntArray | None
    outcome: str
    reason: str = ""


class Decisions:
    """Observes the world for a policy, asks it, judges its answers and records them.

    Args:
        run: the run.
        policy: the policy.
        limit_s: wall time that it may take for one decision [s]; None for no limit.
    """

    def __init__(self, run: RunContext, policy: Policy, limit_s: float | None) -> None:
        self._run = run
        self._scenario = run.scenario
        self._deployment = run.deployment
        self._policy = policy
        self._name = decision_validation.name_of(policy)
        self._timeout = policy_timeout.Deadline(limit_s)
        self._device_time = DEVICE_TIMES.find(run.scenario.device_time)
        self._load_seconds = immutable(load_seconds(run.scenario))
        self._recorded: IntArray | None = None

    def close(self) -> None:
        """End the thread in which the policy is called."""
        self._timeout.close()

    def observe(self, batch: Batch) -> Observation:
        """The observation before a step."""
        scenario, now = self._scenario, self._run.env.now
        cluster, kind = scenario.cluster, scenario.block_table.kind
        shared = shared_cluster(cluster, scenario.network.sharing)
        first, count = batch[0], self._horizon(batch[0])
        last = scenario.cost.step(later(batch, count - 1))
        steps = self._steps_of(self._deployment.due(batch), count)
        unused = cluster.available_bytes(now) - cluster.runtime_bytes
        available = np.maximum(unused - max(step.cost.activation_bytes for step in steps), 0.0)
        return Observation(
            time_s=now,
            request=first.request,
            generated=first.token,
            blocks=scenario.block_table,
            step_graphs=scenario.step_graphs,
            device_time=self._device_time,
            device_names=cluster.names,
            source=cluster.source_index,
            capacity_bytes=cluster.memory_bytes,
            available_bytes=sealed(available),
            reserved_bytes=sealed(unused - available),
            flops=cluster.flops,
            memory_bandwidth=cluster.memory_bandwidth,
            overhead_s=cluster.overhead_s,
            disk_bandwidth=cluster.disk_bandwidth,
            availability=cluster.availability(now, scenario.controller.window_s),
            rate=shared.rates(now, scenario.controller.window_s),
            crossings=shared.crossings(now, scenario.controller.window_s),
            sharing=SHARING_RULES.find(scenario.network.sharing).shared,
            latency_s=cluster.latencies(now, scenario.controller.window_s),
            steps=steps,
            memory_bytes=sealed(last.memory_bytes[kind]),
            moving_bytes=sealed(self._deployment.moving_bytes),
            load_seconds=self._load_seconds,
            up=cluster.up(now),
            lost=sealed(self._deployment.lost.copy()),
            placement=self._deployment.placement,
            overflow=scenario.memory.overflow,
            swap=scenario.memory.swap,
            migration=scenario.controller.migration,
            moves=scenario.controller.moves,
            pinned=scenario.placement,
            batch=batch,
        )

    def interval(self, first: SequenceStep) -> int:
        """Tokens until the next decision is due."""
        interval = self._scenario.controller.interval
        return min(interval - first.token % interval, self._limit(first))

    def _limit(self, first: SequenceStep) -> int:
        """Tokens that the request may still generate."""
        return self._scenario.requests[first.request].output - first.token

    def _horizon(self, first: SequenceStep) -> int:
        """Tokens that a decision plans for."""
        horizon = self._scenario.controller.horizon
        if horizon == "interval":
            return self.interval(first)
        if horizon == "mean":
            return max(1, round(self._mean_output) - first.token)
        if horizon == "generated":
            return max(1, first.token)
        limit = self._limit(first)
        return limit if horizon == "limit" else min(horizon, limit)

    @cached_property
    def _mean_output(self) -> float:
        requests = self._scenario.requests
        return sum(request.output for request in requests) / len(requests)

    def _steps_of(self, batch: Batch, count: int) -> tuple[Step, ...]:
        """Consecutive tokens as its prefill, if the next step is one, and decode steps of mean length."""
        cost = self._scenario.cost
        if not any(one.tokens > 1 or not one.cached for one in batch if one.tokens):
            return (Step(cost.step(later(batch, (count - 1) // 2)), count),)
        prefill = Step(cost.step(batch), 1)
        if count == 1:
            return (prefill,)
        return (prefill, Step(cost.step(later(batch, count // 2)), count - 1))

    def ask(self, seen: Observation) -> tuple[Decision, float]:
        """Ask the policy; its decision and the wall time that it took [s].

        Raises:
            PolicyError: the policy raises an exception, or exceeds the time limit.
        """
        begun = time.perf_counter()
        decision = self._decided(seen)
        wall_s = time.perf_counter() - begun
        self._run.recorder.add("timings", seen.request, seen.generated, wall_s)
        return decision, wall_s

    def _decided(self, seen: Observation) -> Decision:
        try:
            # Let the policy change how NumPy treats overflows, without an effect outside.
            with np.errstate():
                return self._timeout.call(lambda: decision_validation.decided(self._policy, seen))
        except KeyboardInterrupt:
            raise
        except policy_timeout.OverdueError as error:
            place = decision_validation.place(error, _OURS)
            got = f"{error}" + (place and f", stopped at {place}")
            expected = (
                "a decision within the limit (raise it by --decision-limit, or decision_limit_s in Python)"
            )
            raise self._mistake(seen, got, expected) from None
        except BaseException as error:
            place = decision_validation.place(error, _OURS)
            got = told(error) + (place and f", raised at {place}")
            raise self._mistake(seen, got, "a Placement, Keep or Infeasible") from error

    def _mistake(self, seen: Observation, got: str, expected: str) -> PolicyError:
        return PolicyError(self._name, seen.request, seen.generated, seen.time_s, got, expected)

    def charged_s(self, wall_s: float) -> float:
        """The simulated time that a decision costs [s]."""
        rule = self._scenario.controller.decision_time
        if rule == "free":
            return 0.0
        return wall_s if rule == "measured" else float(rule)

    def judge(self, seen: Observation, decision: Decision) -> Judgement:
        """Decide how a decision is carried out."""
        reason = decision_validation.objection(seen, decision)
        if isinstance(decision, Keep) and not reason:
            return Judgement(seen.placement, "kept")
        if isinstance(decision, Placement) and not reason:
            reached = predict.reachable(seen, decision.devices)
            same = seen.placement is not None and np.array_equal(reached, seen.placement)
            stuck = int((reached != decision.devices).sum())
            reason = f"{stuck} moves never find room at both ends" if stuck else ""
            return Judgement(reached, "kept" if same else "adopted", reason)
        if self._scenario.controller.on_infeasible == "fail":
            return Judgement(None, "infeasible", reason)
        target = seen.placement
        if target is None and isinstance(decision, Placement):
            # A complete placement that is only too large, and there is no other placement: apply it, and
            # let the overflow rule act.
            target = decision.devices
        if target is not None and not seen.up[target].all():
            target = None
        return Judgement(target, "infeasible", reason)

    def record(self, seen: Observation, judgement: Judgement, trigger: Trigger) -> None:
        """Record a decision with its trigger and its predicted delays."""
        target, moved = judgement.target, 0
        count = self.interval(seen.batch[0])
        interval = replace(seen, steps=self._steps_of(self._deployment.due(seen.batch), count))
        if target is not None and seen.placement is not None:
            moved = int(((target != seen.placement) | seen.lost).sum())
        self._run.recorder.add(
            "decisions",
            seen.request,
            seen.generated,
            seen.time_s,
            trigger,
            judgement.outcome,
            judgement.reason,
            moved,
            None if target is None else predict.shared_delay(interval, target),
            None if target is None else predict.migration_delay(seen, target),
        )
        asked = seen.request, seen.generated, seen.time_s, self._run.env.now
        self._run.instrument.policy_asked(Asked(*asked, judgement.outcome, judgement.reason, moved, target))

    def record_placement(self, first: SequenceStep) -> None:
        """Record the placement of a step if it differs from that of the step before."""
        placement = self._deployment.placement
        if placement is None or placement is self._recorded:
            return
        self._recorded = placement
        names = self._scenario.cluster.names
        self._run.recorder.add_many(
            "placements",
            len(placement),
            first.request,
            first.token,
            list(self._scenario.block_table.names),
            [names[device] for device in placement.tolist()],
        )


_OURS = frozenset((__file__, decision_validation.__file__))
"""Our files in the call stack of a policy."""

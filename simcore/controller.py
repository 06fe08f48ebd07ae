"""When policies are asked, what they are shown, and what becomes of their answers."""

import time
from dataclasses import dataclass

import numpy as np
import simpy

from simcore import predict
from simcore.arrays import IntArray, sealed
from simcore.decode import Events
from simcore.deployment import Deployment
from simcore.migration import Mover, load_seconds
from simcore.observe import Decision, Infeasible, Keep, Observation, Placement, Policy, Step
from simcore.outcome import RunEndedError
from simcore.results import Recorder
from simcore.scenario import Request, Scenario, Turn


@dataclass
class Standstill:
    """Time in which decoding stood still before a token."""

    decision_s: float = 0.0
    migration_s: float = 0.0


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
    ) -> None:
        self._env = env
        self._scenario = scenario
        self._policy = policy
        self._deployment = deployment
        self._mover = mover
        self._recorder = recorder
        self._load_seconds = sealed(load_seconds(scenario))
        self._recorded: IntArray | None = None

    def prepare(self, turn: Turn, still: Standstill) -> Events:
        """See to it that the token can be made: complete a migration, decide and migrate if it is time to.

        While blocks move beside the decoding the policy is not asked.

        Args:
            turn: the token.
            still: receives the time that passes.

        Raises:
            RunEndedError: there is no placement to go on with.
        """
        begun_s = self._env.now
        if self._mover.ready:
            yield from self._mover.switch()
        still.migration_s += self._env.now - begun_s
        if turn.generated % self._scenario.interval == 0 and not self._mover.busy:
            yield from self._plan(turn, still)
        self._record_placement(turn)

    def _plan(self, turn: Turn, still: Standstill) -> Events:
        seen = self.observe(turn)
        begun = time.perf_counter()
        decision = self._policy.decide(seen)
        wall_s = time.perf_counter() - begun
        self._recorder.add("timings", turn.number, turn.generated, wall_s)
        charged_s = self._charge(wall_s)
        if charged_s > 0.0:
            yield self._env.timeout(charged_s)
        still.decision_s += charged_s
        target, outcome, reason = self._judge(seen, decision)
        self._record_decision(seen, target, outcome, reason)
        if target is None:
            raise RunEndedError(
                "infeasible", f"no placement at token {turn.generated} of request {turn.number}: {reason}"
            )
        begun_s = self._env.now
        yield from self._put_in_force(turn, seen, target)
        still.migration_s += self._env.now - begun_s

    def _put_in_force(self, turn: Turn, seen: Observation, target: IntArray) -> Events:
        if seen.placement is None:
            self._deployment.place(target)
            return
        moved = np.flatnonzero(target != seen.placement)
        if self._scenario.migration == "blocking":
            yield from self._mover.move(turn, moved, target[moved])
        elif len(moved):
            self._mover.start(turn, moved, target[moved])

    def observe(self, turn: Turn) -> Observation:
        """What the policy may see before the token."""
        scenario, now = self._scenario, self._env.now
        cluster, kind = scenario.cluster, scenario.blocks.kind
        request, generated = turn.request, turn.generated
        count = min(scenario.interval, request.output - generated)
        last = scenario.cost.step(request.prompt, generated + count - 1)
        return Observation(
            time_s=now,
            request=turn.number,
            generated=generated,
            blocks=scenario.blocks,
            device_names=cluster.names,
            source=cluster.source_index,
            capacity_bytes=cluster.memory_bytes,
            available_bytes=cluster.available_bytes(now),
            flops=cluster.flops,
            memory_bandwidth=cluster.memory_bandwidth,
            overhead_s=cluster.overhead_s,
            disk_bandwidth=cluster.disk_bandwidth,
            availability=cluster.availability(now, scenario.window_s),
            rate=cluster.rates(now, scenario.window_s),
            latency_s=cluster.latency_s,
            steps=self._steps(request, generated, count),
            memory_bytes=sealed(last.memory_bytes[kind]),
            moving_bytes=sealed(self._deployment.moving_bytes),
            load_seconds=self._load_seconds,
            placement=self._deployment.placement,
            overflow=scenario.overflow,
            migration=scenario.migration,
        )

    def _steps(self, request: Request, generated: int, count: int) -> tuple[Step, ...]:
        cost = self._scenario.cost
        if generated == 0:
            prefill = Step(cost.step(request.prompt, 0), 1)
            if count == 1:
                return (prefill,)
            return (prefill, Step(cost.step(request.prompt, count // 2), count - 1))
        return (Step(cost.step(request.prompt, generated + (count - 1) // 2), count),)

    def _charge(self, wall_s: float) -> float:
        rule = self._scenario.decision_time
        if rule == "free":
            return 0.0
        return wall_s if rule == "measured" else float(rule)

    def _judge(self, seen: Observation, decision: Decision) -> tuple[IntArray | None, str, str]:
        """The placement to go on with (None: there is none), the outcome, and the reason for it."""
        if isinstance(decision, Keep):
            if seen.placement is not None:
                return seen.placement, "kept", ""
            decision = Infeasible("asked to keep a placement before there is one")
        reason = decision.reason if isinstance(decision, Infeasible) else _complaint(seen, decision)
        if isinstance(decision, Placement) and not reason:
            target = np.array(decision.devices, dtype=np.int64)
            same = seen.placement is not None and np.array_equal(target, seen.placement)
            return target, "kept" if same else "adopted", ""
        if self._scenario.on_infeasible == "fail":
            return None, "infeasible", reason
        if seen.placement is None and isinstance(decision, Placement) and _is_placement(seen, decision):
            # A complete placement that is only too large: there is nothing else to go on with, so the
            # overflow rule decides what becomes of it.
            return np.array(decision.devices, dtype=np.int64), "infeasible", reason
        return seen.placement, "infeasible", reason

    def _record_decision(self, seen: Observation, target: IntArray | None, outcome: str, reason: str) -> None:
        moved = 0 if target is None or seen.placement is None else int((target != seen.placement).sum())
        self._recorder.add(
            "decisions",
            seen.request,
            seen.generated,
            seen.time_s,
            outcome,
            reason,
            moved,
            None if target is None else predict.interval_delay(seen, target),
            None if target is None else predict.migration_delay(seen, target),
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
            list(self._scenario.blocks.names),
            [names[device] for device in placement.tolist()],
        )


def _is_placement(seen: Observation, decision: Placement) -> bool:
    devices = np.asarray(decision.devices)
    return (
        devices.shape == (len(seen.blocks),)
        and np.issubdtype(devices.dtype, np.integer)
        and bool(np.all((devices >= 0) & (devices < seen.devices)))
    )


def _complaint(seen: Observation, decision: Placement) -> str:
    """What is wrong with a placement; empty when nothing is."""
    devices = np.asarray(decision.devices)
    if devices.shape != (len(seen.blocks),):
        return f"{devices.shape} devices given for {len(seen.blocks)} blocks"
    if not _is_placement(seen, decision):
        return f"devices must be whole numbers from 0 to {seen.devices - 1}"
    excess = predict.held_bytes(seen, devices) - seen.available_bytes
    worst = int(excess.argmax())
    if excess[worst] > predict.TOLERANCE_BYTES:
        return f"{excess[worst]:.0f} bytes too many on {seen.device_names[worst]!r}"
    excess = predict.excess_on_the_way(seen, devices)
    worst = int(excess.argmax())
    if excess[worst] > predict.TOLERANCE_BYTES:
        return f"{excess[worst]:.0f} bytes too many on {seen.device_names[worst]!r} while blocks move"
    return ""

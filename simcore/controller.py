"""When policies are asked, what they are shown, and what becomes of their answers."""

import time
from collections.abc import Generator
from typing import Any

import numpy as np
import simpy

from simcore import predict
from simcore.arrays import FloatArray, IntArray, sealed
from simcore.decode import Pipeline, pipeline
from simcore.memory import MemoryLedger
from simcore.network import Network
from simcore.observe import Decision, Infeasible, Keep, Observation, Placement, Policy, Step
from simcore.outcome import RunEndedError
from simcore.results import Recorder
from simcore.scenario import Request, Scenario


class Controller:
    """Observes, asks the policy, and moves blocks before decoding goes on."""

    def __init__(
        self,
        env: simpy.Environment,
        scenario: Scenario,
        policy: Policy,
        network: Network,
        ledger: MemoryLedger,
        recorder: Recorder,
    ) -> None:
        self._env = env
        self._scenario = scenario
        self._policy = policy
        self._network = network
        self._ledger = ledger
        self._recorder = recorder
        self._placement: IntArray | None = None
        self._way: Pipeline | None = None

    @property
    def way(self) -> Pipeline:
        """The placement in force, as a token meets it; there is one as soon as `plan` has been called."""
        assert self._way is not None
        return self._way

    def plan(
        self, number: int, request: Request, generated: int
    ) -> Generator[simpy.Event, Any, tuple[float, float]]:
        """Decide on the interval that begins after `generated` tokens of a request, and migrate.

        Returns:
            How long the decision and the migration took in simulated time [s].

        Raises:
            RunEndedError: there is no placement to go on with.
        """
        seen = self.observe(number, request, generated)
        begun = time.perf_counter()
        decision = self._policy.decide(seen)
        wall_s = time.perf_counter() - begun
        self._recorder.add("timings", number, generated, wall_s)
        charged_s = self._charge(wall_s)
        if charged_s > 0.0:
            yield self._env.timeout(charged_s)
        target, outcome, reason = self._judge(seen, decision)
        if target is None:
            self._recorder.add("decisions", number, generated, seen.time_s, outcome, reason, 0, None, None)
            raise RunEndedError(
                "infeasible", f"no placement at token {generated} of request {number}: {reason}"
            )
        moved = (
            np.flatnonzero(target != seen.placement) if seen.placement is not None else np.array([], np.int64)
        )
        self._recorder.add(
            "decisions",
            number,
            generated,
            seen.time_s,
            outcome,
            reason,
            len(moved),
            predict.interval_delay(seen, target),
            predict.migration_delay(seen, target),
        )
        begun_s = self._env.now
        if seen.placement is None:
            self._ledger.load(target)
        for block in moved.tolist():
            yield from self._migrate(seen, block, int(target[block]))
        if seen.placement is None or len(moved):
            self._adopt(number, generated, target)
        return charged_s, self._env.now - begun_s

    def release(self) -> None:
        """Give all memory back; there is no placement any more."""
        if self._placement is not None:
            self._ledger.unload(self._placement)
        self._placement = self._way = None

    def observe(self, number: int, request: Request, generated: int) -> Observation:
        """What the policy may see before the token that follows `generated` ones."""
        scenario, now = self._scenario, self._env.now
        cluster, kind = scenario.cluster, scenario.blocks.kind
        count = min(scenario.interval, request.output - generated)
        last = scenario.cost.step(request.prompt, generated + count - 1)
        return Observation(
            time_s=now,
            request=number,
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
            moving_bytes=sealed(self._holding(request, generated)[kind]),
            placement=self._placement,
            overflow=scenario.overflow,
        )

    def _steps(self, request: Request, generated: int, count: int) -> tuple[Step, ...]:
        cost = self._scenario.cost
        if generated == 0:
            prefill = Step(cost.step(request.prompt, 0), 1)
            if count == 1:
                return (prefill,)
            return (prefill, Step(cost.step(request.prompt, count // 2), count - 1))
        return (Step(cost.step(request.prompt, generated + (count - 1) // 2), count),)

    def _holding(self, request: Request, generated: int) -> FloatArray:
        """What a block of each kind holds between two tokens, shape (5,)."""
        cost = self._scenario.cost
        return cost.step(request.prompt, generated - 1).memory_bytes if generated else cost.idle_memory_bytes

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

    def _migrate(self, seen: Observation, block: int, new: int) -> Generator[simpy.Event, Any, None]:
        """Send one block to its new device; it is held by the old one until its last byte has arrived."""
        assert seen.placement is not None
        old, size = int(seen.placement[block]), float(seen.moving_bytes[block])
        begun_s = self._env.now
        if size > 0.0:
            yield from self._network.send(old, new, size)
        self._ledger.move(block, old, new)
        self._recorder.add(
            "migrations",
            seen.request,
            seen.generated,
            seen.blocks.names[block],
            seen.device_names[old],
            seen.device_names[new],
            size,
            begun_s,
            self._env.now - begun_s,
        )

    def _adopt(self, number: int, generated: int, target: IntArray) -> None:
        names = self._scenario.cluster.names
        self._placement = sealed(target)
        self._way = pipeline(self._scenario.blocks, target, self._scenario.cluster.source_index)
        self._recorder.add_many(
            "placements",
            len(target),
            number,
            generated,
            list(self._scenario.blocks.names),
            [names[device] for device in target.tolist()],
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
    return ""

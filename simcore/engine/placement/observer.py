"""What a policy sees: the world at an instant, and the costs of the tokens that a decision plans for."""

from functools import cached_property
from typing import Any

import numpy as np

from headway.simcore.arrays import immutable, sealed
from headway.simcore.engine.network.network import SHARING_RULES, shared_cluster
from headway.simcore.engine.placement.context import RunContext
from headway.simcore.engine.placement.forecast import Forecaster
from headway.simcore.engine.placement.migration import load_seconds
from headway.simcore.observe import Observation, Step
from headway.simcore.world.batch import Batch, SequenceStep, later, recomputed
from headway.simcore.world.device_time import DEVICE_TIMES


class Observer:
    """Makes the observations of a run."""

    def __init__(self, run: RunContext) -> None:
        self._run = run
        self._scenario = run.scenario
        self._deployment = run.deployment
        self._device_time = DEVICE_TIMES.find(run.scenario.device_time)
        self._forecaster = Forecaster(run.scenario)
        self._load_seconds = immutable(load_seconds(run.scenario))

    def observe(self, batch: Batch) -> Observation:
        """The observation before a step."""
        scenario, now = self._scenario, self._run.env.now
        cluster, kind = scenario.cluster, scenario.block_table.kind
        shared = shared_cluster(cluster, scenario.network.sharing)
        first, count = batch[0], self._horizon(batch[0])
        last = scenario.step_cost(later(batch, count - 1))
        steps = self.steps(self._deployment.due(batch), count)
        unused = cluster.available_bytes(now) - cluster.runtime_bytes
        reserved = max(step.cost.activation_bytes for step in steps)
        available = np.maximum(unused - reserved, 0.0)
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
            kv_bandwidth=cluster.kv_bandwidth,
            overhead_s=cluster.overhead_s,
            sync_s=cluster.sync_s,
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
            interval=self.interval(first),
            forecast=self._forecaster.periods(now, reserved),
            **self._migration(batch),
        )

    def _migration(self, batch: Batch) -> dict[str, Any]:
        """The fields on copies, caches and pauses."""
        options, deployment = self._scenario.controller, self._deployment
        recomputing = options.caches != "send"
        return {
            "warm_copies": options.warm_copies,
            "copies": sealed(deployment.copies.held.copy()),
            "cache_bytes": sealed(deployment.cache_bytes),
            "caches": options.caches,
            "next_cost": self._scenario.step_cost(deployment.due(batch)) if recomputing else None,
            "recompute_cost": self._scenario.step_cost(recomputed(batch)) if recomputing else None,
            "pause_budget_s": options.pause_budget_s,
        }

    def interval(self, first: SequenceStep) -> int:
        """Tokens until the next decision is due."""
        interval = self._scenario.controller.interval
        return min(interval - first.token % interval, self.left(first))

    def left(self, first: SequenceStep) -> int:
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
        limit = self.left(first)
        return limit if horizon == "limit" else min(horizon, limit)

    @cached_property
    def _mean_output(self) -> float:
        requests = self._scenario.requests
        return sum(request.output for request in requests) / len(requests)

    def steps(self, batch: Batch, count: int) -> tuple[Step, ...]:
        """Consecutive tokens as its prefill, if the next step is one, and decode steps of mean length."""
        cost = self._scenario.step_cost
        if not any(one.tokens > 1 or not one.cached for one in batch if one.tokens):
            return (Step(cost(later(batch, (count - 1) // 2)), count),)
        prefill = Step(cost(batch), 1, self._scenario.step_graphs.pieces(batch))
        if count == 1:
            return (prefill,)
        return (prefill, Step(cost(later(batch, count // 2)), count - 1))

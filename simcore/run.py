"""One run: the requests of a scenario are served step by step."""

import dataclasses
import functools
from collections.abc import Callable, Generator
from typing import Any

import simpy

from headway.simcore.arrays import FloatArray
from headway.simcore.audit import AuditError, Auditor
from headway.simcore.engine.events import LatencyParts, Load, StepInFlight
from headway.simcore.engine.outages import Process, unless_failing
from headway.simcore.engine.placement.context import RunContext
from headway.simcore.engine.placement.controller import Controller
from headway.simcore.engine.placement.decisions import Decisions
from headway.simcore.engine.placement.migration import Mover
from headway.simcore.engine.serving.scheduler import SCHEDULERS
from headway.simcore.engine.serving.serve import Serving
from headway.simcore.errors import RunEndedError, Status
from headway.simcore.instrument import Attempt, Standing
from headway.simcore.recorder import every_label
from headway.simcore.world.batch import Batch, after
from headway.simcore.world.cost import StepCost
from headway.simcore.world.device_time import DEVICE_TIMES
from headway.simcore.world.memory import TOLERANCE_BYTES, disk_seconds, swapped_bytes, swapped_share


class Run:
    """One run, from the first request to the last.

    Attributes:
        tokens: number of tokens made so far.
    """

    def __init__(self, run: RunContext, decisions: Decisions, progress: Callable[[int], None] | None) -> None:
        self._run = run
        self._mover = Mover(run)
        self._controller = Controller(run, decisions, self._mover)
        self._device_time = DEVICE_TIMES.find(run.scenario.device_time)
        self._device_labels = every_label(run.scenario.cluster.names)
        self._progress = progress
        self.tokens = 0

    def go(self, auditor: Auditor | None) -> tuple[Status, str]:
        """Serve all requests and return the final status with its detail.

        Args:
            auditor: inspects the engine after every event; None for a run without audit.
        """
        env, serving = self._run.env, self._serve_all()
        if auditor is not None:
            auditor.watch(env, self._run.deployment, self._mover, self._run.network)
        lawful = True
        try:
            env.run(env.process(serving))
        except RunEndedError as end:
            return end.status, end.detail
        except AuditError:
            lawful = False
            raise
        finally:
            # Where several failures end the run at one moment, SimPy raises in the caller before the serving process.
            serving.close()
            self._controller.close()
            if lawful:  # after an AuditError this might fail and hide it
                self._mover.abandon()
                self._record_links()
        return "complete", ""

    def _serve_all(self) -> Process:
        scheduler = SCHEDULERS.find(self._run.scenario.scheduler, "scheduler")
        yield from Serving(self._run, scheduler, self._step, self._keep).serve()
        self._mover.abandon()
        self._run.deployment.release()

    def _keep(self, cached: Batch) -> None:
        """Sequences have joined or left: blocks now hold the caches of `cached` only."""
        self._run.deployment.keep(cached)
        self._mover.forget_caches()

    def _step(self, batch: Batch) -> Generator[simpy.Event, Any, LatencyParts]:
        """Run one step: place blocks, reserve memory, execute the graph, and record the use of devices."""
        processors, parts = self._run.executor.processors, LatencyParts()
        busy_before = [one.busy_s for one in processors]
        step: StepInFlight | None = None
        while step is None:
            yield from self._controller.prepare(batch, parts)
            use = self._make_room(batch)
            step = yield from self._attempt(batch, use, parts)
        parts.add(step.parts())
        self._run.recorder.add_many(
            "devices",
            len(processors),
            batch[0].request,
            batch[0].token,
            self._device_labels,
            use.held_bytes,
            use.available,
            use.swapped,
            [one.busy_s - before for one, before in zip(processors, busy_before, strict=True)],
        )
        self.tokens += sum(one.makes_token for one in batch)
        if self._progress is not None:
            self._progress(self.tokens)
        return parts

    def _make_room(self, batch: Batch) -> "_MemoryUse":
        """Let blocks grow to their size at the end of the step, and return the memory use of devices.

        Raises:
            RunEndedError: a device holds more than it can and the scenario does not let it swap.
        """
        deployment, scenario = self._run.deployment, self._run.scenario
        cost = scenario.cost.step(deployment.due(batch))
        deployment.make_room(cost)
        ledger, available = deployment.ledger, scenario.cluster.available_bytes(self._run.env.now)
        deployment.fit_copies(available)
        use = _MemoryUse(cost, ledger.of_blocks(), ledger.beside(), available)
        excess = use.held_bytes - available
        worst = int(excess.argmax())
        if scenario.memory.overflow == "fail" and excess[worst] > TOLERANCE_BYTES:
            deployment.give_up_step()
            raise RunEndedError(
                "out-of-memory",
                f"device {scenario.cluster.names[worst]!r} lacks {excess[worst]:.0f} bytes "
                f"for token {batch[0].token} of request {batch[0].request} at {self._run.env.now:.6g} s",
            )
        return use

    def _attempt(
        self, batch: Batch, use: "_MemoryUse", parts: LatencyParts
    ) -> Generator[simpy.Event, Any, StepInFlight | None]:
        """Run the step under the placement in force; None if a device went down during it."""
        env, deployment, instrument = self._run.env, self._run.deployment, self._run.instrument
        begun_s = env.now
        assert deployment.placement is not None
        instrument.step_begins(Attempt(batch, begun_s, deployment.placement))
        step = self._run.executor.step(deployment.graph, self._load(use), batch)
        if (yield from unless_failing(env, self._run.outages, deployment.in_use, step.run())):
            due = deployment.due(batch)
            deployment.hold(after(batch), use.cost.memory_bytes)
            self._controller.made(due)
            return step
        deployment.give_up_step()
        parts.fault_s += env.now - begun_s
        instrument.stood_still(Standing(batch[0].request, batch[0].token, "fault", begun_s, env.now))
        return None

    def _load(self, use: "_MemoryUse") -> Load:
        """The costs of the tasks and messages of the step on fully available devices."""
        cluster, graph = self._run.scenario.cluster, self._run.deployment.graph
        nominal_s = graph.task_seconds(*self._device_time.times(use.cost, cluster))
        disk_s = [0.0] * len(graph)
        memory = self._run.scenario.memory
        if memory.overflow == "swap" and use.swapped.any():
            share = swapped_share(use.of_blocks, use.room, memory.swap)
            each_s = disk_seconds(use.cost.memory_bytes, share, cluster.disk_bandwidth)
            disk_s = graph.task_seconds(each_s).tolist()
        return Load(nominal_s.tolist(), disk_s, graph.message_bytes(use.cost).tolist())

    def _record_links(self) -> None:
        for (i, forward), carried in sorted(self._run.network.carried.items()):
            link = self._run.scenario.cluster.links[i]
            start, end = link.ends if forward else link.ends[::-1]
            self._run.recorder.add(
                "links", link.name, start, end, carried.messages, carried.size_bytes, carried.busy_s
            )


@dataclasses.dataclass(frozen=True, eq=False)
class _MemoryUse:
    """The cost of a step, and the bytes on each device during it, shape (devices,)."""

    cost: StepCost
    of_blocks: FloatArray
    beside: FloatArray
    available: FloatArray

    @functools.cached_property
    def held_bytes(self) -> FloatArray:
        return self.of_blocks + self.beside

    @property
    def room(self) -> FloatArray:
        """Bytes available for blocks."""
        return self.available - self.beside

    @functools.cached_property
    def swapped(self) -> FloatArray:
        return swapped_bytes(self.of_blocks, self.room)

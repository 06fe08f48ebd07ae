"""One run: the requests of a scenario are served step by step."""

import dataclasses
import functools
import math
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import simpy

from headway.simcore.arrays import FloatArray
from headway.simcore.audit import AuditError, Auditor
from headway.simcore.engine.compiled.stretch_rows import StretchRows
from headway.simcore.engine.device_rows import DeviceRows
from headway.simcore.engine.events import LatencyParts, Load, until_done
from headway.simcore.engine.outages import Process, unless_failing
from headway.simcore.engine.placement.context import RunContext
from headway.simcore.engine.placement.controller import Controller
from headway.simcore.engine.placement.decisions import Decisions
from headway.simcore.engine.placement.migration import Mover
from headway.simcore.engine.serving.scheduler import SCHEDULERS
from headway.simcore.engine.serving.serve import Ended, Serving
from headway.simcore.engine.stretch import FIRST_STEPS, GROWTH, MOST_STEPS, Stretch, stretch_from
from headway.simcore.errors import RunEndedError, Status
from headway.simcore.instrument import Attempt, Standing
from headway.simcore.steps.graph import StepGraph
from headway.simcore.world.batch import Batch, after, later
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
        self._device_rows = DeviceRows(run)
        self._progress = progress
        self._longest = FIRST_STEPS
        self.tokens = 0

    def go(self, auditor: Auditor | None) -> tuple[Status, str]:
        """Serve all requests and return the final status with its detail; an auditor checks every event."""
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
                _record_links(self._run)
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

    def _step(self, batch: Batch, most: int, ended: list[Ended]) -> Process:
        """See `_steps`; counts the tokens of all steps that have ended, also before a step that can never end."""
        try:
            yield from self._steps(batch, most, ended)
        finally:
            self.tokens += len(ended) * sum(one.makes_token for one in batch)
        if self._progress is not None:
            self._progress(self.tokens)

    def _steps(self, batch: Batch, most: int, ended: list[Ended]) -> Process:
        """Run a step and, if the executor can, those that follow it, up to `most` in all; adds them to `ended`.

        Places blocks, reserves memory, executes the graph, and records the use of devices.
        """
        parts = LatencyParts()
        lost_s: float | None = math.inf
        self._device_rows.begin()
        while lost_s is not None:
            current, before = later(batch, len(ended)), len(ended)
            yield from self._controller.prepare(current, parts)
            use = self._make_room(current)
            stretch = self._stretch(current, use, most - len(ended))
            lost_s = yield from self._attempt(current, use, stretch, parts, ended)
            if lost_s is not None:
                parts = parts if len(ended) == before else LatencyParts()
                parts.fault_s += self._run.env.now - lost_s
                first = later(batch, len(ended))[0]
                standing = Standing(first.request, first.token, "fault", lost_s, self._run.env.now)
                self._run.instrument.stood_still(standing)

    def _make_room(self, batch: Batch) -> "_MemoryUse":
        """Let blocks grow to their size at the end of the step, and return the memory use of devices.

        Raises:
            RunEndedError: a device holds more than it can and the scenario does not let it swap.
        """
        deployment, scenario = self._run.deployment, self._run.scenario
        cost = scenario.step_cost(deployment.due(batch))
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

    def _stretch(self, batch: Batch, use: "_MemoryUse", most: int) -> Stretch | None:
        """The stretch that begins with the step of a batch; None if it is one step."""
        if most < 2 or self._run.compiled is None or self._run.deployment.cache_lost:
            return None
        if self._run.scenario.memory.overflow == "fail" and use.swapped.any():
            return None
        following = later(batch, 1)
        steps = 1 + min(most - 1, self._controller.quiet_tokens(following), self._longest - 1)
        if steps == 1 or self._run.scenario.step_graphs.pieces(batch) > 1:
            return None
        watch = self._controller.overflow_watch(following)
        until_s = self._run.outages.next_change(self._run.env.now)
        return stretch_from(self._run.scenario, self._run.deployment, watch, batch, steps, until_s)

    def _attempt(
        self,
        batch: Batch,
        use: "_MemoryUse",
        stretch: Stretch | None,
        parts: LatencyParts,
        ended: list[Ended],
    ) -> Generator[simpy.Event, Any, float | None]:
        """Run the step, or the stretch, under the placement in force.

        Returns:
            When the step began that was lost because a device went down; None if none was lost.
        """
        env, deployment = self._run.env, self._run.deployment
        assert deployment.placement is not None
        graph, begun_s = deployment.graph(batch), env.now
        load = self._load(use, graph)
        self._run.instrument.step_begins(Attempt(batch, begun_s, deployment.placement))
        if stretch is None:
            step = self._run.executor.step(graph, load, batch)
            finished = yield from unless_failing(env, self._run.outages, deployment.in_use, until_done(step))
            if finished:
                due = deployment.due(batch)
                deployment.hold(after(batch), use.cost.memory_bytes)
                self._controller.made(due)
                parts.add(step.parts())
                ended.append((env.now, parts.values()))
                self._device_rows.add_step(batch, use.held_bytes, use.available, use.swapped)
        else:
            assert self._run.compiled is not None
            steps = self._run.compiled.stretch(graph, load, stretch.load)
            try:
                finished = yield from unless_failing(
                    env, self._run.outages, deployment.in_use, until_done(steps)
                )
            finally:  # also before a step that can never end
                if steps.ended:
                    steps.rows.available_bytes[0] = use.available
                    self._keep_stretch(stretch, steps.rows, steps.ended, parts, ended)
                    begun_s = ended[-1][0]
            # Costs are computed for the whole stretch: do not compute many for nothing.
            whole = steps.ended == len(stretch.load.of_blocks)
            self._longest = min(GROWTH * self._longest, MOST_STEPS) if whole else FIRST_STEPS
        if finished:
            return None
        deployment.give_up_step()
        return begun_s

    def _keep_stretch(
        self, stretch: Stretch, rows: StretchRows, count: int, parts: LatencyParts, ended: list[Ended]
    ) -> None:
        """Keep the first `count` steps of a stretch, which have ended."""
        last = later(stretch.batch, count - 1)
        self._run.deployment.hold(after(last), stretch.load.memory_bytes[count - 1])
        self._controller.made(last)
        every = zip(rows.end_s[:count].tolist(), rows.parts_s[:count].tolist(), strict=True)
        end_s, of_first = next(every)
        parts.add(LatencyParts(*of_first))
        ended.append((end_s, parts.values()))
        ended.extend((end_s, (*of_step, 0.0, 0.0, 0.0)) for end_s, of_step in every)
        self._device_rows.add_stretch(stretch, rows, count)

    def _load(self, use: "_MemoryUse", graph: StepGraph) -> Load:
        """The costs of the tasks and messages of the step on fully available devices."""
        cluster = self._run.scenario.cluster
        nominal_s = graph.task_seconds(*self._device_time.times(use.cost, cluster))
        disk_s = np.zeros(len(graph))
        memory = self._run.scenario.memory
        if memory.overflow == "swap" and use.swapped.any():
            share = swapped_share(use.of_blocks, use.room, memory.swap)
            each_s = disk_seconds(use.cost.memory_bytes, share, cluster.disk_bandwidth)
            disk_s = graph.task_seconds(each_s)
        load = nominal_s, disk_s, graph.message_bytes(use.cost)
        # Events read single numbers, which is faster from lists.
        return Load(*(load if self._run.compiled is not None else (column.tolist() for column in load)))


def _record_links(run: RunContext) -> None:
    """Record what each link has carried, by direction."""
    links = run.scenario.cluster.links
    rows = [
        (links[i].name, *links[i].ends[:: 1 if forward else -1], of.messages, of.size_bytes, of.busy_s)
        for (i, forward), of in sorted(run.network.carried.items())
    ]
    if rows:
        run.recorder.add_many("links", len(rows), *map(list, zip(*rows, strict=True)))


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

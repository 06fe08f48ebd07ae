"""`simulate`: run a scenario under a policy and return tables."""

import dataclasses
import functools
import json
import re
from collections.abc import Callable, Generator
from importlib import metadata
from typing import Any

import simpy

from headway.simcore.arrays import FloatArray
from headway.simcore.audit import Audit, AuditError, Auditor
from headway.simcore.engine.compute import processor
from headway.simcore.engine.events import Executor, LatencyParts, Load, StepInFlight
from headway.simcore.engine.network.network import network
from headway.simcore.engine.outages import Outages, Process, unless_failing
from headway.simcore.engine.placement.context import RunContext
from headway.simcore.engine.placement.controller import Controller
from headway.simcore.engine.placement.decision_validation import name_of
from headway.simcore.engine.placement.decisions import Decisions
from headway.simcore.engine.placement.deployment import Deployment
from headway.simcore.engine.placement.migration import Mover
from headway.simcore.engine.placement.policy_timeout import DEFAULT_LIMIT_S
from headway.simcore.engine.realtime import Lateness, PacedEnvironment
from headway.simcore.engine.serving.scheduler import SCHEDULERS
from headway.simcore.engine.serving.serve import Serving
from headway.simcore.errors import RunEndedError, Status
from headway.simcore.instrument import Attempt, Instrument, Standing
from headway.simcore.observe import Policy
from headway.simcore.results import SCHEMA_VERSION, Recorder, Result
from headway.simcore.scenario import Scenario
from headway.simcore.world.batch import Batch, after
from headway.simcore.world.cost import StepCost
from headway.simcore.world.device_time import DEVICE_TIMES
from headway.simcore.world.memory import TOLERANCE_BYTES, disk_seconds, swapped_bytes, swapped_share


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """Options of a run that do not change its tables.

    Attributes:
        audit: check the laws of the simulation after every event (`simcore.audit`).
        decision_limit_s: wall time that the policy may take for one decision; None for no limit. A run whose policy
            exceeds it fails.
        realtime: seconds of wall time per simulated second; None: as fast as possible. 1 is real time, 0.1 ten times
            as fast.
    """

    audit: bool = False
    decision_limit_s: float | None = DEFAULT_LIMIT_S
    realtime: float | None = None


def simulate(
    scenario: Scenario,
    policy: Policy,
    options: RunOptions = RunOptions(),
    *,
    run: str | None = None,
    instrument: Instrument | None = None,
    progress: Callable[[int], None] | None = None,
    on_lateness: Callable[[Lateness], None] | None = None,
    on_audit: Callable[[Audit], None] | None = None,
) -> Result:
    """Emulate a scenario under a policy.

    Args:
        scenario: the world and the requests.
        policy: decides where blocks live.
        options: how the run is made.
        run: the name of the run in the tables; the policy's name by default.
        instrument: its hooks are called when tasks, messages and other activities end (`simcore.instrument`).
        progress: called after every token with the number of tokens made so far.
        on_lateness: called once after a paced run, with statistics of how late its events were.
        on_audit: called once after an audited run, with the numbers of events and checks.

    Returns:
        The tables of the run. A run that cannot continue (out of memory, no feasible placement, a dead link) is a
        result too: its `status` in the table `runs` says so, and the rows up to that moment are kept.

    Raises:
        InputError: `realtime` or `decision_limit_s` is not a finite number above 0, or the policy has no name.
        PolicyError: the policy raises an exception, or exceeds its time limit.
        AuditError: an audited run breaks a law, which is a defect of the simulator.
    """
    name = name_of(policy)
    title = run if run is not None else name
    instrument = Instrument() if instrument is None else instrument
    auditor = Auditor(scenario, instrument) if options.audit else None
    recorder = Recorder(title) if auditor is None else auditor.recorder(title)
    env = simpy.Environment() if options.realtime is None else PacedEnvironment(options.realtime)
    told = instrument if auditor is None else auditor.instrument
    context = _context(env, scenario, told, recorder)
    engine = _Run(context, Decisions(context, policy, options.decision_limit_s), progress)
    if auditor is not None:
        engine.watched_by(auditor)
    status, detail = engine.go()
    if auditor is not None:
        audited = auditor.end(env.now)
        if on_audit is not None:
            on_audit(audited)
    if on_lateness is not None and isinstance(env, PacedEnvironment):
        on_lateness(env.lateness)
    recorder.add(
        "runs",
        scenario.name,
        name,
        _parameters(policy),
        scenario.seed,
        "; ".join(scenario.changes),
        status,
        detail,
        engine.tokens,
        env.now,
        metadata.version("headway"),
        SCHEMA_VERSION,
    )
    return recorder.result()


def _context(
    env: simpy.Environment, scenario: Scenario, instrument: Instrument, recorder: Recorder
) -> RunContext:
    """Create the parts of a run in its SimPy environment."""
    cluster, options = scenario.cluster, scenario.network
    net = network(env, cluster, options.sharing, options.transport)
    prefetch = scenario.memory.prefetch
    processors = [processor(env, device, prefetch) for device in cluster.devices]
    return RunContext(
        scenario,
        Executor(env, net, processors, instrument),
        Deployment(scenario),
        Outages(cluster.devices),
        recorder,
    )


class _Run:
    """One run, from the first request to the last.

    Attributes:
        tokens: made so far.
    """

    def __init__(self, run: RunContext, decisions: Decisions, progress: Callable[[int], None] | None) -> None:
        self._run = run
        self._mover = Mover(run)
        self._controller = Controller(run, decisions, self._mover)
        self._device_time = DEVICE_TIMES.find(run.scenario.device_time)
        self._progress = progress
        self.tokens = 0

    def watched_by(self, auditor: Auditor) -> None:
        """Let an auditor inspect the engine after every event."""
        auditor.watch(self._run.env, self._run.deployment, self._mover, self._run.network)

    def go(self) -> tuple[Status, str]:
        """Serve all requests and return the final status with its detail."""
        env, serving = self._run.env, self._serve_all()
        sound = True
        try:
            env.run(env.process(serving))
        except RunEndedError as end:
            return end.status, end.detail
        except AuditError:
            sound = False
            raise
        finally:
            # Where several failures end the run at one moment, SimPy raises in the caller before the serving process.
            serving.close()
            self._controller.close()
            if sound:  # after an AuditError this might fail and hide it
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
            list(self._run.scenario.cluster.names),
            use.held.tolist(),
            use.available.tolist(),
            use.swapped.tolist(),
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
        use = _MemoryUse(cost, ledger.of_blocks(), ledger.beside(), available)
        excess = use.held - available
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
            deployment.hold(after(batch), use.cost.memory_bytes)
            self._controller.made(batch)
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
    def held(self) -> FloatArray:
        return self.of_blocks + self.beside

    @property
    def room(self) -> FloatArray:
        """Bytes available for blocks."""
        return self.available - self.beside

    @functools.cached_property
    def swapped(self) -> FloatArray:
        return swapped_bytes(self.of_blocks, self.room)


def _parameters(policy: Policy) -> str:
    """The fields of a policy that is a dataclass, as JSON."""
    if not dataclasses.is_dataclass(policy) or isinstance(policy, type):
        return "{}"
    try:
        return json.dumps(dataclasses.asdict(policy), sort_keys=True, default=_lasting)
    except Exception:  # Fields may hold any object; of one that JSON cannot express, record the class.
        fields = [field.name for field in dataclasses.fields(policy)]
        return json.dumps(
            {name: type(getattr(policy, name, None)).__name__ for name in fields}, sort_keys=True
        )


def _lasting(value: object) -> str:
    """Text of a value that JSON cannot express, without its memory address, which differs from run to run."""
    return _ADDRESS.sub("", str(value))


_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")

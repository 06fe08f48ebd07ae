"""`simulate`: run a scenario under a policy and return tables."""

import dataclasses
import functools
import json
import os
import re
from collections.abc import Callable
from importlib import metadata
from typing import TYPE_CHECKING

import simpy

from headway.simcore.audit import Audit, Auditor
from headway.simcore.engine.compute import processor
from headway.simcore.engine.events import Executor
from headway.simcore.engine.executors import ExecutorName, executor_of
from headway.simcore.engine.network.network import SHARING_RULES, network
from headway.simcore.engine.outages import Outages
from headway.simcore.engine.placement.context import RunContext
from headway.simcore.engine.placement.decision_validation import name_of
from headway.simcore.engine.placement.decisions import Decisions
from headway.simcore.engine.placement.deployment import Deployment
from headway.simcore.engine.placement.policy_timeout import DEFAULT_LIMIT_S
from headway.simcore.engine.realtime import Lateness, PacedEnvironment
from headway.simcore.instrument import Instrument
from headway.simcore.observe import Policy
from headway.simcore.recorder import Recorder
from headway.simcore.results import SCHEMA_VERSION, Result
from headway.simcore.run import Run
from headway.simcore.scenario import Scenario

if TYPE_CHECKING:
    from headway.simcore.engine.compiled.world import CompiledWorld


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
    out: str | os.PathLike[str] | None = None,
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
        out: a new or empty folder for the tables, as `Result.save` writes them. Rows go there while the run goes on,
            so memory does not grow with the number of tokens, and the result reads them from there. The folder appears
            when it is complete; a run that raises an exception leaves none.

    Returns:
        The tables of the run. A run that cannot continue (out of memory, no feasible placement, a dead link) is a
        result too: its `status` in the table `runs` says so, and the rows up to that moment are kept.

    Raises:
        InputError: `realtime` or `decision_limit_s` is not a finite number above 0, the policy has no name, or `out` is
            in use.
        PolicyError: the policy raises an exception, or exceeds its time limit.
        AuditError: an audited run breaks a law, which is a defect of the simulator.
        OSError: `out` cannot be written, or the disk is full.
    """
    name = name_of(policy)
    title = name if run is None else run
    instrument = Instrument() if instrument is None else instrument
    auditor = Auditor(scenario, instrument) if options.audit else None
    with Recorder(title, out) if auditor is None else auditor.recorder(title, out) as recorder:
        env = simpy.Environment() if options.realtime is None else PacedEnvironment(options.realtime)
        executor = executor_of(scenario, instrument, audit=options.audit, paced=options.realtime is not None)
        hooks = instrument if auditor is None else auditor.instrument
        context = _context(env, scenario, executor, hooks, recorder)
        engine = Run(context, Decisions(context, policy, options.decision_limit_s), progress)
        status, detail = engine.go(auditor)
        if auditor is not None:
            audit = auditor.end(env.now)
            if on_audit is not None:
                on_audit(audit)
        if on_lateness is not None and isinstance(env, PacedEnvironment):
            on_lateness(env.lateness)
        world = scenario.name, name, _parameters(policy), scenario.seed, "; ".join(scenario.changes)
        versions = _version(), SCHEMA_VERSION
        recorder.add("runs", *world, status, detail, engine.tokens, env.now, executor, *versions)
        return recorder.result()


@functools.cache
def _version() -> str:
    """The version of Headway; reading it takes a millisecond."""
    return metadata.version("headway")


def _context(
    env: simpy.Environment,
    scenario: Scenario,
    executor: ExecutorName,
    instrument: Instrument,
    recorder: Recorder,
) -> RunContext:
    """Create the parts of a run in its SimPy environment."""
    steps = _compiled(env, scenario) if executor == "compiled" else _events(env, scenario, instrument)
    return RunContext(scenario, steps, Deployment(scenario), Outages(scenario.cluster.devices), recorder)


def _events(env: simpy.Environment, scenario: Scenario, instrument: Instrument) -> Executor:
    cluster, options = scenario.cluster, scenario.network
    net = network(env, cluster, options.sharing, options.transport)
    prefetch = scenario.memory.prefetch
    processors = [processor(env, device, prefetch) for device in cluster.devices]
    return Executor(env, net, processors, instrument)


def _compiled(env: simpy.Environment, scenario: Scenario) -> "CompiledWorld":
    # Imported here because it imports numba, which takes longer than a small run.
    from headway.simcore.engine.compiled.world import CompiledWorld  # noqa: PLC0415

    rule = SHARING_RULES.find(scenario.network.sharing)
    return CompiledWorld(env, rule.cluster(scenario.cluster), dedicated=not rule.shared)


def _parameters(policy: Policy) -> str:
    """The fields of a policy that is a dataclass, as JSON; of a wrapped policy also the name."""
    if not dataclasses.is_dataclass(policy) or isinstance(policy, type):
        return "{}"
    try:
        values = dataclasses.asdict(policy)
        for field in dataclasses.fields(policy):
            value = getattr(policy, field.name)
            if callable(getattr(value, "decide", None)):  # a policy that wraps another one
                values[field.name] = {"name": name_of(value), "parameters": values[field.name]}
        return json.dumps(values, sort_keys=True, default=_lasting)
    except Exception:  # Fields may hold any object; of one that JSON cannot express, record the class.
        fields = [field.name for field in dataclasses.fields(policy)]
        return json.dumps(
            {name: type(getattr(policy, name, None)).__name__ for name in fields}, sort_keys=True
        )


def _lasting(value: object) -> str:
    """Text of a value that JSON cannot express, without its memory address, which differs from run to run."""
    return _ADDRESS.sub("", str(value))


_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")

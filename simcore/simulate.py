"""The one door: a scenario and a policy in, tables out."""

import dataclasses
import json
import math
import re
from collections.abc import Callable, Generator
from importlib import metadata
from typing import Any

import numpy as np
import simpy

from simcore.arrays import FloatArray
from simcore.audit import Audit, AuditError, Auditor
from simcore.engine.compute import processor
from simcore.engine.decode import Decoder, Events, Parts
from simcore.engine.network.network import network
from simcore.engine.outages import Outages, unless_failing
from simcore.engine.placement.controller import Controller, Standstill
from simcore.engine.placement.decision_validation import name_of
from simcore.engine.placement.deployment import Deployment
from simcore.engine.placement.migration import Mover
from simcore.engine.placement.policy_timeout import DEFAULT_LIMIT_S
from simcore.engine.realtime import Lateness, PacedEnvironment
from simcore.errors import RunEndedError, Status
from simcore.instrument import Attempt, Probe, Standing
from simcore.observe import Policy, nominal_seconds
from simcore.predict import TOLERANCE_BYTES, disk_seconds, swapped_bytes
from simcore.results import SCHEMA_VERSION, Recorder, Result
from simcore.scenario import Request, Scenario, Turn
from simcore.world.cost import StepCost


def simulate(
    scenario: Scenario,
    policy: Policy,
    *,
    run: str | None = None,
    progress: Callable[[int], None] | None = None,
    realtime: float | None = None,
    on_lateness: Callable[[Lateness], None] | None = None,
    probe: Probe | None = None,
    audit: bool = False,
    on_audit: Callable[[Audit], None] | None = None,
    decision_limit_s: float | None = DEFAULT_LIMIT_S,
) -> Result:
    """Emulate a scenario under a policy.

    Args:
        scenario: the world and the requests.
        policy: decides where blocks live.
        run: the name of the run in the tables; the policy's name by default.
        progress: called after every token with the number of tokens made so far.
        realtime: seconds of wall time per simulated second, if the run is to be paced by the wall clock: 1 is real
            time, 0.1 ten times as fast. The tables are the same as without it.
        on_lateness: called once after a paced run with how far its events fell behind the wall clock.
        probe: called with what happened, span by span, each when it has ended (`simcore.instrument`).
        audit: check after every event that no law of the simulation is broken (`simcore.audit`). The tables are the
            same as without it.
        on_audit: called once after an audited run with how much was checked.
        decision_limit_s: wall time that the policy may take for one decision; None for any. It is a safety net and
            has no part in results: a run that comes to it fails.

    Returns:
        The tables of the run. A run that cannot go on (out of memory, nothing feasible, a dead link) is a result too:
        its `status` in the table `runs` says so, and the rows up to that moment are kept.

    Raises:
        InputError: `realtime` or `decision_limit_s` is not a finite number above 0, or the policy has no name.
        PolicyError: the policy raises an exception, or comes to the limit of time.
        AuditError: a law is broken, in an audited run: a mistake in the simulator.
    """
    name = name_of(policy)
    title = run if run is not None else name
    auditor = Auditor(scenario, probe) if audit else None
    recorder = Recorder(title) if auditor is None else auditor.recorder(title)
    env = simpy.Environment() if realtime is None else PacedEnvironment(realtime)
    told = auditor.probe if auditor else probe
    engine = _Engine(env, scenario, policy, recorder, progress, told, decision_limit_s)
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


class _Engine:
    """One run: a SimPy environment, and what lives in it."""

    def __init__(
        self,
        env: simpy.Environment,
        scenario: Scenario,
        policy: Policy,
        recorder: Recorder,
        progress: Callable[[int], None] | None,
        probe: Probe | None,
        decision_limit_s: float | None,
    ) -> None:
        self.env = env
        self._probe = probe
        self.tokens = 0
        self._scenario = scenario
        self._recorder = recorder
        self._progress = progress
        self._network = network(
            self.env, scenario.cluster, scenario.network.sharing, scenario.network.transport
        )
        self._deployment = Deployment(scenario)
        self._outages = Outages(scenario.cluster.devices)
        self._mover = Mover(
            self.env, scenario, self._network, self._deployment, recorder, self._outages, probe
        )
        self._controller = Controller(
            self.env, scenario, policy, self._deployment, self._mover, recorder, self._outages, probe,
            decision_limit_s,
        )  # fmt: skip
        self._decoder = Decoder(
            self.env,
            self._network,
            [processor(self.env, device) for device in scenario.cluster.devices],
            probe,
        )

    def watched_by(self, auditor: Auditor) -> None:
        """Let an auditor look at what there is after every event."""
        auditor.watch(self.env, self._deployment, self._mover, self._network)

    def go(self) -> tuple[Status, str]:
        """Serve all requests; how it ended."""
        serving = self._serve_all()
        sound = True
        try:
            self.env.run(self.env.process(serving))
        except RunEndedError as end:
            return end.status, end.detail
        except AuditError:
            sound = False
            raise
        finally:
            # Where several things end the run at one moment, SimPy tells the caller before the process that serves.
            serving.close()
            self._controller.close()
            if sound:  # otherwise it might fail, and hide what was found
                self._mover.abandon()
                self._record_links()
        return "complete", ""

    def _serve_all(self) -> Events:
        in_order = sorted(enumerate(self._scenario.requests), key=lambda pair: pair[1].arrival_s)
        for number, request in in_order:
            yield from self._serve(number, request)
        self._mover.abandon()
        self._deployment.release()

    def _serve(self, number: int, request: Request) -> Events:
        """Generate one sequence, from its turn to its last token."""
        while self.env.now < request.arrival_s:
            # SimPy adds a delay to the present time; rounding may let that sum fall just short of the arrival.
            yield self.env.timeout(math.nextafter(request.arrival_s - self.env.now, math.inf))
        started_s = self.env.now
        first_s: float | None = None
        generated = 0
        try:
            for generated in range(request.output):
                yield from self._token(Turn(number, request, generated))
                first_s = self.env.now if first_s is None else first_s
            generated = request.output
        finally:
            self._recorder.add(
                "requests",
                number,
                request.arrival_s,
                started_s,
                first_s,
                self.env.now if generated == request.output else None,
                request.prompt,
                request.output,
                generated,
            )

    def _token(self, turn: Turn) -> Events:
        """Make one token: have everything in its place, settle the memory, decode, and write the rows."""
        request, generated = turn.request, turn.generated
        # The first token is waited for since the arrival of its request, the others since the one before.
        start_s = self.env.now if generated else request.arrival_s
        waited_s = self.env.now - start_s
        still = Standstill()
        if generated == 0:
            self._deployment.begin_sequence()
            self._mover.forget_caches()
        busy_before = [one.busy_s for one in self._decoder.processors]
        use: _MemoryUse | None = None
        while use is None:
            yield from self._controller.prepare(turn, still)
            parts = Parts(wait_s=waited_s)
            use = yield from self._attempt(turn, parts, still)
        self.tokens += 1
        self._recorder.add(
            "tokens",
            turn.number,
            generated,
            start_s,
            self.env.now - start_s,
            parts.compute_s,
            parts.disk_s,
            parts.transfer_s,
            parts.wait_s,
            still.migration_s,
            still.decision_s,
            still.fault_s,
        )
        busy_after = [one.busy_s for one in self._decoder.processors]
        self._recorder.add_many(
            "devices",
            len(busy_after),
            turn.number,
            generated,
            list(self._scenario.cluster.names),
            use.held.tolist(),
            use.available.tolist(),
            use.swapped.tolist(),
            [after - before for after, before in zip(busy_after, busy_before, strict=True)],
        )
        if self._progress is not None:
            self._progress(self.tokens)

    def _attempt(
        self, turn: Turn, parts: Parts, still: Standstill
    ) -> Generator[simpy.Event, Any, "_MemoryUse | None"]:
        """Make a token where everything is in its place: who held what, or None if a device went down meanwhile."""
        begun_s = self.env.now
        cost = self._deployment.step(turn)
        self._deployment.make_room(cost)
        use = self._memory_use(turn)
        self._tell(turn)
        decoding = self._decode(cost, use, parts)
        if (yield from unless_failing(self.env, self._outages, self._deployment.in_use, decoding)):
            self._deployment.hold(cost.memory_bytes)
            self._controller.made()
            return use
        for one in self._decoder.processors:
            one.abort()
        self._deployment.give_up_step()
        still.fault_s += self.env.now - begun_s
        if self._probe is not None:
            self._probe(Standing("fault", begun_s, self.env.now))
        return None

    def _tell(self, turn: Turn) -> None:
        """Say that decoding begins, if somebody wants to know."""
        placement = self._deployment.placement
        if self._probe is not None and placement is not None:
            self._probe(Attempt(turn.number, turn.generated, self.env.now, placement))

    def _memory_use(self, turn: Turn) -> "_MemoryUse":
        """Who holds what during the token that begins now.

        Raises:
            RunEndedError: a device holds more than it can and the scenario does not let it swap.
        """
        use = _MemoryUse(self._deployment.ledger.held(), self._scenario.cluster.available_bytes(self.env.now))
        worst = int(use.swapped.argmax())
        if self._scenario.memory.overflow == "fail" and use.swapped[worst] > TOLERANCE_BYTES:
            self._deployment.give_up_step()
            raise RunEndedError(
                "out-of-memory",
                f"device {self._scenario.cluster.names[worst]!r} lacks {use.swapped[worst]:.0f} bytes "
                f"for token {turn.generated} of request {turn.number} at {self.env.now:.6g} s",
            )
        return use

    def _decode(self, cost: StepCost, use: "_MemoryUse", parts: Parts) -> Events:
        cluster = self._scenario.cluster
        nominal_s = nominal_seconds(cost, cluster.flops, cluster.memory_bandwidth, cluster.overhead_s)
        if self._scenario.memory.overflow == "swap":
            disk_s = disk_seconds(cost, use.held, use.available, cluster.disk_bandwidth)
        else:
            disk_s = np.zeros_like(nominal_s)
        yield from self._decoder.token(self._deployment.way, cost, nominal_s, disk_s, parts)

    def _record_links(self) -> None:
        for (i, forward), carried in sorted(self._network.carried.items()):
            link = self._scenario.cluster.links[i]
            start, end = link.ends if forward else link.ends[::-1]
            self._recorder.add(
                "links", link.name, start, end, carried.messages, carried.size_bytes, carried.busy_s
            )


@dataclasses.dataclass(frozen=True, eq=False)
class _MemoryUse:
    """Bytes per device during one token, shape (devices,)."""

    held: FloatArray
    available: FloatArray

    @property
    def swapped(self) -> FloatArray:
        return swapped_bytes(self.held, self.available)


def _parameters(policy: Policy) -> str:
    """The fields of a policy that is a dataclass, as JSON."""
    if not dataclasses.is_dataclass(policy) or isinstance(policy, type):
        return "{}"
    try:
        return json.dumps(dataclasses.asdict(policy), sort_keys=True, default=_lasting)
    except Exception:  # Fields may hold anything; of what JSON does not know, the class is told.
        fields = [field.name for field in dataclasses.fields(policy)]
        return json.dumps(
            {name: type(getattr(policy, name, None)).__name__ for name in fields}, sort_keys=True
        )


def _lasting(value: object) -> str:
    """What JSON does not know, in words, without where in memory it was, which is another place in each run."""
    return _ADDRESS.sub("", str(value))


_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")

"""Laws of work: every block is computed once per step, on its device, in the expected time."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from headway.simcore.audit.checks import Checks, tolerance_s
from headway.simcore.audit.records import Record, Row
from headway.simcore.audit.reference_state import ReferenceState
from headway.simcore.instrument import Attempt, Compute
from headway.simcore.registry import name_of
from headway.simcore.scenario import Scenario
from headway.simcore.world.blocks import Kind
from headway.simcore.world.cost import StepCost
from headway.simcore.world.device import Device
from headway.simcore.world.memory import TOLERANCE_BYTES

_Place: TypeAlias = tuple[int, int, int]
"""Kind, layer, device."""

_KNOWN_DISCIPLINES = frozenset({"fifo", "ps"})
"""Disciplines that the auditor knows; under others it does not check durations and busy times."""

_ENGINE = (Kind.LAYER, Kind.SYNC)
"""Kinds of work that belong to no block."""


class WorkLaws:
    """The laws of computations."""

    def __init__(self, scenario: Scenario, state: ReferenceState, checks: Checks) -> None:
        self._scenario = scenario
        self._devices = scenario.cluster.devices
        self._state = state
        self._checks = checks
        self._computed: Counter[_Place] = Counter()
        self._in_parts = False
        self._amounts = 0.0, 0.0
        self._since: list[list[Compute]] = [[] for _ in self._devices]
        self._tasks: list[list[Compute]] = [[] for _ in self._devices]
        self._intervals: list[list[tuple[float, float]]] = [[] for _ in self._devices]
        self._cancelled = False
        self._prefetch = scenario.memory.prefetch
        self._roofline = name_of(scenario.device_time) == "roofline"

    def check(self, record: Record) -> None:
        """Check a span or row."""
        match record:
            case Attempt():
                self._cancelled |= self._computed.total() > 0
                self._forget()
                for tasks in self._tasks:
                    tasks.clear()
            case Compute():
                self._compute(record)
            case Row(table="devices"):
                self._step()
                self._never_idle()
                self._busy(record)
            case Row(table="faults"):
                self._cancelled = True

    def _compute(self, span: Compute) -> None:
        device, what = self._devices[span.device], self._name(span)
        attempt = self._state.attempt
        in_attempt = attempt is not None and span.submitted_s >= attempt.begun_s
        due = "within the making of a token"
        self._checks.that(in_attempt, "work", f"begin of {what}", due, span.submitted_s)
        self._count(span)
        if self._roofline:
            nominal_s = _roofline_s(span, self._state.cost, device)
            self._checks.equal("work", f"nominal seconds of {what}", nominal_s, span.nominal_s)
        slack = tolerance_s(span.end_s)
        up_s, duration_s = device.up.integral(span.start_s, span.end_s), span.end_s - span.start_s
        self._checks.equal("work", f"seconds of {what} with the device up", duration_s, up_s, slack)
        self._intervals[span.device].append((span.start_s, span.end_s))
        discipline = name_of(device.discipline)
        if discipline == "fifo":
            self._one_by_one(span, what)
        elif discipline == "ps":
            self._together(span, what)

    def _count(self, span: Compute) -> None:
        """Add a task to those of the step."""
        cost = self._state.cost
        self._in_parts |= Kind.LM_HEAD < span.kind < Kind.SYNC or span.blocks % 1.0 != 0.0
        if span.kind not in _ENGINE and cost is not None:
            self._computed[span.kind, span.layer, span.device] += max(1, int(span.blocks))
            flop, read_bytes = self._amounts
            flop += span.blocks * float(cost.work_flop[span.kind])
            self._amounts = flop, read_bytes + span.blocks * float(cost.read_bytes[span.kind])

    def _forget(self) -> None:
        """Forget the tasks of the step."""
        self._computed.clear()
        self._in_parts, self._amounts = False, (0.0, 0.0)

    def _one_by_one(self, span: Compute, what: str) -> None:
        """On a `fifo` device a task starts when the one before it has ended, and has the device alone."""
        checks, earlier, slack = self._checks, self._since[span.device], tolerance_s(span.end_s)
        free_s = earlier[-1].end_s if earlier else 0.0
        checks.equal("work", f"start of {what}", max(free_s, span.submitted_s), span.start_s, slack)
        checks.equal("work", f"disk seconds of {what}", self._alone(span), span.disk_s, slack)
        checks.equal("work", f"seconds available to {what}", span.nominal_s, self._available(span), slack)
        self._since[span.device] = [span]

    def _together(self, span: Compute, what: str) -> None:
        """On a `ps` device concurrent tasks never receive more than the availability."""
        checks, slack = self._checks, tolerance_s(span.end_s)
        earlier = self._since[span.device]
        if earlier and span.start_s >= max(one.end_s for one in earlier):
            earlier.clear()
        checks.at_most("work", f"disk seconds of {what}", span.disk_s, self._alone(span), slack)
        checks.at_most("work", f"work of {what}", self._available(span), span.nominal_s, slack)
        earlier.append(span)
        self._tasks[span.device].append(span)
        availability = self._devices[span.device].availability
        for one in earlier:
            begin_s = self._begin(one)
            done_s = sum(each.nominal_s for each in earlier if self._begin(each) >= begin_s)
            share = availability.integral(begin_s, max(begin_s, span.end_s))
            checks.at_most("work", f"work until the end of {what}", share, done_s, slack * len(earlier))

    def _never_idle(self) -> None:
        """While a `ps` device had tasks, they used all its availability; not checked where several tasks read."""
        for number, tasks in enumerate(self._tasks):
            availability = self._devices[number].availability
            tasks.sort(key=lambda task: task.start_s)
            while tasks:
                together = [tasks.pop(0)]
                end_s = together[0].end_s
                while tasks and tasks[0].start_s < end_s:
                    together.append(tasks.pop(0))
                    end_s = max(end_s, together[-1].end_s)
                begin_s, computed_s = together[0].computing(self._prefetch)
                if len(together) == 1 or not any(task.disk_s for task in together):
                    name = self._devices[number].name
                    what = f"seconds available to tasks on {name!r} from {begin_s!r} s on"
                    nominal_s = sum(task.nominal_s for task in together)
                    share_s = availability.integral(begin_s, computed_s if len(together) == 1 else end_s)
                    self._checks.equal("work", what, nominal_s, share_s, tolerance_s(end_s) * len(together))

    def _step(self) -> None:
        """The tasks of a step cover all blocks, each once, on its device; parts of blocks add up to all blocks."""
        attempt, blocks, cost = self._state.attempt, self._scenario.block_table, self._state.cost
        self._checks.that(attempt is not None, "work", "step", "made by an attempt", None)
        if attempt is None or cost is None:
            return
        if self._in_parts:
            amounts = zip((cost.work_flop, cost.read_bytes), self._amounts, strict=True)
            for what, (of_block, actual) in zip(("FLOP", "bytes read"), amounts, strict=True):
                expected_sum = float(of_block[blocks.kind].sum())
                self._checks.equal("work", f"{what} of all tasks of a step", expected_sum, actual)
        else:
            places = zip(blocks.kind.tolist(), blocks.layer.tolist(), attempt.placement.tolist(), strict=True)
            expected = Counter(places)
            wrong = sorted((expected - self._computed).keys() | (self._computed - expected).keys())
            first = wrong[0] if wrong else (0, 0, 0)
            what = "blocks computed of kind {}, layer {}, on device {}".format(*first)
            self._checks.that(not wrong, "work", what, expected[first], self._computed[first])
        self._forget()

    def _busy(self, rows: Row) -> None:
        """A device was busy while it computed; cancelled tasks are not reported."""
        busy_s: Sequence[float] = rows["busy_s"]
        if not self._cancelled:
            # Each number is a difference of sums over the whole run.
            slack = tolerance_s(self._checks.now_s) * len(self._scenario.block_table)
            for device, intervals, actual in zip(self._devices, self._intervals, busy_s, strict=True):
                if name_of(device.discipline) in _KNOWN_DISCIPLINES:
                    expected = _union_s(intervals)
                    self._checks.equal("work", f"busy seconds of {device.name!r}", expected, actual, slack)
        for intervals in self._intervals:
            intervals.clear()
        self._cancelled = False

    def _disk(self, span: Compute) -> float:
        """Reading time of the blocks alone: of all bytes, or of the share that does not fit [s]."""
        state, device, memory = self._state, self._devices[span.device], self._scenario.memory
        if memory.overflow == "fail" or state.cost is None or state.attempt is None:
            return 0.0
        most, free = float(state.of_blocks[span.device]), self._free(span.device, state.attempt.begun_s)
        excess = min(most, float(state.held_bytes[span.device]) - free)
        if excess <= (TOLERANCE_BYTES if memory.swap == "lru" else 0.0):
            return 0.0
        share = 1.0 if memory.swap == "lru" else excess / most
        return span.blocks * float(state.cost.memory_bytes[span.kind]) * share / device.disk_bandwidth

    def _alone(self, span: Compute) -> float:
        """Minimum time of only reading [s]; under `prefetch` reading and computing overlap."""
        begin_s, end_s = span.computing(self._prefetch)
        return max(0.0, self._disk(span) - (end_s - begin_s if self._prefetch else 0.0))

    def _begin(self, span: Compute) -> float:
        """When a task began to compute [s]."""
        return span.computing(self._prefetch)[0]

    def _free(self, device: int, time_s: float) -> float:
        one = self._devices[device]
        return max(0.0, one.memory_bytes - one.used_bytes.value(time_s)) if one.up.value(time_s) else 0.0

    def _available(self, span: Compute) -> float:
        """The integral of the availability over a computation [s]."""
        return self._devices[span.device].availability.integral(*span.computing(self._prefetch))

    def _name(self, span: Compute) -> str:
        name = self._devices[span.device].name
        return f"{span.blocks} x {span.kind.name.lower()} of layer {span.layer} on {name!r}"


def _union_s(intervals: Iterable[tuple[float, float]]) -> float:
    """The time that intervals cover together [s]."""
    total_s, until_s = 0.0, 0.0
    for begin_s, end_s in sorted(intervals):
        total_s += max(0.0, end_s - max(begin_s, until_s))
        until_s = max(until_s, end_s)
    return total_s


def _roofline_s(span: Compute, cost: StepCost | None, device: Device) -> float:
    """The roofline of the blocks of a task on its device [s]."""
    if cost is None:
        return 0.0
    if span.kind == Kind.SYNC:
        return span.blocks * device.sync_s
    flop, touched = float(cost.work_flop[span.kind]), float(cost.read_bytes[span.kind])
    if flop == touched == 0.0:
        return 0.0
    reading_s = touched / device.memory_bandwidth
    if device.kv_bandwidth is not None:
        weights, caches = float(cost.weight_bytes[span.kind]), float(cost.kv_bytes[span.kind])
        reading_s = weights / device.memory_bandwidth + caches / device.kv_bandwidth
    return span.blocks * max(flop / device.flops, reading_s) + device.overhead_s

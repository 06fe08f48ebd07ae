"""Laws of place and memory: every block is where it was placed, and devices hold the bytes of their blocks."""

import numpy as np

from headway.simcore.arrays import BoolArray, IntArray
from headway.simcore.audit.checks import Checks
from headway.simcore.audit.records import Record, Row
from headway.simcore.audit.reference_state import ReferenceState
from headway.simcore.engine.placement.deployment import Deployment
from headway.simcore.instrument import Asked, Attempt, Move
from headway.simcore.scenario import Scenario
from headway.simcore.world.memory import TOLERANCE_BYTES


class PlaceLaws:
    """The laws of placements and their memory."""

    def __init__(self, scenario: Scenario, state: ReferenceState, checks: Checks) -> None:
        self._scenario = scenario
        self._cluster = scenario.cluster
        self._state = state
        self._checks = checks
        self._available = np.zeros(len(self._cluster.devices))
        self._target: IntArray | None = None

    def check(self, record: Record) -> None:
        """Check a span or row."""
        match record:
            case Asked(target=target) if target is not None:
                self._asked(record, target)
            case Attempt():
                self._attempt(record)
            case Move():
                self._move(record)
            case Row(table="faults"):
                self._fault(record)
            case Row(table="devices"):
                self._devices(record)
            case Row(table="placements"):
                self._placement(record)

    def _asked(self, record: Asked, target: IntArray) -> None:
        """An adopted placement differs from the one in force; otherwise blocks stay, or lost blocks come back."""
        placed, checks = self._state.placement, self._checks
        self._target = target
        rule = self._scenario.controller.caches
        may_drop = rule != "send" and record.moved > 0 and not self._state.cache_lost
        allowed = not record.recomputes or may_drop
        checks.that(allowed, "place", "caches that a migration drops", f"as `caches: {rule}` says", "all")
        if placed is not None:
            moved = int(((target != placed) | self._state.lost).sum())
            checks.that(record.moved == moved, "place", "blocks that a decision moves", moved, record.moved)
            same = _bytes(target) == _bytes(placed)
            due, outcome = "adopted if it differs", record.outcome
            checks.that((outcome == "adopted") != same, "place", "outcome of a decision", due, outcome)

    def _attempt(self, record: Attempt) -> None:
        state, checks = self._state, self._checks
        lost = int(state.lost.sum())
        checks.that(lost == 0, "place", "lost blocks while a token is made", 0, lost)
        same = state.placement is not None and np.array_equal(record.placement, state.placement)
        checks.that(same, "place", "placement of a token", state.placement, record.placement)
        if self._scenario.controller.migration == "blocking":
            done, due = _bytes(record.placement) == _bytes(self._target), f"as decided, {self._target}"
            checks.that(done, "place", "placement of a token", due, record.placement)
        self._available = self._cluster.available_bytes(record.begun_s)
        if self._scenario.memory.overflow == "fail":
            for name, most, held in zip(self._cluster.names, self._available, state.held_bytes, strict=True):
                checks.at_most("memory", f"bytes on {name!r}", most, held, TOLERANCE_BYTES)

    def _move(self, record: Move) -> None:
        """A block leaves its present device; a lost block comes from the source."""
        state = self._state
        if state.placement is not None:
            lost = state.lost[record.block]
            old = self._cluster.source_index if lost else int(state.placement[record.block])
            what = f"device from which {self._scenario.block_table.names[record.block]} moves"
            self._checks.that(record.old == old, "place", what, old, record.old)
        if record.outcome == "moved" and self._target is not None:
            due = int(self._target[record.block])
            what = f"device to which {self._scenario.block_table.names[record.block]} moves"
            self._checks.that(record.new == due, "place", what, due, record.new)

    def _fault(self, row: Row) -> None:
        state, device = self._state, self._state.devices[row["device"]]
        if state.placement is not None:
            due, lost_blocks = int(((state.placement == device) & ~state.lost).sum()), row["lost_blocks"]
            what = f"blocks lost with {row['device']!r}"
            self._checks.that(lost_blocks == due, "place", what, due, lost_blocks)

    def _devices(self, rows: Row) -> None:
        state, checks = self._state, self._checks
        swapped = np.clip(state.held_bytes - self._available, 0.0, state.of_blocks)
        slack = 1e-9 * float(state.held_bytes.max())  # sums of bytes, up to the largest on a device
        for column, expected in (
            ("held_bytes", state.held_bytes),
            ("available_bytes", self._available),
            ("swapped_bytes", swapped),
        ):
            for name, bytes_, actual in zip(rows["device"], expected, rows[column], strict=True):
                checks.equal("memory", f"{column} of {name!r}", bytes_, actual, slack)

    def _placement(self, rows: Row) -> None:
        state = self._state
        if state.placement is not None:
            names = [self._cluster.names[device] for device in state.placement.tolist()]
            self._checks.that(rows["device"] == names, "place", "table of placements", names, rows["device"])

    def begin(self, deployment: Deployment) -> None:
        """Read the first placement from the first step: no other record has it."""
        state, placed = self._state, deployment.placement
        if state.placement is None and placed is not None and not state.done:
            valid = (placed >= 0) & (placed < len(self._cluster.devices))
            complete = placed.shape == state.lost.shape and valid.all()
            self._checks.that(complete, "place", "first placement", "a device for each block", placed)
            decided = _bytes(placed) == _bytes(self._target)
            self._checks.that(decided, "place", "first placement", f"as decided, {self._target}", placed)
            state.begin(placed)

    def settle(self, deployment: Deployment) -> None:
        """All spans of an event were reported: the engine must agree with them."""
        state, checks = self._state, self._checks
        placed = deployment.placement
        if state.done:
            checks.that(placed is None, "place", "placement when all is done", None, placed)
            state.end()
        same = _bytes(placed) == _bytes(state.placement)
        checks.that(same, "place", "placement", state.placement, placed)
        lost = deployment.lost
        checks.that(_bytes(lost) == _bytes(state.lost), "place", "lost blocks", state.lost, lost)
        if state.cost is not None:  # between steps copies are dropped only before the next decision or step
            held, due = deployment.copies.held, state.copies.held
            checks.that(_bytes(held) == _bytes(due), "memory", "copies", due, held)
        self.count(deployment)

    def count(self, deployment: Deployment) -> None:
        """The bytes on each device equal a recount; they are never negative, and 0 at the end."""
        state, checks = self._state, self._checks
        held = deployment.ledger.held()
        checks.that(held.min() >= 0.0, "memory", "bytes held", "none below 0", held)
        if state.done:
            checks.that(not held.any(), "memory", "bytes held when all is done", 0.0, held)
            return
        expected = state.recount()
        if not (held == expected).all():
            for name, bytes_, actual in zip(self._cluster.names, expected, held, strict=True):
                checks.equal("memory", f"bytes on {name!r}", bytes_, actual)
        checks.count += len(held)


def _bytes(array: IntArray | BoolArray | None) -> bytes | None:
    """The bytes of an array: comparing arrays would take most of the time of an audit."""
    return None if array is None else array.tobytes()

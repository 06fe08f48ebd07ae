"""Laws of place and memory: every block is where it was placed, and devices hold the bytes of their blocks."""

import numpy as np

from headway.simcore.arrays import BoolArray, IntArray
from headway.simcore.audit.checks import Checks
from headway.simcore.audit.news import News, Row
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

    def tell(self, news: News) -> None:
        """Check a span or row."""
        match news:
            case Asked(target=target) if target is not None:
                self._asked(news, target)
            case Attempt():
                self._attempt(news)
            case Move():
                self._move(news)
            case Row(table="faults"):
                self._fault(news)
            case Row(table="devices"):
                self._devices(news)
            case Row(table="placements"):
                self._placement(news)

    def _asked(self, news: Asked, target: IntArray) -> None:
        """An adopted placement differs from the one in force; otherwise blocks stay, or lost blocks come back."""
        placed, checks = self._state.placement, self._checks
        self._target = target
        if placed is not None:
            moved = int(((target != placed) | self._state.lost).sum())
            checks.that(news.moved == moved, "place", "blocks that a decision moves", moved, news.moved)
            same = _bytes(target) == _bytes(placed)
            adopted = news.outcome == "adopted"
            checks.that(
                adopted != same, "place", "outcome of a decision", "adopted if it differs", news.outcome
            )

    def _attempt(self, news: Attempt) -> None:
        state, checks = self._state, self._checks
        checks.that(
            not state.lost.any(), "place", "lost blocks while a token is made", 0, int(state.lost.sum())
        )
        same = state.placement is not None and np.array_equal(news.placement, state.placement)
        checks.that(same, "place", "placement of a token", state.placement, news.placement)
        if self._scenario.controller.migration == "blocking":
            done = _bytes(news.placement) == _bytes(self._target)
            checks.that(done, "place", "placement of a token", f"as decided, {self._target}", news.placement)
        self._available = self._cluster.available_bytes(news.begun_s)
        if self._scenario.memory.overflow == "fail":
            for name, most, held in zip(self._cluster.names, self._available, state.held, strict=True):
                checks.at_most("memory", f"bytes on {name!r}", most, held, TOLERANCE_BYTES)

    def _move(self, news: Move) -> None:
        """A block leaves its present device; a lost block comes from the source."""
        state = self._state
        if state.placement is not None:
            lost = state.lost[news.block]
            old = self._cluster.source_index if lost else int(state.placement[news.block])
            what = f"device from which {self._scenario.block_table.names[news.block]} moves"
            self._checks.that(news.old == old, "place", what, old, news.old)
        if news.outcome == "moved" and self._target is not None:
            due = int(self._target[news.block])
            what = f"device to which {self._scenario.block_table.names[news.block]} moves"
            self._checks.that(news.new == due, "place", what, due, news.new)

    def _fault(self, row: Row) -> None:
        state, device = self._state, self._state.device(row["device"])
        if state.placement is not None:
            gone = int(((state.placement == device) & ~state.lost).sum())
            what = f"blocks lost with {row['device']!r}"
            self._checks.that(row["lost_blocks"] == gone, "place", what, gone, row["lost_blocks"])

    def _devices(self, rows: Row) -> None:
        state, checks = self._state, self._checks
        swapped = np.clip(state.held - self._available, 0.0, state.of_blocks)
        for column, expected in (
            ("held_bytes", state.held),
            ("available_bytes", self._available),
            ("swapped_bytes", swapped),
        ):
            for name, bytes_, found in zip(rows["device"], expected, rows[column], strict=True):
                checks.equal("memory", f"{column} of {name!r}", bytes_, found, 1e-9 * self._largest)

    def _placement(self, rows: Row) -> None:
        state = self._state
        if state.placement is not None:
            names = [self._cluster.names[device] for device in state.placement.tolist()]
            self._checks.that(rows["device"] == names, "place", "table of placements", names, rows["device"])

    @property
    def _largest(self) -> float:
        """Most bytes on a device: the slack of differences of such sums depends on it."""
        return float(self._state.held.max())

    def begin(self, deployment: Deployment) -> None:
        """Read the first placement from the first step: no other record has it."""
        state, placed = self._state, deployment.placement
        if state.placement is None and placed is not None and not state.done:
            known = (placed >= 0) & (placed < len(self._cluster.devices))
            whole = placed.shape == state.lost.shape and known.all()
            self._checks.that(whole, "place", "first placement", "a device for each block", placed)
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
        self.count(deployment)

    def count(self, deployment: Deployment) -> None:
        """Devices hold what a recount gives, never less than 0, and 0 at the end."""
        state, checks = self._state, self._checks
        held = deployment.ledger.held()
        checks.that(held.min() >= 0.0, "memory", "bytes held", "none below 0", held)
        if state.done:
            checks.that(not held.any(), "memory", "bytes held when all is done", 0.0, held)
            return
        expected = state.recount()
        if not (held == expected).all():
            for name, bytes_, found in zip(self._cluster.names, expected, held, strict=True):
                checks.equal("memory", f"bytes on {name!r}", bytes_, found)
        checks.made += len(held)


def _bytes(array: IntArray | BoolArray | None) -> bytes | None:
    """The bytes of an array: comparing arrays would take most of the time of an audit."""
    return None if array is None else array.tobytes()

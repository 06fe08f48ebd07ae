"""How far a run has come, as told by spans and rows alone: what the engine must agree with."""

from bisect import bisect_left
from collections import deque

import numpy as np

from simcore.arrays import BoolArray, FloatArray, IntArray
from simcore.audit.checks import grain
from simcore.audit.news import News, Row
from simcore.instrument import Attempt, Compute, Message, Move, Standing
from simcore.scenario import Scenario
from simcore.world.blocks import Kind
from simcore.world.cost import StepCost, refill


class ReferenceState:
    """Where blocks are by now, what they hold, and which token is made.

    Attributes:
        placement: device of each block, of a lost one the last, shape (blocks,); None: nothing is placed.
        lost: blocks that went down with their device, shape (blocks,).
        cache_lost: whether a head was among them since the last token.
        holding: what a block of each kind holds between two tokens, shape (5,).
        attempt: the decoding under way, if there is one.
        cost: of it.
        held: bytes on each device while it lasts, shape (devices,).
        under_way: rows of blocks that move beside the decoding, and where to.
        turned_s: when the present sequence began.
        done: all requests were served.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._kind = scenario.block_table.kind
        self._rows = {name: row for row, name in enumerate(scenario.block_table.names)}
        self._devices = {name: i for i, name in enumerate(scenario.cluster.names)}
        self._weights: FloatArray = np.asarray(scenario.cost.idle_memory_bytes)
        self._on_disk: FloatArray = self._weights * scenario.controller.weights_on_disk
        self._arrivals = deque(sorted(request.arrival_s for request in scenario.requests))
        self._between = True
        self._held_at: list[float] = [0.0]
        self._held: list[FloatArray] = [self._weights]
        self._counted: FloatArray | None = None
        self.placement: IntArray | None = None
        self.lost: BoolArray = np.zeros(len(scenario.block_table), dtype=np.bool_)
        self.cache_lost = False
        self.holding = self._weights
        self.attempt: Attempt | None = None
        self.cost: StepCost | None = None
        self.held: FloatArray = np.zeros(len(scenario.cluster.devices))
        self.under_way: list[tuple[int, int]] = []
        self.turned_s = 0.0
        self.done = False

    @property
    def bytes_now(self) -> FloatArray:
        """What a block of each kind takes now, shape (5,): while a token is made, what it will by its end."""
        return self.holding if self.cost is None else self.cost.memory_bytes

    def row(self, block: str) -> int:
        """The row of a block in the block table."""
        return self._rows[block]

    def device(self, name: str) -> int:
        """The index of a device."""
        return self._devices[name]

    def recount(self) -> FloatArray:
        """What each device must hold now, shape (devices,), counted from nothing if the state has gone on since."""
        if self._counted is None:
            self._counted = self._count()
        return self._counted

    def _count(self) -> FloatArray:
        counts = np.zeros((len(self._devices), len(Kind)))
        if self.placement is not None:
            there = ~self.lost
            np.add.at(counts, (self.placement[there], self._kind[there]), 1.0)
        for block, device in self.under_way:
            counts[device, self._kind[block]] += 1.0
        held: FloatArray = counts @ self.bytes_now
        return held

    def carries(self, block: int) -> float:
        """What is sent of a block that moves now [bytes]."""
        kind = self._kind[block]
        return self.lasting(block) if self.lost[block] else float(self.holding[kind] - self._on_disk[kind])

    def carried(self, block: int, time_s: float) -> list[float]:
        """What was sent of a block that moved at some time [bytes]; more than one if that had just changed."""
        kind = self._kind[block]
        since = bisect_left(self._held_at, time_s)
        held = self._held[max(0, since - 1) : since] + [
            held for at, held in zip(self._held_at[since:], self._held[since:], strict=True) if at == time_s
        ]
        return [float(each[kind] - self._on_disk[kind]) for each in held]

    def lasting(self, block: int) -> float:
        """What of that outlives the sequence [bytes]."""
        kind = self._kind[block]
        return float(self._weights[kind] - self._on_disk[kind])

    def begin(self, placement: IntArray) -> None:
        """The first placement, shape (blocks,)."""
        self.placement = placement.copy()
        self._counted = None

    def end(self) -> None:
        """Nothing is placed any more."""
        self.placement = self._counted = None
        self.lost[:] = False

    def copy_beside(self, under_way: list[tuple[int, int]]) -> None:
        """These blocks move beside the decoding."""
        if under_way != self.under_way:
            self.under_way, self._counted = under_way, None

    def turn(self, now_s: float, holding: FloatArray) -> None:
        """The next sequence begins if its time has come; when exactly, only what blocks hold can tell."""
        if self._between and self._arrivals and now_s >= self._arrivals[0] - grain(now_s):
            late = now_s > self._arrivals[0] + grain(now_s)
            if late or np.array_equal(holding, self._weights):
                self._begin(now_s)

    def tell(self, news: News, now_s: float) -> None:
        """Something has happened."""
        if isinstance(news, Compute | Message):
            return
        self._counted = None
        match news:
            case Attempt():
                if self._between:
                    self._begin(now_s)
                request = self._scenario.requests[news.request]
                cost = self._scenario.cost
                self.attempt = news
                if self.cache_lost:
                    self.cost = refill(cost, request.prompt, news.token)
                else:
                    self.cost = cost.step(request.prompt, news.token)
                self.held = self.recount()
            case Standing(cause="fault") if self.attempt is not None:
                self.attempt = self.cost = None
            case Move(outcome="moved") if self.placement is not None:
                self.placement[news.block] = news.new
                self.lost[news.block] = False
            case Row(table="tokens") if self.cost is not None:
                self._hold(self.cost.memory_bytes, now_s)
                self.attempt = self.cost = None
            case Row(table="faults"):
                self._lose(self._devices[news["device"]], now_s)
            case Row(table="requests") if news["generated"] == news["output"]:
                self._between, self.done = True, not self._arrivals
                if self._arrivals and self._arrivals[0] <= now_s:
                    self._begin(now_s)

    def _begin(self, now_s: float) -> None:
        self._between = False
        self._arrivals.popleft()
        self._hold(self._weights, now_s)
        self.turned_s = now_s

    def _hold(self, holding: FloatArray, now_s: float) -> None:
        self._counted = None
        self.holding, self.cache_lost = holding, False
        self._held_at.append(now_s)
        self._held.append(holding)

    def _lose(self, device: int, now_s: float) -> None:
        if self.placement is None:
            return
        gone = (self.placement == device) & ~self.lost
        self.lost |= gone
        if (self._kind[gone] == Kind.HEAD).any():
            self._hold(self._weights, now_s)
            self.cache_lost = True

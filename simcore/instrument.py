"""Instruments: hooks that a run calls when tasks, messages, decisions and moves end.

Each hook of `Instrument` does nothing unless a subclass overrides it. `Spans` turns all calls into spans, one after
another. An instrument never influences a run.

Every span names a request and a token: the first sequence in the batch of its step.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Literal, NamedTuple, TypeAlias

from headway.simcore.arrays import BoolArray, IntArray
from headway.simcore.steps.graph import NONE, StepGraph
from headway.simcore.world.batch import Batch
from headway.simcore.world.blocks import Kind
from headway.simcore.world.cost import Payload


class Formed(NamedTuple):
    """The scheduler has formed the batch of the next step.

    Attributes:
        batch: of the step.
        time_s: when.
    """

    batch: Batch
    time_s: float

    @property
    def request(self) -> int:
        """Number of the request that is first in the batch."""
        return self.batch[0].request

    @property
    def token(self) -> int:
        """Of that request, from 0."""
        return self.batch[0].token


class Attempt(NamedTuple):
    """A step begins, for the first time or again after a device went down.

    Attributes:
        batch: of the step, as the scheduler formed it; lost caches are computed again.
        begun_s: start time.
        placement: device of each block during the step, shape (blocks,).
    """

    batch: Batch
    begun_s: float
    placement: IntArray

    @property
    def request(self) -> int:
        """Number of the request that is first in the batch."""
        return self.batch[0].request

    @property
    def token(self) -> int:
        """Of that request, from 0."""
        return self.batch[0].token


class Compute(NamedTuple):
    """Blocks of one kind and layer were computed on a device.

    Attributes:
        request: number of the request that is first in the batch.
        token: of that request, from 0.
        device: index.
        kind: of the blocks.
        layer: of the blocks; -1 for the embedding, the number of layers for the output head.
        blocks: how many; a fraction for a share of a block.
        submitted_s: when the task was submitted to the device.
        start_s: when the device started the task; until then the task waited.
        disk_s: time in which the device only read swapped data: before computing, or under `prefetch` after it.
        end_s: when the task ended.
        nominal_s: duration on the fully available device without other tasks.
    """

    request: int
    token: int
    device: int
    kind: Kind
    layer: int
    blocks: float
    submitted_s: float
    start_s: float
    disk_s: float
    end_s: float
    nominal_s: float

    def computing(self, prefetch: bool) -> tuple[float, float]:
        """Start and end of computing [s]; `prefetch`: whether the device read at the same time."""
        if prefetch:
            return self.start_s, max(self.start_s, self.end_s - self.disk_s)
        begin_s = self.start_s + self.disk_s
        return begin_s, max(begin_s, self.end_s)


class Message(NamedTuple):
    """A message arrived.

    Attributes:
        request: number of the request that is first in the batch.
        token: of that request, from 0.
        sender: device index.
        receiver: device index.
        size_bytes: payload.
        sent_s: when it was sent.
        flow_s: when its bytes began to flow, after the delays of latency and transport.
        wire_bytes: bytes that flowed, including those of the transport.
        arrived_s: when its last byte arrived.
        block: row of the block that the message moves; None for a message of a step.
        payload: what a message of a step carries; None for a block that moves.
        kind: of the blocks that computed the payload; None if no block did.
        layer: of these blocks, as in `Compute`.
    """

    request: int
    token: int
    sender: int
    receiver: int
    size_bytes: float
    sent_s: float
    flow_s: float
    wire_bytes: float
    arrived_s: float
    block: int | None = None
    payload: Payload | None = None
    kind: Kind | None = None
    layer: int | None = None


class Asked(NamedTuple):
    """The policy was asked.

    Attributes:
        request: number of the request.
        token: number of the next token at the time of the decision.
        asked_s: when the policy was asked.
        answered_s: when the decision was available; equal to `asked_s` unless decisions cost simulated time.
        outcome: as in the table `decisions`.
        reason: why the decision could not be followed, otherwise empty.
        moved: number of blocks that it moves.
        target: device of each block from then on, shape (blocks,); None: no placement is possible.
        copies: warm copies that a first placement asks for, shape (blocks, devices); None: none.
        recomputes: whether the migration drops all caches, and the next step computes them again.
    """

    request: int
    token: int
    asked_s: float
    answered_s: float
    outcome: str
    reason: str
    moved: int
    target: IntArray | None
    copies: BoolArray | None = None
    recomputes: bool = False


class Move(NamedTuple):
    """A block moved, or its move was cancelled.

    Attributes:
        request: number of the request.
        token: number of the next token when the move was decided.
        block: its row in the block table.
        old: device that it leaves.
        new: device to which it moves.
        start_s: when the move began.
        end_s: when the move was complete.
        load_s: time to load its weights from the disk of the new device.
        outcome: as in the table `migrations`.
    """

    request: int
    token: int
    block: int
    old: int
    new: int
    start_s: float
    end_s: float
    load_s: float
    outcome: str


Cause: TypeAlias = Literal["migration", "fault"]


class Standing(NamedTuple):
    """Decoding paused before a step, or an unfinished step was lost. Decisions that cost time are `Asked` spans.

    Attributes:
        request: number of the request that is first in the batch.
        token: of that request, from 0.
        cause: blocks moved (their `Move` and `Message` spans lie within this one), or a device was down or went down.
        start_s: start of the pause.
        end_s: end of the pause.
    """

    request: int
    token: int
    cause: Cause
    start_s: float
    end_s: float


Span: TypeAlias = Formed | Attempt | Compute | Message | Asked | Move | Standing


class Instrument:
    """Hooks that a run calls at the end of each activity. Every hook does nothing; override those you need.

    The hooks for tasks and messages, which are many, receive the batch, the step graph and the number of the node; all
    others receive a span.
    """

    def batch_formed(self, formed: Formed) -> None:
        """The batch of the next step was formed."""

    def step_begins(self, attempt: Attempt) -> None:
        """A step begins."""

    def task_done(
        self,
        batch: Batch,
        graph: StepGraph,
        node: int,
        submitted_s: float,
        start_s: float,
        disk_s: float,
        end_s: float,
        nominal_s: float,
    ) -> None:
        """A task was computed; the times are those of `Compute`."""

    def message_arrived(
        self,
        batch: Batch,
        graph: StepGraph,
        node: int,
        size_bytes: float,
        sent_s: float,
        flow_s: float,
        wire_bytes: float,
        arrived_s: float,
    ) -> None:
        """A message of a token arrived; sizes and times are those of `Message`."""

    def block_arrived(self, message: Message) -> None:
        """A message that moves a block has arrived."""

    def policy_asked(self, asked: Asked) -> None:
        """The policy has decided."""

    def block_moved(self, move: Move) -> None:
        """A block moved, or its move was cancelled."""

    def stood_still(self, standing: Standing) -> None:
        """Decoding paused."""


_HOOKS = tuple(name for name in vars(Instrument) if not name.startswith("_"))


class Together(Instrument):
    """Several instruments as one, called in order."""

    def __init__(self, *instruments: Instrument) -> None:
        for hook in _HOOKS:
            setattr(self, hook, partial(_call_all, [getattr(one, hook) for one in instruments]))


def _call_all(hooks: Iterable[Callable[..., None]], *arguments: object) -> None:
    for hook in hooks:
        hook(*arguments)


class Spans(Instrument):
    """Turns all calls into spans, and calls `emit` with each."""

    def __init__(self, emit: Callable[[Span], None]) -> None:
        self._emit = emit
        for hook in set(_HOOKS) - vars(Spans).keys():
            setattr(self, hook, emit)  # these hooks receive a span

    def task_done(
        self,
        batch: Batch,
        graph: StepGraph,
        node: int,
        submitted_s: float,
        start_s: float,
        disk_s: float,
        end_s: float,
        nominal_s: float,
    ) -> None:
        """See `Instrument.task_done`."""
        first = batch[0]
        count = float(graph.count[node])
        task = int(graph.device[node]), Kind(graph.kind[node]), int(graph.layer[node])
        times = submitted_s, start_s, disk_s, end_s, nominal_s
        blocks = int(count) if count.is_integer() else count
        self._emit(Compute(first.request, first.token, *task, blocks, *times))

    def message_arrived(
        self,
        batch: Batch,
        graph: StepGraph,
        node: int,
        size_bytes: float,
        sent_s: float,
        flow_s: float,
        wire_bytes: float,
        arrived_s: float,
    ) -> None:
        """See `Instrument.message_arrived`."""
        first, has_blocks = batch[0], graph.kind[node] != NONE
        ends = int(graph.device[node]), int(graph.receiver[node])
        message = Message(
            first.request, first.token, *ends, size_bytes, sent_s, flow_s, wire_bytes, arrived_s,
            payload=Payload(graph.payload[node]),
            kind=Kind(graph.kind[node]) if has_blocks else None,
            layer=int(graph.layer[node]) if has_blocks else None,
        )  # fmt: skip
        self._emit(message)

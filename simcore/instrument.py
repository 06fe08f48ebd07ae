"""What a run tells while it goes on, to whoever wants to know when and where everything happened.

An `Instrument` has a hook for everything that happens, called when it has ended; each does nothing unless a subclass
says so. `Spans` turns all of them into spans, one after another. Nothing in a run depends on its instrument.

Every span names a request and a token: those that come first in the batch of its step.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Literal, NamedTuple, TypeAlias

from headway.simcore.arrays import IntArray
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
    """A step begins, for the first time or, if a device went down, once more.

    Attributes:
        batch: of the step, as the scheduler formed it; lost caches are computed again.
        begun_s: when it begins.
        placement: device of each block while it lasts, shape (blocks,).
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
        blocks: how many.
        submitted_s: when the device was asked.
        start_s: when it turned to them; until then it had other things to do.
        disk_s: how long it did nothing but read what had been swapped: before it computed, or under `prefetch` after.
        end_s: when they were done.
        nominal_s: what they take on the fully available device that computes nothing else.
    """

    request: int
    token: int
    device: int
    kind: Kind
    layer: int
    blocks: int
    submitted_s: float
    start_s: float
    disk_s: float
    end_s: float
    nominal_s: float

    def computing(self, prefetch: bool) -> tuple[float, float]:
        """From when to when the device computed [s]; `prefetch`: whether it read at the same time."""
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
        size_bytes: what was sent.
        sent_s: when it left.
        flow_s: when its bytes began to flow; until then it paid for latency and transport.
        wire_bytes: that flowed, those of the transport included.
        arrived_s: when the last of it had come.
        block: row of the block that moved by it; None for what a token needs.
        payload: what it carries of a token; None for a block that moves.
        kind: of the blocks that made that; None if no block did.
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
        token: before which it was asked.
        asked_s: when.
        answered_s: when its answer was there; later only if decisions cost simulated time.
        outcome: as in the table `decisions`.
        reason: why the answer could not be used, otherwise empty.
        moved: blocks that it moves.
        target: device of each block from then on, shape (blocks,); None: there is no placement to go on with.
    """

    request: int
    token: int
    asked_s: float
    answered_s: float
    outcome: str
    reason: str
    moved: int
    target: IntArray | None


class Move(NamedTuple):
    """A block moved, or its move was given up.

    Attributes:
        request: number of the request.
        token: before which the move was decided.
        block: its row in the block table.
        old: device from which it comes.
        new: device to which it goes.
        start_s: when its way began.
        end_s: when it was there for good.
        load_s: time in which its weights came from the disk of the new device.
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
    """Decoding stood still before a step, or what it did was in vain. Decisions that cost time are `Asked` spans.

    Attributes:
        request: number of the request that is first in the batch.
        token: of that request, from 0.
        cause: blocks moved (those `Move` and `Message` spans lie within), or a device was down or went down.
        start_s: since when.
        end_s: until when.
    """

    request: int
    token: int
    cause: Cause
    start_s: float
    end_s: float


Span: TypeAlias = Formed | Attempt | Compute | Message | Asked | Move | Standing


class Instrument:
    """Is told what happens in a run, when it has ended. Every hook does nothing; override those you need.

    Tasks and messages of a step are told as its batch, its graph and the number of the node, since there are many of
    them; all that is rarer is told as a span.
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
        """A message that moves a block arrived."""

    def policy_asked(self, asked: Asked) -> None:
        """The policy has decided."""

    def block_moved(self, move: Move) -> None:
        """A block moved, or its move was given up."""

    def stood_still(self, standing: Standing) -> None:
        """Decoding stood still."""


class Together(Instrument):
    """Several instruments as one, told in order."""

    def __init__(self, *instruments: Instrument) -> None:
        for hook in (name for name in vars(Instrument) if not name.startswith("_")):
            setattr(self, hook, partial(_tell_all, [getattr(one, hook) for one in instruments]))


def _tell_all(hooks: Iterable[Callable[..., None]], *what: object) -> None:
    for hook in hooks:
        hook(*what)


class Spans(Instrument):
    """Tells everything as spans.

    Args:
        tell: is called with each span.
    """

    def __init__(self, tell: Callable[[Span], None]) -> None:
        self._tell = tell

    def batch_formed(self, formed: Formed) -> None:
        """See `Instrument.batch_formed`."""
        self._tell(formed)

    def step_begins(self, attempt: Attempt) -> None:
        """See `Instrument.step_begins`."""
        self._tell(attempt)

    def block_arrived(self, message: Message) -> None:
        """See `Instrument.block_arrived`."""
        self._tell(message)

    def policy_asked(self, asked: Asked) -> None:
        """See `Instrument.policy_asked`."""
        self._tell(asked)

    def block_moved(self, move: Move) -> None:
        """See `Instrument.block_moved`."""
        self._tell(move)

    def stood_still(self, standing: Standing) -> None:
        """See `Instrument.stood_still`."""
        self._tell(standing)

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
        of = int(graph.device[node]), Kind(graph.kind[node]), int(graph.layer[node]), int(graph.count[node])
        self._tell(Compute(first.request, first.token, *of, submitted_s, start_s, disk_s, end_s, nominal_s))

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
        made_by = graph.kind[node]
        self._tell(
            Message(
                batch[0].request,
                batch[0].token,
                int(graph.device[node]),
                int(graph.receiver[node]),
                size_bytes,
                sent_s,
                flow_s,
                wire_bytes,
                arrived_s,
                payload=Payload(graph.payload[node]),
                kind=None if made_by == NONE else Kind(made_by),
                layer=None if made_by == NONE else int(graph.layer[node]),
            )
        )

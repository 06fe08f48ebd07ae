"""What a run tells about itself while it goes on, to whom wants to know when and where everything happened.

A probe is a function that is handed one span after another, each when it has ended. Nothing in a run depends on it, and
where there is none nothing is made for it. One token is made at a time, so what belongs to a token needs no mark: all
`Compute` spans, and all `Message` spans without a block, that come after its last `Attempt` and before the next.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from simcore.arrays import IntArray
from simcore.world.blocks import Kind


@dataclass(frozen=True, slots=True, eq=False)
class Attempt:
    """The decoding of a token begins, for the first time or, if a device went down, once more.

    Attributes:
        request: number of the request.
        token: of the request, from 0.
        begun_s: when it begins.
        placement: device of each block while it lasts, shape (blocks,).
    """

    request: int
    token: int
    begun_s: float
    placement: IntArray


@dataclass(frozen=True, slots=True)
class Compute:
    """Blocks of one kind and layer were computed on a device.

    Attributes:
        device: index.
        kind: of the blocks.
        layer: of the blocks; -1 for the embedding, the number of layers for the output head.
        blocks: how many.
        submitted_s: when the device was asked.
        start_s: when it turned to them; until then it had other things to do.
        disk_s: how long it then read what had been swapped.
        end_s: when they were done.
        nominal_s: what they take on the fully available device that computes nothing else.
    """

    device: int
    kind: Kind
    layer: int
    blocks: int
    submitted_s: float
    start_s: float
    disk_s: float
    end_s: float
    nominal_s: float


@dataclass(frozen=True, slots=True)
class Message:
    """A message arrived.

    Attributes:
        sender: device index.
        receiver: device index.
        size_bytes: what was sent.
        sent_s: when it left.
        flow_s: when its bytes began to flow; until then it paid for latency and transport.
        wire_bytes: that flowed, those of the transport included.
        arrived_s: when the last of it had come.
        block: row of the block that moved by it; None for what a token needs.
    """

    sender: int
    receiver: int
    size_bytes: float
    sent_s: float
    flow_s: float
    wire_bytes: float
    arrived_s: float
    block: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
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


@dataclass(frozen=True, slots=True)
class Move:
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


@dataclass(frozen=True, slots=True)
class Standing:
    """Decoding stood still before a token, or what it did was in vain. Decisions that cost time are `Asked` spans.

    Attributes:
        cause: blocks moved (those `Move` and `Message` spans lie within), or a device was down or went down.
        start_s: since when.
        end_s: until when.
    """

    cause: Cause
    start_s: float
    end_s: float


Span: TypeAlias = Attempt | Compute | Message | Asked | Move | Standing
Probe: TypeAlias = Callable[[Span], None]

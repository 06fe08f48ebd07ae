"""Engine profiles: what a real inference engine sends, computes and stores, beyond an ideal decoder."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from headway.simcore.registry import Named
from headway.simcore.world.cost import EngineWork, WireFormat

Quality: TypeAlias = Literal["source", "derived", "guessed"]
"""Where the costs of a profile come from: the engine's source code; measurements; or an estimate."""

REFERENCE_SYNC_S = 34e-6
"""Time per message of the device to which `sync_s` of profiles refers, a Raspberry Pi 5."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """An inference engine, or a range of its versions.

    Attributes:
        name: in scenario files.
        title: engine and versions.
        source: of the messages, such as files of the engine's source code.
        quality: of the costs (`work`, `sync_s`, `efficiency`).
        costs: where the costs come from.
        execution: pattern of its steps.
        batches: whether it computes tokens of several requests in one step.
        wire: bytes of numbers in its messages.
        work: in addition to that of the decoder.
        bytes_per_kv: of one number in its cache; None: as the model has it.
        sync_s: time to send a message, on devices that have no such time of their own.
        efficiency: rate at which it reads weights, relative to that of the device.
        efficiency_on: further factors of this rate on single devices, by their names in the library: engines with
            tuned kernels for one kind of processor are slow on others.
        kv_efficiency: rate at which it reads the cache, relative to that of the device.
        skew: by how much the slowest of several devices takes longer to read its weights than the root, as a share.
        kv_skew: the same for its cache.
        delay_share: share of a measured delay that a message takes: an engine that polls its sockets does not wait for
            the wake-ups that a ping includes.
    """

    name: str
    title: str
    source: str
    quality: Quality
    costs: str
    execution: Named
    batches: bool = True
    wire: WireFormat = field(default_factory=WireFormat)
    work: EngineWork = field(default_factory=EngineWork)
    bytes_per_kv: float | None = None
    sync_s: float = 0.0
    efficiency: float = 1.0
    efficiency_on: Mapping[str, float] = field(default_factory=dict)
    kv_efficiency: float = 1.0
    skew: float = 0.0
    kv_skew: float = 0.0
    delay_share: float = 1.0

    def sync_on(self, own_s: float) -> float:
        """Time to send a message on a device.

        Args:
            own_s: time per message that is known of the device; 0 if none is. That of the profile scales with it.
        """
        return self.sync_s * (own_s / REFERENCE_SYNC_S if own_s > 0.0 else 1.0)

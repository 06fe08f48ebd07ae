"""Engine profiles: the messages, work and memory of real inference engines, compared with an ideal decoder."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from headway.simcore.registry import Named
from headway.simcore.world.cluster import Cluster
from headway.simcore.world.decode_cost import EngineWork, WireFormat
from headway.simcore.world.device import Device
from headway.traces import Trace
from headway.traces.transform import scaled

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
        sync_s: time to send a message. It scales with the time per message of the device, where that is known.
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

    def cost(self, name: str) -> Any:
        """A cost of the profile, or of its `work`, by its attribute."""
        return getattr(self if hasattr(self, name) else self.work, name)

    def with_costs(self, costs: Mapping[str, Any]) -> "Profile":
        """A profile with other costs, see `cost`."""
        own = {name: value for name, value in costs.items() if hasattr(self, name)}
        work = {name: value for name, value in costs.items() if name not in own}
        return replace(self, work=replace(self.work, **work), **own)

    def applied(self, cluster: Cluster, entries: Mapping[str, str]) -> Cluster:
        """A cluster with the rates and times that the engine has on it.

        Args:
            cluster: with the rates and times of the devices and links themselves. Its source is the root of the engine.
            entries: name in the library of each device that has one, by the device's name.
        """
        devices = (
            self._on(device, entries.get(device.name, ""), is_root=device.name == cluster.source)
            for device in cluster.devices
        )
        links = (replace(link, latency_s=_scaled(link.latency_s, self.delay_share)) for link in cluster.links)
        return replace(cluster, devices=tuple(devices), links=tuple(links))

    def _on(self, device: Device, entry: str, *, is_root: bool) -> Device:
        weights = self.efficiency * self.efficiency_on.get(entry, 1.0)
        kv = self.kv_efficiency
        if not is_root:
            weights, kv = weights / (1.0 + self.skew), kv / (1.0 + self.kv_skew)
        own = device.memory_bandwidth if device.kv_bandwidth is None else device.kv_bandwidth
        message = device.sync_s / REFERENCE_SYNC_S if device.sync_s > 0.0 else 1.0
        rate, sync_s = device.memory_bandwidth * weights, self.sync_s * message
        return replace(device, memory_bandwidth=rate, kv_bandwidth=own * kv, sync_s=sync_s)


def _scaled(latency_s: float | Trace, share: float) -> float | Trace:
    if share == 1.0:
        return latency_s
    return scaled(latency_s, share) if isinstance(latency_s, Trace) else latency_s * share

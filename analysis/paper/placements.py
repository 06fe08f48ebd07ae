"""Baselines of the experiments that are no registered policies.

`EqualParts` follows the published simulator of the author of arXiv 2505.02533
(github.com/Dimitrios-Kafetzis/DistributedTransformerInferenceSimulator, commit be53500). Its classes for EdgeShard and
Galaxy cut the layers into equal parts and assign the parts to devices in the order of the device list. They ignore the
speed of devices. In the published code both classes read an attribute that its models lack, so they place nothing; here
they place their parts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from headway import policies
from headway.policies.common.layer_units import units
from headway.simcore import Decision, Infeasible, IntArray, Keep, Kind, Observation, Placement, Policy

Which = Literal["slowest", "fastest", "most memory"]

_PARTS = 2
"""Parts into which the author's EdgeShard and Galaxy cut a model, by default."""


@dataclass(frozen=True)
class OneDevice:
    """All blocks on one device, chosen before the first token, and kept.

    Device speeds span a factor of ten (5-50 GFLOP/s), so the slowest device can be ten times slower than the fastest.

    Attributes:
        which: the device.
        overflow: whether the model may be larger than the memory of the device; otherwise only devices that can hold
            it count.
    """

    which: Which
    overflow: bool = False

    @property
    def name(self) -> str:
        """The name in results."""
        return f"{self.which} device"

    def decide(self, observation: Observation) -> Decision:
        """Decide once, then keep the placement."""
        if observation.placement is not None:
            return Keep()
        can_hold_all = observation.memory_bytes.sum() <= observation.available_bytes
        if not self.overflow and not can_hold_all.any():
            return Infeasible("no device alone can hold the model")
        score = {
            "slowest": -observation.flops,
            "fastest": observation.flops,
            "most memory": observation.available_bytes,
        }[self.which]
        candidates = can_hold_all | self.overflow
        device = int(np.where(candidates, score, -np.inf).argmax())
        return Placement(np.full(len(observation.blocks), device, dtype=np.int64))


@dataclass(frozen=True)
class EqualParts:
    """Equal parts of the layers on groups of devices in the order of their list, as in the author's code; kept.

    A model of one layer is cut into attention, projection and feed-forward network instead of layers. Within a group of
    two devices, each has half of the heads of a layer. The code also halves the projection and the feed-forward
    network; ours are whole, one on each device of the group.

    Attributes:
        group: devices in a group: 1 for EdgeShard, 2 for Galaxy.
    """

    group: int

    @property
    def name(self) -> str:
        """The name in results."""
        return f"{_PARTS} equal parts on {self.group} devices each"

    def decide(self, observation: Observation) -> Decision:
        """Decide once, then keep the placement."""
        return Keep() if observation.placement is not None else Placement(self._placed(observation))

    def _placed(self, observation: Observation) -> IntArray:
        parts, blocks = units(observation.blocks), observation.blocks
        length = max(len(parts) // _PARTS, 1)
        devices = np.empty(len(blocks), dtype=np.int64)
        for number, rows in enumerate(parts):
            first = min(number // length, _PARTS - 1) * self.group
            head = blocks.kind[rows] == Kind.HEAD
            place = np.where(blocks.kind[rows] == Kind.FFN, self.group - 1, 0)
            place[head] = np.arange(head.sum()) * self.group // max(int(head.sum()), 1)
            devices[rows] = (first + place) % observation.devices
        return devices


@dataclass(frozen=True)
class MemoryUnchecked:
    """A policy that plans as if every device could hold the whole model."""

    inner: Policy

    @property
    def name(self) -> str:
        """The name in results."""
        return f"{self.inner.name}, memory unchecked"

    def decide(self, observation: Observation) -> Decision:
        """The decision of the policy for devices with enough memory."""
        enough = np.full(observation.devices, observation.memory_bytes.sum())
        return self.inner.decide(replace(observation, available_bytes=enough))


@dataclass(frozen=True)
class SourceBarred:
    """A policy that places nothing on the source, which holds the user's text."""

    inner: Policy

    @property
    def name(self) -> str:
        """The name in results."""
        return f"{self.inner.name}, source barred"

    def decide(self, observation: Observation) -> Decision:
        """The decision of the policy for a source without memory."""
        available = observation.available_bytes.copy()
        available[observation.source] = 0.0
        return self.inner.decide(replace(observation, available_bytes=available))


SLOWEST = "slowest-device"
ALL_ON_FASTEST = "all on the fastest device"
ALL_ON_ROOMIEST = "all where most memory is"
EDGESHARD_UNCHECKED = "edgeshard, memory unchecked"
EDGESHARD_EQUAL = "edgeshard, equal parts"
GALAXY_EQUAL = "galaxy, equal parts"
SOURCE_BARRED = "resource-aware, source barred"


BASELINES: Mapping[str, Callable[[], Policy]] = {
    SLOWEST: lambda: OneDevice("slowest"),
    ALL_ON_FASTEST: lambda: OneDevice("fastest", overflow=True),
    ALL_ON_ROOMIEST: lambda: OneDevice("most memory", overflow=True),
    EDGESHARD_UNCHECKED: lambda: MemoryUnchecked(policies.create("edgeshard")),
    EDGESHARD_EQUAL: lambda: EqualParts(1),
    GALAXY_EQUAL: lambda: EqualParts(2),
    SOURCE_BARRED: lambda: SourceBarred(policies.create("resource-aware", alternatives=False)),
}
"""How to create each baseline, by its name in results."""

"""Servers that take the weakest range of blocks, after *Petals* (arXiv 2209.01188, 2312.08361).

Known from the source of Petals (github.com/bigscience-workshop/petals; `server/block_selection.py`,
`server/throughput.py`, `client/routing/sequence_manager.py`). The throughput of a block is the sum over its servers. A
server that joins takes the range, of as many blocks as it holds, whose throughputs are least when they are sorted from
the weakest; of equal ranges the first. The throughput of a server with n blocks is its rate for one block divided by
(n + 1) / 2, and at most the rate of its connection. The client holds embedding and output head, and uses the path of
least time over the servers. From time to time a server checks the balance: it simulates that it and then all others
take their best ranges again until none moves. If the throughput of the weakest block now, divided by that after the
simulation, is below `balance_quality` (0.75 by default), the server moves.

The full text of the papers was not available. They are quoted with a least gain in throughput of 20 % as the test. A
quality below 0.75 is a gain of more than 33 %, so the default of the source is the stricter test, and is used here.

Petals has several copies of blocks, and Headway has one. So the ranges of the servers are the result of joining and
balancing; the placement is the path of the client over them, and copies that it does not use hold no memory.

Ours:

- The source is the client. If it has no room for embedding and output head, the device with the most memory has them.
- Servers join by rate, the fastest first, and balance in that order; Petals has arrivals and a random order. After
  twenty rounds of balancing the ranges stay as they are.
- A range has as many blocks as fit wherever it is. The parts of a single layer count as equal.
- The quality compares the placement in force with the new path, both with one copy of each block. All servers move
  together, as the simulation of the deciding server expects, and the cost of moving is ignored.
- Of transfers, only hidden vectors are counted. Times and rates are those over the present horizon.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from headway.policies.common.layer_units import ends_and_layers, on_devices
from headway.policies.common.reachability import usable_first
from headway.policies.common.transfer_times import over_horizon
from headway.simcore import (
    Decision,
    FloatArray,
    Infeasible,
    IntArray,
    Keep,
    Observation,
    Payload,
    Placement,
    predict,
)

_EPSILON = 1e-3
"""Relative difference of throughputs that counts as none."""

_MOST_ROUNDS = 20

_FOREVER_S = 1e200
"""A time in place of infinity, so that sums and differences of times are numbers."""


@dataclass(frozen=True)
class Petals:
    """Ranges of layers where the swarm is weakest; moves when its balance falls below a threshold (Petals).

    Attributes:
        balance_quality: throughput of the placement in force, as a share of that after balancing, below which it moves.
    """

    name: ClassVar[str] = "petals"
    declares: ClassVar[Mapping[str, str]] = {
        "worth-moving": "throughput decides when ranges move, not what it costs",
    }

    balance_quality: float = 0.75

    def __post_init__(self) -> None:
        if not 0.0 <= self.balance_quality <= 1.0:
            raise ValueError(f"balance_quality must be from 0 to 1, not {self.balance_quality}")

    def decide(self, observation: Observation) -> Decision:
        """Plan at first, when the plan no longer fits, and when the swarm is out of balance."""
        swarm = _Swarm(observation)
        target = swarm.placement()
        if observation.placement is not None and predict.can_stay(observation):
            if target is None:
                return Keep()
            quality = swarm.throughput(observation.placement) / swarm.throughput(target)
            if not quality < self.balance_quality - _EPSILON:
                return Keep()
        if target is None:
            return Infeasible("the ranges of the servers do not cover all layers")
        return Placement(target)


class _Swarm:
    """Devices as servers of layers, without embedding and output head; everything counts over the horizon."""

    def __init__(self, observation: Observation) -> None:
        self._observation = observation
        self._ends, self._rows = ends_and_layers(observation.blocks)
        self._sizes = np.array([observation.memory_bytes[rows].sum() for rows in self._rows])
        self._seconds = np.array([observation.seconds_together(rows) for rows in self._rows])
        size = sum(step.count * float(step.cost.message_bytes[Payload.HIDDEN]) for step in observation.steps)
        source, per_byte_s = observation.source, observation.per_byte_s
        per_byte = np.maximum(per_byte_s[source], per_byte_s[:, source])
        self._network_s = size * per_byte if size > 0.0 else np.zeros(observation.devices)

    def throughput(self, devices: IntArray) -> float:
        """Horizons per second of the weakest server of a placement, shape (B,)."""
        count = np.zeros(self._observation.devices, dtype=np.int64)
        for rows in self._rows:
            count[np.unique(devices[rows])] += 1
        used = np.flatnonzero(count)
        return float(self._rates(used, count[used]).min())

    def placement(self) -> IntArray | None:
        """The path of the client over the ranges of the servers, shape (B,); None if they leave a layer out."""
        for servers in usable_first(self._observation):
            client = self._client(servers)
            # Sums depend on their order by rounding: what fits by one order must not overflow by another.
            room = self._observation.available_bytes * (1.0 + 1e-12)
            room[client] -= self._observation.memory_bytes[self._ends].sum()
            length = self._lengths(room[servers])
            serving = servers[length > 0]
            rate = self._rates(serving, length[length > 0])
            order = np.argsort(-rate, kind="stable")
            starts = balanced_starts(length[length > 0][order], rate[order], len(self._rows))
            path = self._path(serving[order], starts, length[length > 0][order], client)
            if path is not None:
                devices = on_devices(self._observation.blocks, self._rows, path, client)
                if predict.fits(self._observation, devices):
                    return devices
        return None

    def _client(self, servers: IntArray) -> int:
        room, needed = self._observation.available_bytes, self._observation.memory_bytes[self._ends].sum()
        if self._observation.up[self._observation.source] and room[self._observation.source] >= needed:
            return self._observation.source
        return int(servers[room[servers].argmax()])

    def _lengths(self, room: FloatArray) -> IntArray:
        """Layers that each server holds."""
        largest = max(float(self._sizes.max()), np.finfo(np.float64).tiny)
        most = np.minimum(np.floor(np.maximum(room, 0.0) / largest), len(self._sizes))
        return np.where(room >= self._sizes.sum(), len(self._sizes), most).astype(np.int64)

    def _rates(self, servers: IntArray, length: IntArray) -> FloatArray:
        """Horizons per second of servers with ranges of these lengths, shape of `servers`."""
        computing_s = self._seconds.mean(axis=0)[servers] * (length + 1) / 2
        seconds = np.maximum(computing_s, self._network_s[servers]).clip(1.0 / _FOREVER_S, _FOREVER_S)
        rates: FloatArray = 1.0 / seconds
        return rates

    def _path(self, servers: IntArray, starts: IntArray, length: IntArray, client: int) -> IntArray | None:
        """The server of each layer on the path of least time from the client and back; None if a layer has none."""
        layer = np.arange(len(self._rows))[:, None]
        serves = (layer >= starts) & (layer < starts + length)
        if not serves.any(axis=1).all():
            return None
        hop = np.minimum(over_horizon(self._observation, Payload.HIDDEN), _FOREVER_S)
        between = hop[np.ix_(servers, servers)]
        seconds = np.where(serves, np.minimum(self._seconds[:, servers], _FOREVER_S), np.inf)
        total = hop[client, servers] + seconds[0]
        origin = []
        for own in seconds[1:]:
            ways = total[:, None] + between
            origin.append(ways.argmin(axis=0))
            total = ways.min(axis=0) + own
        at = int((total + hop[servers, client]).argmin())
        path = [at]
        for origins in reversed(origin):
            at = int(origins[at])
            path.append(at)
        return servers[path[::-1]]


def weakest_start(throughput: FloatArray, length: int) -> int:
    """The first block of the range of `length` blocks with the least sorted throughputs; of equal ranges the first."""
    windows = np.sort(np.lib.stride_tricks.sliding_window_view(throughput, length), axis=1)
    return int(np.lexsort(windows.T[::-1])[0])


def balanced_starts(length: IntArray, rate: FloatArray, blocks: int) -> IntArray:
    """The first block of each server's range, after all have joined in turn and balanced, shape (N,).

    Args:
        length: blocks of each server, shape (N,).
        rate: throughput of each server, shape (N,).
        blocks: number of blocks.
    """
    throughput = np.zeros(blocks)
    starts = np.zeros(len(length), dtype=np.int64)
    for server, size in enumerate(length.tolist()):
        starts[server] = weakest_start(throughput, size)
        throughput[starts[server] : starts[server] + size] += rate[server]
    for _ in range(_MOST_ROUNDS):
        before = starts.copy()
        for server, size in enumerate(length.tolist()):
            # A little more is taken away than the server has, so that it prefers its present range to an equal one.
            throughput[starts[server] : starts[server] + size] -= rate[server] * (1.0 + _EPSILON)
            new = weakest_start(throughput, size)
            throughput[starts[server] : starts[server] + size] += rate[server] * _EPSILON
            starts[server] = new
            throughput[new : new + size] += rate[server]
        if np.array_equal(before, starts):
            break
    return starts

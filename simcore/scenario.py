"""A scenario: everything that determines a run except the policy."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from headway.simcore.arrays import IntArray, immutable
from headway.simcore.registry import Named
from headway.simcore.steps.patterns import PATTERNS
from headway.simcore.steps.step_graphs import Pattern, StepGraphs
from headway.simcore.world.batch import Batch
from headway.simcore.world.blocks import BlockTable, block_table
from headway.simcore.world.cluster import Cluster
from headway.simcore.world.cost import CostModel, StepCost
from headway.simcore.world.device_time import DEVICE_TIMES
from headway.simcore.world.library import LibraryUse
from headway.simcore.world.model import ModelSpec
from headway.simcore.world.options import (
    BlockOptions,
    ControllerOptions,
    ExecutorChoice,
    MemoryOptions,
    NetworkOptions,
)

_MOST_COSTS = 4096
"""Steps whose costs are kept."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One sequence to generate.

    Attributes:
        prompt: tokens of the prompt, at least 1.
        output: tokens to generate, at least 1.
        arrival_s: when it arrives at the source.
    """

    prompt: int
    output: int
    arrival_s: float = 0.0

    def __post_init__(self) -> None:
        if self.prompt < 1 or self.output < 1 or not 0.0 <= self.arrival_s < math.inf:
            raise ValueError(f"a request needs a prompt, an output and an arrival of at least 0, not {self}")


@dataclass(frozen=True, kw_only=True)
class PolicyChoice:
    """A policy as a user names it.

    Attributes:
        name: under which it is registered.
        label: its name in results.
        parameters: as the policy documents them.
        where: file and line that name it, for error messages.
    """

    name: str
    label: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    where: str = "policy"


@dataclass(frozen=True, kw_only=True, eq=False)
class Scenario:
    """A world and its requests. Immutable, so that every policy runs in the same world.

    Attributes:
        name: of the scenario, in results and figures.
        model: the decoder.
        cost: model of the work, memory and messages of its blocks.
        execution: which device sends what to which in a step; by name, or as a `Pattern`. None: `gathered` or
            `sharded`, as the projection of the cost model needs it.
        device_time: how long tasks take on devices; by name, or as a `DeviceTime`.
        scheduler: which sequences are in each step; by name, or as a `Scheduler`.
        executor: the code that carries out the steps: `events` (SimPy), `compiled` (array code), or `auto`, which
            chooses by the size of the run. Both give the same results to 1e-9 of each value.
        cluster: devices and links.
        requests: in order of arrival; the scheduler decides when each is served.
        blocks: which blocks exist in addition to heads, projections and feed-forward networks.
        network: how messages are sent.
        controller: when the policy is asked, and how its decisions are carried out.
        memory: what happens if a device holds more than its memory.
        placement: device of each block under the policy `pinned`, shape (blocks,); None if the scenario gives none.
        seed: from which the random parts of the world were drawn.
        policies: to compare, if the scenario lists any.
        text: of the file it was read from; empty when it was built in Python.
        changes: made to the content of the file, as the user wrote them.
        provenance: values that come from the library of devices and links, with their sources.
    """

    name: str
    model: ModelSpec
    cost: CostModel
    cluster: Cluster
    requests: tuple[Request, ...]
    execution: Named | str | None = None
    device_time: Named | str = "roofline"
    scheduler: Named | str = "fcfs"
    executor: ExecutorChoice = "auto"
    blocks: BlockOptions = field(default_factory=BlockOptions)
    network: NetworkOptions = field(default_factory=NetworkOptions)
    controller: ControllerOptions = field(default_factory=ControllerOptions)
    memory: MemoryOptions = field(default_factory=MemoryOptions)
    placement: IntArray | None = None
    seed: int = 0
    policies: tuple[PolicyChoice, ...] = ()
    text: str = field(default="", repr=False)
    changes: tuple[str, ...] = ()
    provenance: tuple[LibraryUse, ...] = ()

    def __post_init__(self) -> None:
        if not self.requests:
            raise ValueError("a scenario needs at least one request")
        DEVICE_TIMES.find(self.device_time, "device_time")
        pattern = self._pattern()
        if pattern.projection != self.cost.projection:
            raise ValueError(
                f"execution {pattern.name!r} needs a cost model with the projection {pattern.projection!r}, "
                f"not {self.cost.projection!r}"
            )
        self._check_placement()
        diskless = [d.name for d in self.cluster.devices if d.disk_bandwidth <= 0.0]
        needing = {
            "overflow 'swap'": self.memory.overflow == "swap",
            "weights_on_disk": self.controller.weights_on_disk,
        }
        for what, needed in needing.items():
            if needed and diskless:
                raise ValueError(f"{what} needs a disk bandwidth on every device; without one: {diskless}")

    def _check_placement(self) -> None:
        if self.placement is None:
            return
        shape, devices = (len(self.block_table),), len(self.cluster.devices)
        valid = self.placement.shape == shape and self.placement.dtype.kind in "iu"
        if not valid or not ((self.placement >= 0) & (self.placement < devices)).all():
            raise ValueError(f"placement needs {shape[0]} device indices from 0 to {devices - 1}")
        object.__setattr__(self, "placement", immutable(self.placement.astype(np.int64)))

    def step_cost(self, batch: Batch) -> StepCost:
        """The cost of one step of a batch; computed once, because several parts of a run need it."""
        cost = self._step_costs.get(batch)
        if cost is None:
            if len(self._step_costs) >= _MOST_COSTS:
                self._step_costs.clear()
            cost = self._step_costs[batch] = self.cost.step(batch)
        return cost

    @cached_property
    def _step_costs(self) -> dict[Batch, StepCost]:
        return {}

    @cached_property
    def step_graphs(self) -> StepGraphs:
        """The graphs of the model's steps under its execution pattern."""
        return StepGraphs(self._pattern(), self.block_table)

    def _pattern(self) -> Pattern:
        return PATTERNS.find(self.cost.projection if self.execution is None else self.execution)

    @cached_property
    def block_table(self) -> BlockTable:
        """The block table of the model."""
        options = self.blocks
        return block_table(
            self.model, embed=options.embed, lm_head=options.lm_head, ffn_shards=self.cost.ffn_shards
        )

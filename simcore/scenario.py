"""A scenario: everything that determines a run except the policy."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from simcore.world.blocks import BlockTable, block_table
from simcore.world.cluster import Cluster
from simcore.world.cost import CostModel
from simcore.world.model import ModelSpec
from simcore.world.options import (
    IDEAL,
    DecisionTime,
    Migration,
    OnInfeasible,
    Overflow,
    Sharing,
    Transporting,
)


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
            raise ValueError(
                f"a request needs a prompt, an output and an arrival that is not negative, not {self}"
            )


@dataclass(frozen=True)
class Turn:
    """A token whose turn it is.

    Attributes:
        number: of its request in the scenario.
        request: for which it is made.
        generated: tokens made for the request before it.
    """

    number: int
    request: Request
    generated: int


@dataclass(frozen=True, kw_only=True)
class PolicyChoice:
    """A policy as a user names it.

    Attributes:
        name: under which it is registered.
        label: its name in results.
        parameters: as the policy documents them.
        where: file and line that name it, for messages.
    """

    name: str
    label: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    where: str = "policy"


@dataclass(frozen=True, kw_only=True, eq=False)
class Scenario:
    """A world and what is asked of it. Immutable, so that every policy sees the same.

    Attributes:
        name: of the scenario, in results and figures.
        model: the decoder.
        cost: how its blocks are costed.
        cluster: devices and links.
        requests: served whole, one after another, in order of arrival.
        embed: whether the embedding is a block of its own.
        lm_head: whether the output head is a block of its own.
        interval: tokens from one decision to the next.
        sharing: how messages share links, interfaces and media: max-min `fair`, or `dedicated`, each as if it were
            alone.
        transport: what a message pays beside its latency and its bytes.
        window_s: what a policy sees of rates and availabilities is their mean over so many seconds before the decision;
            0 shows the very instant, which says little of a link that delivers packet by packet.
        migration: decoding waits until blocks have moved (`blocking`), or goes on under the old placement meanwhile and
            waits only for what they have gained by then (`live`).
        weights_on_disk: a block that moves sends its cache only and loads its weights from the disk of its new device.
        overflow: what happens to a device that holds more than it can: `fail` ends the run, `swap` reads the excess
            from disk on every step.
        on_infeasible: what follows an infeasible decision: `keep` the placement in force, or `fail` the run.
        decision_time: what a decision costs in simulated time: nothing, as long as it really took (which makes results
            differ from run to run), or a fixed number of seconds.
        seed: from which the random parts of the world were drawn.
        policies: to compare, where the scenario says so.
        text: of the file it was read from; empty when it was built in Python.
        changes: made to what the file says, as they are written.
    """

    name: str
    model: ModelSpec
    cost: CostModel
    cluster: Cluster
    requests: tuple[Request, ...]
    embed: bool = True
    lm_head: bool = True
    interval: int = 1
    sharing: Sharing = "fair"
    transport: Transporting = IDEAL
    window_s: float = 1.0
    migration: Migration = "blocking"
    weights_on_disk: bool = False
    overflow: Overflow = "fail"
    on_infeasible: OnInfeasible = "keep"
    decision_time: DecisionTime = "free"
    seed: int = 0
    policies: tuple[PolicyChoice, ...] = ()
    text: str = field(default="", repr=False)
    changes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.interval < 1:
            raise ValueError(f"interval must be at least 1 token, not {self.interval}")
        if not 0.0 <= self.window_s < math.inf:
            raise ValueError(f"window_s must not be negative or infinite, not {self.window_s}")
        if not self.requests:
            raise ValueError("a scenario needs at least one request")
        diskless = [d.name for d in self.cluster.devices if d.disk_bandwidth <= 0.0]
        needing = {"overflow 'swap'": self.overflow == "swap", "weights_on_disk": self.weights_on_disk}
        for what, needed in needing.items():
            if needed and diskless:
                raise ValueError(f"{what} needs a disk bandwidth on every device; without one: {diskless}")

    @cached_property
    def blocks(self) -> BlockTable:
        """The block table of the model."""
        return block_table(
            self.model, embed=self.embed, lm_head=self.lm_head, ffn_shards=self.cost.ffn_shards
        )

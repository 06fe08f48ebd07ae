"""The options of a scenario, in the same groups as in its file."""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from headway.simcore.registry import Named

Migration: TypeAlias = Literal["blocking", "live"]
OnInfeasible: TypeAlias = Literal["keep", "fail"]
NamedHorizon: TypeAlias = Literal["limit", "mean", "generated", "interval"]
Horizon: TypeAlias = NamedHorizon | int
Moves: TypeAlias = Literal["parallel", "serial"]
OutageForecast: TypeAlias = Literal["none", "last", "seasonal", "oracle"]
Forecast: TypeAlias = Literal["mean"] | OutageForecast
Caches: TypeAlias = Literal["send", "recompute", "faster"]
DecisionTime: TypeAlias = Literal["free", "measured"] | float
Overflow: TypeAlias = Literal["fail", "swap"]
Swap: TypeAlias = Literal["pinned", "lru", "prefetch"]
ExecutorChoice: TypeAlias = Literal["events", "compiled", "auto"]


@dataclass(frozen=True, kw_only=True)
class BlockOptions:
    """Which blocks exist in addition to heads, projections and feed-forward networks.

    Attributes:
        embed: whether the embedding is a block of its own.
        lm_head: whether the output head is a block of its own.
    """

    embed: bool = True
    lm_head: bool = True


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """How messages are sent.

    Attributes:
        sharing: how messages share links, interfaces and media: max-min `fair`; `airtime`, max-min fair too, but media
            are shared by the airtime that messages take; or `dedicated`, each as if it were alone; by name, or as a
            `SharingRule`.
        transport: overhead of a message in addition to its latency and its bytes (`ideal`: none); by name, or as a
            `TransportSpec` such as `Tcp(connection="persistent")`.
    """

    sharing: Named | str = "fair"
    transport: Named | str = "ideal"


@dataclass(frozen=True, kw_only=True)
class TriggerOptions:
    """Events at which a policy is asked before its interval is over. It is always asked when a device fails.

    Attributes:
        overflow: a device with blocks holds more than its memory, or will before the next decision.
        device_back: a device comes back after an outage.
        slowdown: the availability of a device in use, or the rate between two of them, has fallen by this share since
            the last decision; None: never.
        misprediction: the time of a decode step differs from the predicted time by this share of it; None: never.
    """

    overflow: bool = True
    device_back: bool = True
    slowdown: float | None = None
    misprediction: float | None = None

    def __post_init__(self) -> None:
        if self.slowdown is not None and not 0.0 < self.slowdown <= 1.0:
            raise ValueError(f"slowdown must be a share above 0, at most 1, not {self.slowdown}")
        if self.misprediction is not None and not 0.0 < self.misprediction < math.inf:
            raise ValueError(f"misprediction must be a share above 0, not {self.misprediction}")


NO_TRIGGERS = TriggerOptions(overflow=False, device_back=False)


MOST_PERIODS = 1000
"""Maximum number of periods of a forecast."""


@dataclass(frozen=True, kw_only=True)
class ForecastOptions:
    """The forecasts that a policy gets, one method for each quantity.

    `none` and `last`: the quantity stays as it is observed now. `mean`: it will have its mean since the start of the
    run. `seasonal`: it will be as it was one period before. `oracle`: it will be as the scenario says. If all methods
    are `none`, the policy gets no forecast.

    Attributes:
        memory: memory of devices that other programs use.
        availability: share of each device that is free.
        rates: rates of links, interfaces and media.
        outages: when devices and links are down.
        span_s: how far the forecast reaches [s].
        step_s: length of its periods [s].
        season_s: the period of `seasonal` [s].
    """

    memory: Forecast = "none"
    availability: Forecast = "none"
    rates: Forecast = "none"
    outages: OutageForecast = "none"
    span_s: float = 60.0
    step_s: float = 1.0
    season_s: float | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.step_s <= self.span_s < math.inf:
            raise ValueError(f"step_s must be above 0 and at most span_s, not {self.step_s} of {self.span_s}")
        if self.span_s / self.step_s > MOST_PERIODS:
            raise ValueError(f"a forecast has at most {MOST_PERIODS} periods; raise step_s")
        if "seasonal" in self.methods.values() and not 0.0 < (self.season_s or 0.0) < math.inf:
            raise ValueError("seasonal forecasts need season_s, a time above 0")

    @property
    def methods(self) -> dict[str, Forecast]:
        """The method for each quantity that has a forecast."""
        quantities = ("memory", "availability", "rates", "outages")
        return {name: method for name in quantities if (method := getattr(self, name)) != "none"}


@dataclass(frozen=True, kw_only=True)
class ControllerOptions:
    """When the policy is asked, and how its decisions are carried out.

    Attributes:
        interval: tokens from one decision to the next.
        horizon: tokens that a decision plans for. `limit`: all tokens that the request may still generate; `mean`: as
            many as an average request of the workload would still generate, at least 1; `generated`: as many as it has
            generated so far, at least 1; `interval`: the tokens until the next decision; or a number, at most `limit`.
        triggers: events at which it is asked in between.
        forecast: of the world in the next seconds, as data in each observation.
        window_s: a policy sees rates and availabilities as means over this time before the decision [s]; 0 shows the
            present values, which say little about a link that delivers packet by packet.
        migration: `blocking`: decoding waits until blocks have moved; `live`: decoding continues under the old
            placement and waits only while the growth of the caches since the copy is sent.
        moves: `parallel`: blocks move at the same time over routes that share no link, interface, medium or disk; the
            others one after another. `serial`: all one after another.
        weights_on_disk: a block that moves sends its cache only and loads its weights from the disk of its new device.
        warm_copies: a device keeps the weights of a block that leaves it in free memory; if the block comes back, it
            sends its cache only. A first placement may ask for such copies.
        caches: the treatment of caches in a blocking migration of blocks with caches. `send`: each block sends its
            cache; `recompute`: all caches are dropped and the next step computes them again; `faster`: the one of the
            two after which the next step is predicted to end first. Caches are sent if a device lacks the memory to
            recompute them.
        pause_budget_s: a blocking migration with a longer pause is spread over several decisions [s]; None: never. See
            `within_budget`.
        on_infeasible: reaction to an infeasible decision: `keep` the placement in force, or `fail` the run.
        decision_time: simulated time of a decision: `free`, `measured` (its wall time, so that results differ from run
            to run), or a fixed number of seconds.
    """

    interval: int = 1
    horizon: Horizon = "limit"
    triggers: TriggerOptions = TriggerOptions()
    forecast: ForecastOptions = ForecastOptions()
    window_s: float = 1.0
    migration: Migration = "blocking"
    moves: Moves = "parallel"
    weights_on_disk: bool = False
    warm_copies: bool = True
    caches: Caches = "send"
    pause_budget_s: float | None = None
    on_infeasible: OnInfeasible = "keep"
    decision_time: DecisionTime = "free"

    def __post_init__(self) -> None:
        if self.interval < 1:
            raise ValueError(f"interval must be at least 1 token, not {self.interval}")
        if isinstance(self.horizon, int) and self.horizon < 1:
            raise ValueError(f"horizon must be at least 1 token, not {self.horizon}")
        if not 0.0 <= self.window_s < math.inf:
            raise ValueError(f"window_s must not be negative or infinite, not {self.window_s}")
        if self.pause_budget_s is not None and not 0.0 <= self.pause_budget_s < math.inf:
            raise ValueError(f"pause_budget_s must not be negative or infinite, not {self.pause_budget_s}")


PAPER_CONTROLLER = ControllerOptions(
    horizon="interval", triggers=NO_TRIGGERS, moves="serial", warm_copies=False
)
"""The controller of *Large Language Model Partitioning for Low-Latency Inference at the Edge* (arXiv 2505.02533)."""


@dataclass(frozen=True, kw_only=True)
class MemoryOptions:
    """The handling of devices that hold more than their memory.

    Attributes:
        overflow: `fail` ends the run, `swap` reads from disk on every step.
        swap: what a step reads from disk, and when. `pinned`: the bytes that do not fit, the same share of each block;
            the rest stays in memory. `lru`: all blocks as soon as anything does not fit, since a step reads blocks in a
            cycle and each is evicted before its next use, as with memory-mapped files. `prefetch`: as much as
            `pinned`, but a task reads and computes at the same time.
    """

    overflow: Overflow = "fail"
    swap: Swap = "pinned"

    @property
    def prefetch(self) -> bool:
        """Whether tasks read from disk and compute at the same time."""
        return self.overflow == "swap" and self.swap == "prefetch"

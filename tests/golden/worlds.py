"""Sixty small random worlds that together use every feature of the simulator.

They come from a seeded numpy generator and not from Hypothesis, whose draws differ between releases. Only
`Generator.random` and the four operations of arithmetic are used, so that the worlds are the same on every machine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal, TypeVar

import numpy as np

from headway import policies
from headway.simcore import (
    PAPER_CONTROLLER,
    BlockOptions,
    Cluster,
    CostModel,
    DecodeCost,
    Device,
    Ideal,
    Link,
    Medium,
    MemoryOptions,
    ModelSpec,
    NetworkOptions,
    PaperCost,
    Policy,
    Request,
    Scenario,
    Tcp,
)
from headway.traces import Trace, on_off

T = TypeVar("T")

COUNT = 60

SEED = 13_000

POLICIES: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("resource-aware", {}),
    ("greedy", {}),
    ("round-robin", {}),
    ("static", {}),
    ("single", {}),
    ("edgeshard", {"objective": "latency"}),
    ("edgeshard", {"objective": "throughput"}),
    ("galaxy", {}),
    ("dynamic-layer", {}),
    ("random", {"seed": 3, "replan": True}),
    ("exact", {}),
    ("random", {"seed": 5}),
)

SHAPES = ("mesh", "tree", "ring", "star", "cell")

FEATURES = (
    *(f"policy {name}" for name in dict.fromkeys(name for name, _ in POLICIES)),
    *(f"objective {name}" for name in ("latency", "throughput")),
    *(f"shape {shape}" for shape in SHAPES),
    *("one layer", "several layers", "embed", "no embed", "lm_head", "no lm_head"),
    *("decode cost", "paper cost", "one ffn shard", "several ffn shards", "grouped queries", "gated ffn"),
    *("gathered projection", "sharded projection"),
    *("fair sharing", "dedicated sharing"),
    *("ideal transport", "fresh tcp", "persistent tcp", "persistent tcp without idle restart"),
    *("medium", "medium beside a bandwidth", "nic limit", "relay", "several hops", "pinned route"),
    *("constant bandwidth", "changing bandwidth", "bandwidth with zero stretches", "bandwidth that ends"),
    *("constant availability", "changing availability", "availability with zero stretches"),
    *("ample memory", "tight memory", "scarce memory", "changing memory"),
    *("fifo", "ps", "infinite memory bandwidth", "finite memory bandwidth"),
    *("device overhead", "no device overhead", "link overhead", "no link overhead"),
    *("blocking migration", "live migration", "weights on disk", "weights sent"),
    *("overflow fail", "overflow swap", "keep if infeasible", "fail if infeasible"),
    *("free decisions", "decisions that take time"),
    *("window of 0 s", "window of 0.02 s", "window of 1 s"),
    *("interval 1", "interval 2 to 4", "interval 5 to 8"),
    *("one request", "several requests", "late arrival"),
    *("device outage", "device outage for good", "link outage"),
)
"""What the worlds use; each of these in several."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Everything that was drawn of a scenario, in no nesting but its own."""

    name: str
    model: ModelSpec
    cost: CostModel
    cluster: Cluster
    requests: tuple[Request, ...]
    embed: bool
    lm_head: bool
    interval: int
    sharing: Literal["fair", "dedicated"]
    transport: Ideal | Tcp
    window_s: float
    migration: Literal["blocking", "live"]
    weights_on_disk: bool
    overflow: Literal["fail", "swap"]
    on_infeasible: Literal["keep", "fail"]
    decision_time: Literal["free"] | float
    seed: int


@dataclass(frozen=True, kw_only=True)
class World:
    """A scenario, the policy it runs under, and which of `FEATURES` it uses."""

    scenario: Scenario
    policy_name: str
    parameters: Mapping[str, Any]
    features: frozenset[str]

    def policy(self) -> Policy:
        """A fresh one."""
        return policies.create(self.policy_name, **self.parameters)


def scenario_of(drawn: Drawn) -> Scenario:
    """The only place that knows how a `Scenario` is constructed."""
    return Scenario(
        name=drawn.name,
        model=drawn.model,
        cost=drawn.cost,
        cluster=drawn.cluster,
        requests=drawn.requests,
        blocks=BlockOptions(embed=drawn.embed, lm_head=drawn.lm_head),
        network=NetworkOptions(sharing=drawn.sharing, transport=drawn.transport),
        controller=replace(
            PAPER_CONTROLLER,
            interval=drawn.interval,
            window_s=drawn.window_s,
            migration=drawn.migration,
            weights_on_disk=drawn.weights_on_disk,
            on_infeasible=drawn.on_infeasible,
            decision_time=drawn.decision_time,
        ),
        memory=MemoryOptions(overflow=drawn.overflow),
        seed=drawn.seed,
    )


@cache
def world(number: int) -> World:
    """World `number` of `COUNT`; policies and shapes take turns, the rest is drawn."""
    name, parameters = POLICIES[number % len(POLICIES)]
    builder = _Builder(number, SHAPES[number % len(SHAPES)], one_layer=name == "exact")
    drawn = builder.drawn()
    used = {f"policy {name}", *builder.used}
    if "objective" in parameters:
        used.add(f"objective {parameters['objective']}")
    return World(
        scenario=scenario_of(drawn), policy_name=name, parameters=parameters, features=frozenset(used)
    )


class _Draws:
    """Numbers from one stream."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def real(self, low: float, high: float) -> float:
        return low + (high - low) * float(self._random.random())

    def whole(self, low: int, high: int) -> int:
        """From `low` to `high`, both possible."""
        return low + int(float(self._random.random()) * (high - low + 1))

    def chance(self, share: float) -> bool:
        return float(self._random.random()) < share

    def of(self, options: Sequence[T]) -> T:
        return options[self.whole(0, len(options) - 1)]


@dataclass
class _Builder:
    """Draws one world and notes what it uses.

    One pass of any trace takes some hundredths of a second, as a token does: the world changes while a run goes on.
    """

    number: int
    shape: str
    one_layer: bool
    used: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._draw = _Draws(SEED + self.number)
        self._count = self._draw.whole(2, 6) if self.shape != "ring" else self._draw.whole(4, 6)
        self._names = [f"d{i}" for i in range(self._count)]
        self._fastest = self._draw.of((1e7, 1e6))

    def drawn(self) -> Drawn:
        model, requests = self._model(), self._requests()
        cost = self._cost(model)
        embed = self._either("embed", "no embed", 0.6)
        lm_head = self._either("lm_head", "no lm_head", 0.6)
        swap = self._either("overflow swap", "overflow fail", 0.45)
        on_disk = self._either("weights on disk", "weights sent", 0.35)
        live = self._either("live migration", "blocking migration", 0.5)
        keep = self._either("keep if infeasible", "fail if infeasible", 0.75)
        charged = self._either("decisions that take time", "free decisions", 0.3)
        return Drawn(
            name=f"world {self.number}",
            model=model,
            cost=cost,
            cluster=self._cluster(_needed_bytes(model, cost, requests)),
            requests=requests,
            embed=embed,
            lm_head=lm_head,
            interval=self._interval(),
            sharing="fair" if self._either("fair sharing", "dedicated sharing", 0.6) else "dedicated",
            transport=self._transport(),
            window_s=self._window_s(),
            migration="live" if live else "blocking",
            weights_on_disk=on_disk,
            overflow="swap" if swap else "fail",
            on_infeasible="keep" if keep else "fail",
            decision_time=self._draw.real(0.001, 0.02) if charged else "free",
            seed=self.number,
        )

    def _either(self, one: str, other: str, share: float) -> bool:
        """True in a `share` of the worlds, which use `one`; the rest use `other`."""
        chosen = self._draw.chance(share)
        self.used.add(one if chosen else other)
        return chosen

    def _model(self) -> ModelSpec:
        draw = self._draw
        layers = 1 if self.one_layer or draw.chance(0.2) else draw.whole(2, 4)
        kv_heads, group = draw.whole(1, 3), 1 if draw.chance(0.5) else 2
        head_size = draw.of((8, 16))
        gated = draw.chance(0.5)
        self.used.add("one layer" if layers == 1 else "several layers")
        self.used.update(
            name for name, it_is in {"grouped queries": group > 1, "gated ffn": gated}.items() if it_is
        )
        return ModelSpec(
            name="golden",
            layers=layers,
            width=kv_heads * group * head_size,
            heads=kv_heads * group,
            kv_heads=kv_heads,
            head_size=head_size,
            ffn_width=draw.whole(32, 200),
            gated_ffn=gated,
            vocabulary=draw.whole(50, 300),
            bytes_per_weight=draw.of((0.5625, 2.0, 4.0)),
            bytes_per_kv=2.0,
            bytes_per_activation=draw.of((2.0, 4.0)),
        )

    def _cost(self, model: ModelSpec) -> CostModel:
        shards = 1 if self.one_layer else self._draw.whole(1, 3)
        self.used.add("one ffn shard" if shards == 1 else "several ffn shards")
        sharded = self._either("sharded projection", "gathered projection", 0.4)
        projection: Literal["gathered", "sharded"] = "sharded" if sharded else "gathered"
        if self._either("paper cost", "decode cost", 0.4):
            return PaperCost(model, self._draw.of((8.0, 0.8)), shards, projection)
        return DecodeCost(model, shards, projection)

    def _requests(self) -> tuple[Request, ...]:
        draw = self._draw
        count = draw.whole(1, 3)
        self.used.add("one request" if count == 1 else "several requests")
        late = count > 1 and draw.chance(0.6)
        if late:
            self.used.add("late arrival")
        return tuple(
            Request(
                prompt=draw.whole(1, 16),
                output=draw.whole(4, 12),
                arrival_s=draw.real(0.0, 0.4) if late and i else 0.0,
            )
            for i in range(count)
        )

    def _interval(self) -> int:
        interval = self._draw.whole(1, 8) if self._draw.chance(0.5) else self._draw.whole(1, 3)
        named = "interval 1" if interval == 1 else "interval 2 to 4" if interval <= 4 else "interval 5 to 8"
        self.used.add(named)
        return interval

    def _transport(self) -> Ideal | Tcp:
        transports: tuple[tuple[str, Ideal | Tcp], ...] = (
            ("ideal transport", Ideal()),
            ("ideal transport", Ideal()),
            ("fresh tcp", Tcp()),
            ("persistent tcp", Tcp(connection="persistent")),
            ("persistent tcp without idle restart", Tcp(connection="persistent", idle_restart=False)),
        )
        named, transport = self._draw.of(transports)
        self.used.add(named)
        return transport

    def _window_s(self) -> float:
        window_s = self._draw.of((0.0, 0.02, 1.0))
        self.used.add(f"window of {window_s:g} s")
        return window_s

    def _cluster(self, needed_bytes: float) -> Cluster:
        links, media, relays = self._links()
        source = self._draw.of(self._names)
        return Cluster(
            self._devices(needed_bytes, source),
            links,
            source,
            relays=relays,
            media=media,
            pinned=self._pinned(),
        )

    def _pinned(self) -> tuple[tuple[str, ...], ...]:
        """Round a ring the long way, or straight on where there is a link between every pair."""
        if self.shape not in {"ring", "mesh"} or self._count < 3 or not self._draw.chance(0.4):
            return ()
        self.used.update(("pinned route", "several hops"))
        return (tuple(self._names[:3]),)

    # Devices

    def _devices(self, needed_bytes: float, source: str) -> tuple[Device, ...]:
        draw = self._draw
        fixed = draw.chance(0.25)
        self.used.add("device overhead" if fixed else "no device overhead")
        room = self._room(needed_bytes)
        nic = draw.chance(0.3)
        crowded = draw.chance(0.8 if "overflow swap" in self.used else 0.3)
        failing = self._failing(source)
        devices = []
        for name, memory_bytes in zip(self._names, room, strict=True):
            shared = self._either("ps", "fifo", 0.4)
            roofline = self._either("finite memory bandwidth", "infinite memory bandwidth", 0.6)
            device = Device(
                name=name,
                memory_bytes=memory_bytes,
                flops=draw.real(2e7, 4e8),
                memory_bandwidth=draw.real(1e8, 1e9) if roofline else float("inf"),
                overhead_s=draw.real(1e-5, 3e-4) if fixed else 0.0,
                disk_bandwidth=draw.real(3e6, 3e7),
                availability=self._availability(),
                used_bytes=self._others(memory_bytes, crowded),
                discipline="ps" if shared else "fifo",
                up=failing.get(name, Trace.constant(1.0)),
            )
            if nic and draw.chance(0.7):
                self.used.add("nic limit")
                device = replace(
                    device,
                    nic_up=self._rate() if draw.chance(0.7) else None,
                    nic_down=self._rate(),
                )
            devices.append(device)
        return tuple(devices)

    def _room(self, needed_bytes: float) -> list[float]:
        """Capacities; together about as much as the model needs, or far more."""
        ample, tight, scarce = (
            ("ample memory", 1e3, 1e3),
            ("tight memory", 2.5, 5.0),
            ("scarce memory", 1.3, 2.0),
        )
        swap = "overflow swap" in self.used
        kinds = (ample, tight, tight, scarce) if swap else (ample, ample, ample, tight, tight, scarce)
        kind, low, high = self._draw.of(kinds)
        self.used.add(kind)
        shares = [self._draw.real(0.5, 1.5) for _ in self._names]
        together = self._draw.real(low, high) * needed_bytes
        return [together * share / sum(shares) for share in shares]

    def _others(self, memory_bytes: float, crowded: bool) -> Trace:
        """What others take: little, more from some time on, or now more and now less."""
        draw = self._draw
        if not (crowded and draw.chance(0.6)):
            return Trace.constant(0.0)
        self.used.add("changing memory")
        first, later = draw.real(0.0, 0.2) * memory_bytes, draw.real(0.3, 0.9) * memory_bytes
        start_s = draw.real(0.02, 0.15)
        if draw.chance(0.5):
            return Trace([0.0, start_s], [first, later])
        return Trace([0.0, start_s], [first, later], end="loop", duration=start_s + draw.real(0.02, 0.1))

    def _availability(self) -> Trace:
        draw = self._draw
        kind = draw.of(("constant availability", "changing availability", "availability with zero stretches"))
        if kind == "availability with zero stretches" and draw.chance(0.5):
            kind = "constant availability"
        self.used.add(kind)
        if kind == "constant availability":
            return Trace.constant(draw.of((1.0, 0.5, draw.real(0.3, 1.0))))
        return self._looping(0.2, 1.0, zeros=kind == "availability with zero stretches")

    def _failing(self, source: str) -> dict[str, Trace]:
        """Up to two devices that go down: for a while, again and again, or for good, where it is not the source."""
        draw = self._draw
        found: dict[str, Trace] = {}
        if not draw.chance(0.4):
            return found
        for _ in range(draw.whole(1, 2)):
            name = draw.of(self._names)
            start_s = draw.real(0.005, 0.15)
            stop_s = start_s + draw.real(0.005, 0.08)
            again_s = stop_s + draw.real(0.05, 0.2)
            how = draw.whole(0, 3)
            if how <= 1 and name != source:
                self.used.add("device outage for good")
                found[name] = on_off([(start_s, float("inf"))])
            elif how == 2:
                found[name] = on_off([(start_s, stop_s), (again_s, again_s + draw.real(0.005, 0.05))])
            else:
                found[name] = on_off([(start_s, stop_s)])
            self.used.add("device outage")
        return found

    # Links

    def _links(self) -> tuple[tuple[Link, ...], tuple[Medium, ...], tuple[str, ...]]:
        """Links, media and relays of the shape."""
        pairs = self._pairs()
        medium = self.shape == "cell" or self._draw.chance(0.15)
        fixed = self._either("link overhead", "no link overhead", 0.4)
        outage = self._draw.chance(0.3)
        dead_s = self._draw.real(0.03, 0.2) if self.number % 15 == 7 else None
        failing = self._draw.whole(0, len(pairs) - 1)
        self.used.add(f"shape {self.shape}")
        if self.shape in {"star", "cell"}:
            self.used.add("relay")
        if self.shape != "mesh" and self._count > 2:
            self.used.add("several hops")
        links = []
        for i, ends in enumerate(pairs):
            on_air = medium and (self.shape == "cell" or self._draw.chance(0.6))
            wire = not on_air or self._draw.chance(0.3)
            if on_air:
                self.used.add("medium beside a bandwidth" if wire else "medium")
            up = Trace.constant(1.0)
            if outage and i == failing:
                self.used.add("link outage")
                start_s = self._draw.real(0.005, 0.1)
                up = on_off([(start_s, start_s + self._draw.real(0.005, 0.1))])
            links.append(
                Link(
                    name=f"l{i}",
                    ends=ends,
                    bandwidth=self._wire(dead_s) if wire else None,
                    latency_s=self._draw.of((0.0, self._draw.real(1e-5, 2e-3))),
                    overhead_s=self._draw.real(1e-5, 3e-4) if fixed else 0.0,
                    medium="air" if on_air else None,
                    up=up,
                )
            )
        media = (Medium(name="air", bandwidth=self._rate()),) if medium else ()
        return tuple(links), media, ("hub",) if self.shape in {"star", "cell"} else ()

    def _pairs(self) -> list[tuple[str, str]]:
        names = self._names
        if self.shape == "mesh":
            return [(names[i], names[j]) for j in range(len(names)) for i in range(j)]
        if self.shape == "tree":
            return [(names[(j - 1) // 2], names[j]) for j in range(1, len(names))]
        if self.shape == "ring":
            return [(names[j - 1], names[j]) for j in range(len(names))]
        return [(name, "hub") for name in names]

    def _wire(self, dead_s: float | None) -> Trace:
        if dead_s is None:
            return self._rate()
        self.used.add("bandwidth that ends")
        return Trace([0.0], [self._draw.real(1e6, 1e7)], end="zero", duration=dead_s)

    def _rate(self) -> Trace:
        """Bytes per second of a link, an interface or a medium."""
        kind = self._draw.of(("constant bandwidth", "changing bandwidth", "bandwidth with zero stretches"))
        self.used.add(kind)
        if kind == "constant bandwidth":
            return Trace.constant(self._draw.real(2e5, self._fastest))
        return self._looping(1e5, self._fastest, zeros=kind == "bandwidth with zero stretches")

    def _looping(self, low: float, high: float, *, zeros: bool) -> Trace:
        """Two to five values in turn, one of them 0 if asked."""
        draw = self._draw
        count = draw.whole(2, 5)
        times, values = [0.0], [draw.real(low, high)]
        for _ in range(count - 1):
            times.append(times[-1] + draw.real(0.002, 0.04))
            values.append(draw.real(low, high))
        if zeros:
            values[draw.whole(0, count - 1)] = 0.0
        return Trace(times, values, end="loop", duration=times[-1] + draw.real(0.002, 0.02))


def _needed_bytes(model: ModelSpec, cost: CostModel, requests: Sequence[Request]) -> float:
    """About what all blocks hold together at the end of the largest request."""
    length = max(request.prompt + request.output for request in requests)
    output = max(request.output for request in requests)
    width = model.width
    if isinstance(cost, PaperCost):
        numbers = width * (3.0 * width + length * 8.0 + output * model.heads)
        return model.layers * numbers * model.bytes_per_activation
    attention = 2.0 * width * model.head_size * (model.heads + model.kv_heads)
    ffn = (3.0 if model.gated_ffn else 2.0) * width * model.ffn_width
    weights = model.layers * (attention + ffn) + 2.0 * model.vocabulary * width
    cache = 2.0 * model.layers * model.kv_heads * model.head_size * model.bytes_per_kv * length
    return weights * model.bytes_per_weight + cache

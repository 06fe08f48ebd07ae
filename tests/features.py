"""Random worlds by the features of the simulator that they use.

In a `plain_world`, only steps happen between two decisions. `FEATURES` adds one feature each to a world.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any, TypeAlias, get_args

import numpy as np
from hypothesis import strategies as st
from worlds import Shuffled, blinking, clusters, models, reals, scenarios, varied, varying

from headway import policies
from headway.policies.contract.strategies import needed_bytes, with_memory
from headway.simcore import (
    DecodeCost,
    ForecastOptions,
    Link,
    Medium,
    Policy,
    Request,
    Scenario,
    Tcp,
    TriggerOptions,
    simulate,
)
from headway.simcore.world.decoder_parts import Experts, Window
from headway.simcore.world.options import Caches, OutageForecast
from headway.traces import Trace, on_off, scaled

Feature: TypeAlias = Callable[[st.DrawFn, Scenario], Scenario]

ROBUST: dict[str, Callable[[], Policy]] = {
    "static": lambda: policies.create("static"),
    "round-robin": lambda: policies.create("round-robin"),
    "shuffled": lambda: Shuffled(7),
}
"""Policies whose decisions do not depend on the last digits of an observation."""

ADAPTIVE: dict[str, Callable[[], Policy]] = {
    name: lambda name=name: policies.create(name)  # type: ignore[misc]
    for name in ("resource-aware", "greedy", "edgeshard", "random")
}
"""Policies that decide by the state of the world."""


@st.composite
def plain_world(draw: st.DrawFn, *, most_tokens: int = 40) -> Scenario:
    """Worlds with FIFO devices, ideal transport, blocking migrations and no faults, in which a request has many tokens.

    Args:
        draw: function of Hypothesis that draws from other strategies.
        most_tokens: the largest number of tokens of all requests together.
    """
    scenario = draw(
        scenarios(
            cluster=clusters(most=4, steady=draw(st.booleans())).filter(lambda one: len(one.devices) > 1),
            model=models(most_layers=2, most_heads=3),
            most_shards=2,
            sharing=draw(st.sampled_from(["fair", "dedicated", "airtime"])),
        )
    )
    output = draw(st.integers(5, most_tokens))
    return varied(
        scenario,
        requests=(replace(scenario.requests[0], output=output),),
        interval=draw(st.integers(1, 8)),
        window_s=draw(st.sampled_from([0.0, 0.02, 1.0])),
        warm_copies=draw(st.booleans()),
        moves=draw(st.sampled_from(["parallel", "serial"])),
        caches=draw(st.sampled_from(get_args(Caches))),
        horizon=draw(st.sampled_from(["limit", "interval", "generated", 3])),
    )


@st.composite
def any_world(draw: st.DrawFn) -> Scenario:
    """Worlds with any set of features."""
    scenario = draw(plain_world(most_tokens=10))
    return _with(draw, scenario, draw(st.sets(st.sampled_from(tuple(FEATURES)), min_size=1, max_size=6)))


@st.composite
def steady_world(draw: st.DrawFn) -> Scenario:
    """Plain worlds, some of them with features of the network or of the memory."""
    scenario = draw(plain_world())
    return _with(draw, scenario, draw(st.sets(st.sampled_from(STATIC), max_size=3)))


def _with(draw: st.DrawFn, scenario: Scenario, names: Collection[str]) -> Scenario:
    """The scenario with some features, which are added in the order of `FEATURES`."""
    for name, add in FEATURES.items():
        if name in names:
            scenario = add(draw, scenario)
    return scenario


def _devices(scenario: Scenario, **changes: Callable[[], Any]) -> Scenario:
    """The scenario with fields of every device replaced by new values."""
    devices = tuple(
        replace(device, **{name: value() for name, value in changes.items()})
        for device in scenario.cluster.devices
    )
    return varied(scenario, cluster=replace(scenario.cluster, devices=devices))


def _links(scenario: Scenario, **changes: Callable[[], Any]) -> Scenario:
    """The scenario with fields of every link replaced by new values."""
    links = tuple(
        replace(link, **{name: value() for name, value in changes.items()}) for link in scenario.cluster.links
    )
    return varied(scenario, cluster=replace(scenario.cluster, links=links))


def _experts_and_windows(draw: st.DrawFn, scenario: Scenario) -> Scenario:
    """A mixture of experts that needs no more memory than the dense layers, and layers with a window."""
    model = scenario.model
    if not isinstance(scenario.cost, DecodeCost):
        return scenario
    count = draw(st.integers(1, min(8, model.ffn_width)))
    experts = Experts(count=count, active=draw(st.integers(1, count)), width=model.ffn_width // count)
    window = Window(size=draw(st.integers(0, 30)), layers=draw(st.integers(1, model.layers)))
    changed = replace(model, experts=experts, window=window)
    return varied(scenario, model=changed, cost=replace(scenario.cost, model=changed))


def _media(draw: st.DrawFn, scenario: Scenario) -> Scenario:
    media = (Medium(name="air", bandwidth=draw(varying(1e5, 1e7))),)
    on_air = draw(
        st.lists(st.booleans(), min_size=len(scenario.cluster.links), max_size=len(scenario.cluster.links))
    )
    links = tuple(
        replace(link, medium="air", bandwidth=draw(st.sampled_from([link.bandwidth, None])))
        if shares
        else link
        for link, shares in zip(scenario.cluster.links, on_air, strict=True)
    )
    return varied(scenario, cluster=replace(scenario.cluster, links=links, media=media))


def _relay(draw: st.DrawFn, scenario: Scenario) -> Scenario:
    """A relay in the middle of the first link."""
    cluster = scenario.cluster
    if not cluster.links:
        return scenario
    first, *others = cluster.links
    halves = [replace(first, name=f"{first.name}{i}", ends=(end, "hub")) for i, end in enumerate(first.ends)]
    return varied(scenario, cluster=replace(cluster, links=(*halves, *others), relays=("hub",)))


def _interfaces(draw: st.DrawFn, scenario: Scenario) -> Scenario:
    rates = st.one_of(st.none(), varying(1e5, 1e7))
    return _devices(scenario, nic_up=lambda: draw(rates), nic_down=lambda: draw(rates))


def _zero_rates(draw: st.DrawFn, scenario: Scenario) -> Scenario:
    rates = blinking().map(lambda trace: scaled(trace, 1e6))
    return _links(scenario, bandwidth=lambda: draw(rates))


def _zero_availability(draw: st.DrawFn, scenario: Scenario) -> Scenario:
    shares = blinking().map(lambda trace: scaled(trace, 0.2))
    return _devices(scenario, availability=lambda: draw(shares))


def _scarce_memory(draw: st.DrawFn, scenario: Scenario) -> Scenario:
    shares = np.array([draw(reals(0.01, 1.0)) for _ in scenario.cluster.devices])
    room = draw(reals(0.8, 4.0)) * needed_bytes(scenario) * shares / shares.sum()
    return with_memory(scenario, room.tolist())


def _other_programs(draw: st.DrawFn, scenario: Scenario) -> Scenario:
    room = 2.0 * needed_bytes(scenario)
    scenario = with_memory(scenario, [room] * len(scenario.cluster.devices))
    return _devices(scenario, used_bytes=lambda: scaled(draw(varying(0.0, 0.9)), room))


def _runtime(draw: st.DrawFn, scenario: Scenario) -> Scenario:
    return _devices(scenario, runtime_bytes=lambda: draw(st.sampled_from([0.0, 1e3])))


def _swap(draw: st.DrawFn, scenario: Scenario) -> Scenario:
    swap = draw(st.sampled_from(["pinned", "lru", "prefetch"]))
    return varied(_scarce_memory(draw, scenario), overflow="swap", swap=swap)


def _processor_sharing(draw: st.DrawFn, scenario: Scenario) -> Scenario:
    return _devices(scenario, discipline=lambda: draw(st.sampled_from(["fifo", "ps"])))


def _tcp(draw: st.DrawFn, scenario: Scenario) -> Scenario:
    kinds = [Tcp(), Tcp(connection="persistent"), Tcp(connection="persistent", idle_restart=False)]
    return varied(scenario, transport=draw(st.sampled_from(kinds)))


def _live_migration(draw: st.DrawFn, scenario: Scenario) -> Scenario:
    return varied(scenario, migration="live")


def _weights_on_disk(draw: st.DrawFn, scenario: Scenario) -> Scenario:
    return varied(scenario, weights_on_disk=True)


def _pause_budget(draw: st.DrawFn, scenario: Scenario) -> Scenario:
    return varied(scenario, pause_budget_s=draw(reals(1e-3, 1e-1)))


def _charged_decisions(draw: st.DrawFn, scenario: Scenario) -> Scenario:
    return varied(scenario, decision_time=draw(st.sampled_from([1e-4, 0.01])))


def _strict(draw: st.DrawFn, scenario: Scenario) -> Scenario:
    return varied(scenario, on_infeasible="fail")


def _triggers(draw: st.DrawFn, scenario: Scenario) -> Scenario:
    shares = st.one_of(st.none(), reals(0.05, 0.5))
    triggers = TriggerOptions(
        overflow=draw(st.booleans()),
        device_back=draw(st.booleans()),
        slowdown=draw(shares),
        misprediction=draw(shares),
    )
    return varied(scenario, triggers=triggers)


def _forecast(draw: st.DrawFn, scenario: Scenario) -> Scenario:
    method: OutageForecast = draw(st.sampled_from(["last", "oracle"]))
    forecast = ForecastOptions(
        memory=method, availability=method, rates=method, outages=method, span_s=1.0, step_s=0.1
    )
    return varied(scenario, forecast=forecast)


def _requests(draw: st.DrawFn, scenario: Scenario) -> Scenario:
    """Two more requests; times have at most 9 decimal places, so that no two differ by less than a clock can show."""
    more = [
        Request(
            prompt=draw(st.integers(1, 20)),
            output=draw(st.integers(1, 6)),
            arrival_s=round(draw(reals(0.0, 0.5)), 9),
        )
        for _ in range(2)
    ]
    first = replace(scenario.requests[0], arrival_s=round(scenario.requests[0].arrival_s, 9))
    return varied(scenario, requests=(first, *more))


def _outage(draw: st.DrawFn, scenario: Scenario) -> Trace:
    """One outage, for a while or for good, in the time that the world needs without it."""
    calm_s = max(1e-3, float(simulate(scenario, Shuffled(1)).runs.end_s[0]))
    start_s = draw(reals(0.01, 0.9)) * calm_s
    return on_off([(start_s, start_s + draw(st.one_of(reals(0.01, 0.5), st.just(np.inf))) * calm_s)])


def _device_fault(draw: st.DrawFn, scenario: Scenario) -> Scenario:
    up, number = _outage(draw, scenario), draw(st.integers(0, len(scenario.cluster.devices) - 1))
    devices = list(scenario.cluster.devices)
    devices[number] = replace(devices[number], up=up)
    return varied(scenario, cluster=replace(scenario.cluster, devices=tuple(devices)))


def _link_fault(draw: st.DrawFn, scenario: Scenario) -> Scenario:
    links: list[Link] = list(scenario.cluster.links)
    if not links:
        return scenario
    up, number = _outage(draw, scenario), draw(st.integers(0, len(links) - 1))
    links[number] = replace(links[number], up=up)
    return varied(scenario, cluster=replace(scenario.cluster, links=tuple(links)))


FEATURES: dict[str, Feature] = {
    "charged decisions": _charged_decisions,
    "experts and windows": _experts_and_windows,
    "forecast": _forecast,
    "interfaces": _interfaces,
    "live migration": _live_migration,
    "media": _media,
    "other programs": _other_programs,
    "pause budget": _pause_budget,
    "processor sharing": _processor_sharing,
    "relay": _relay,
    "runtime": _runtime,
    "scarce memory": _scarce_memory,
    "several requests": _requests,
    "strict": _strict,
    "swap": _swap,
    "tcp": _tcp,
    "triggers": _triggers,
    "weights on disk": _weights_on_disk,
    "zero availability": _zero_availability,
    "zero rates": _zero_rates,
    "device fault": _device_fault,
    "link fault": _link_fault,
}
"""Each feature by name. Faults come last, because their times depend on the duration of the run without them."""

STATIC = (
    "experts and windows",
    "interfaces",
    "media",
    "relay",
    "runtime",
    "several requests",
    "swap",
    "zero availability",
    "zero rates",
)
"""Features of the network, of devices and of requests that change nothing between two decisions."""

"""Notes on a scenario that runs, but perhaps is not the scenario that the user means; before and after its runs."""

import math
from collections.abc import Iterator

from headway.analysis.formatting import listed, seconds, value_text
from headway.simcore.registry import name_of
from headway.simcore.scenario import Scenario
from headway.simcore.world.presets import PRESETS, preset_entry
from headway.simcore.world.shape import shape_of
from headway.traces import Trace
from headway.traces.errors import some_of

_WIFI = ("wifi", "wi-fi", "wlan")
_STEPS = 100_000
"""Changes of a trace after the end of the runs that are searched for a difference."""


def scenario_notes(scenario: Scenario) -> list[str]:
    """One sentence for each kind of mistake that the scenario may contain."""
    return [
        *_foreknowledge(scenario),
        *_wifi_without_medium(scenario),
        *_beyond_context(scenario),
        *_guesses(scenario),
        *_guessed_model(scenario),
    ]


def _foreknowledge(scenario: Scenario) -> list[str]:
    """A note on forecasts that know the future."""
    methods = scenario.controller.forecast.methods
    known = [quantity for quantity, method in methods.items() if method == "oracle"]
    if not known:
        return []
    return [
        f"policies know {listed(known)} of the next {scenario.controller.forecast.span_s:g} s exactly "
        "(controller.forecast: oracle). No real controller does; the results show what a forecast can be worth at most."
    ]


def _wifi_without_medium(scenario: Scenario) -> list[str]:
    """A note on links that are called Wi-Fi and do not share a radio channel."""
    names = [link.name for link in scenario.cluster.links if link.medium is None]
    links = [name for name in names if any(word in name.lower() for word in _WIFI)]
    if len(links) < 2:
        return []
    # A section with several links has the name before the colon.
    sections = list(dict.fromkeys(name.partition(":")[0] for name in links))
    return [
        f"each of the {len(links):,} links of {listed([repr(name) for name in sections])} has its whole bandwidth for "
        "itself. If they share one radio channel, write media: {channel: {bandwidth: 80 Mbit/s}}, with the rate of "
        "your channel, and medium: channel in place of their bandwidth."
    ]


def _beyond_context(scenario: Scenario) -> list[str]:
    """A note on requests that are longer than the model's context."""
    most = scenario.model.context_length
    lengths = [request.prompt + request.output for request in scenario.requests]
    beyond = [length for length in lengths if most is not None and length > most]
    if not beyond:
        return []
    return [
        f"the longest request has {max(beyond):,} tokens (prompt and output), but the context of {scenario.model.name} "
        f"has at most {most:,}. The simulation continues as if the context were longer; this concerns "
        f"{len(beyond):,} of {len(lengths):,} requests."
    ]


def _guesses(scenario: Scenario) -> list[str]:
    """A note for each guessed value of the library that matters in this scenario."""
    swaps = scenario.memory.overflow == "swap" or scenario.controller.weights_on_disk
    plain = scenario.execution is None or name_of(scenario.execution) in ("gathered", "sharded")
    unused = {"disk": not swaps, "sync": plain}
    sections: dict[tuple[str, str, str], list[str]] = {}
    for use in scenario.provenance:
        section, _, key = use.key.rpartition(".")
        if use.value.quality == "guessed" and not unused.get(key, False):
            text = f"{value_text(key, use.value.amount)} ({use.value.source})"
            sections.setdefault((use.entry, key, text), []).append(section)
    return [
        f"the library guesses {key} of {entry} ({', '.join(names)}): {text}."
        for (entry, key, text), names in sections.items()
    ]


def _guessed_model(scenario: Scenario) -> list[str]:
    """A note on a preset whose shape is a guess."""
    name = scenario.model.name
    if name not in PRESETS or shape_of(PRESETS[name]) != shape_of(scenario.model):
        return []
    entry = preset_entry(name)
    if entry.quality != "guessed":
        return []
    return [
        f"the shape of {name} is a guess ({entry.source}), so all results are. Its total number of parameters is as "
        "published or as in its name."
    ]


def late_changes(scenario: Scenario, end_s: float, base: Scenario | None = None) -> list[str]:
    """One sentence for each kind and time of change after `end_s`.

    Args:
        scenario: the world of the runs.
        end_s: the latest time at which one of them ended [s].
        base: the world without the changes of a variant, to find where a trace begins to differ from that in `base`.
            Without it, find the first change of each trace.
    """
    before = None if base is None else dict(_traces(base))
    late: dict[tuple[str, float], list[str]] = {}
    for key, trace in _traces(scenario):
        reference = Trace.constant(trace.value(0.0)) if before is None else before.get(key)
        begin_s = math.inf if reference is None else _difference(trace, reference, end_s)
        if end_s < begin_s < math.inf:
            kind, name = key
            late.setdefault((kind, begin_s), []).append(name)
    return [
        f"{kind} of {some_of([repr(name) for name in names])} changes only from {seconds(begin_s)} s on, after the end "
        f"of the runs ({seconds(end_s)} s at the latest)."
        for (kind, begin_s), names in late.items()
    ]


def _traces(scenario: Scenario) -> Iterator[tuple[tuple[str, str], Trace]]:
    """Everything that varies with time, by kind and name."""
    cluster = scenario.cluster
    for device in cluster.devices:
        yield ("the state (up or down)", device.name), device.up
        yield ("the speed", device.name), device.availability
        yield ("the memory used by others", device.name), device.used_bytes
        yield ("the sending rate", device.name), _trace(device.nic_up)
        yield ("the receiving rate", device.name), _trace(device.nic_down)
    for link in cluster.links:
        yield ("the state (up or down)", link.name), link.up
        yield ("the bandwidth", link.name), _trace(link.bandwidth)
        yield ("the latency", link.name), _trace(link.latency_s)
    for medium in cluster.media:
        yield ("the bandwidth", medium.name), medium.bandwidth


def _trace(value: Trace | float | None) -> Trace:
    return value if isinstance(value, Trace) else Trace.constant(value or 0.0)


def _difference(trace: Trace, reference: Trace, end_s: float) -> float:
    """The first time at which two traces differ [s]; infinite if none is found."""
    if trace == reference:
        return math.inf
    time_s, steps = 0.0, 0
    while time_s < math.inf and steps < _STEPS:
        if trace.value(time_s) != reference.value(time_s):
            return time_s
        time_s = min(trace.next_change(time_s), reference.next_change(time_s))
        steps += time_s > end_s
    return math.inf

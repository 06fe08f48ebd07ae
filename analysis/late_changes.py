"""Notes on faults and traces that change only after the runs have ended."""

import math
from collections.abc import Iterator

from headway.analysis.formatting import seconds
from headway.simcore.scenario import Scenario
from headway.traces import Trace

_STEPS = 100_000
"""Changes of a trace after the end of the runs that are searched for a difference."""

_MOST_NAMES = 5


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
        f"{kind} of {_listed(names)} changes only from {seconds(begin_s)} s on, after the end of the runs "
        f"({seconds(end_s)} s at the latest)."
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


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(repr(name) for name in names[:_MOST_NAMES]) + more

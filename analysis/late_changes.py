"""Notes on faults and traces that change only after the runs have ended, and so have no effect."""

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
        f"{kind} of {_listed(names)} changes only from {seconds(begin_s)} s on, and the runs ended at "
        f"{seconds(end_s)} s at the latest, so this had no effect."
        for (kind, begin_s), names in late.items()
    ]


def _traces(scenario: Scenario) -> Iterator[tuple[tuple[str, str], Trace]]:
    """Everything that varies with time, by kind and name."""
    cluster = scenario.cluster
    kinds: dict[str, list[tuple[str, Trace | float | None]]] = {
        "the state (up or down)": [(one.name, one.up) for one in (*cluster.devices, *cluster.links)],
        "the speed": [(one.name, one.availability) for one in cluster.devices],
        "the memory used by others": [(one.name, one.used_bytes) for one in cluster.devices],
        "the sending rate": [(one.name, one.nic_up) for one in cluster.devices],
        "the receiving rate": [(one.name, one.nic_down) for one in cluster.devices],
        "the bandwidth": [(one.name, one.bandwidth) for one in (*cluster.links, *cluster.media)],
        "the latency": [(one.name, one.latency_s) for one in cluster.links],
    }
    for kind, pairs in kinds.items():
        for name, trace in pairs:
            yield (kind, name), trace if isinstance(trace, Trace) else Trace.constant(trace or 0.0)


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

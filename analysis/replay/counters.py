"""Counters of a timeline: memory of devices, and the offered and carried rates of links."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from headway.analysis.replay.rerun import Replay
from headway.analysis.replay.slices import Slice
from headway.analysis.replay.trace_event_format import Event, counter_event
from headway.analysis.replay.window import Window, levels
from headway.simcore.instrument import Attempt

_MEGABIT = 8e-6


def memory_counters(replay: Replay, window: Window) -> Iterator[Event]:
    """Memory of the model and free memory on each device, at the start of each token."""
    starts = {(s.request, s.token): s.begun_s for s in replay.spans if isinstance(s, Attempt)}
    for row in replay.result.devices.to_dict("records"):
        at_s = starts[row["request"], row["token"]]
        if window.overlaps(at_s, at_s):
            held, free = row["held_bytes"], max(0.0, row["available_bytes"] - row["held_bytes"])
            yield counter_event(
                "devices", f"memory of {row['device']} [MB]", at_s, {"held": held / 1e6, "free": free / 1e6}
            )


def bandwidth_counters(replay: Replay, window: Window, slices: Sequence[Slice]) -> Iterator[Event]:
    """The offered rates of links and media, and the sum of the mean message rates in each direction of a link."""
    cluster = replay.scenario.cluster
    used = {one.track for one in slices if one.group == "links" and one.kind != "outage"}
    links = [link for link in cluster.links if any(track.startswith(f"{link.name}: ") for track in used)]
    media = [medium for medium in cluster.media if any(link.medium == medium.name for link in links)]
    offers = [(one.name, one.bandwidth) for one in links] + [(one.name, one.bandwidth) for one in media]
    for name, trace in offers:
        if trace is not None:
            values = levels(trace, window)
            # Trace Viewer draws a counter only up to its last value.
            for at_s, value in (*values, (window.end_s, values[-1][1])):
                yield counter_event("links", f"{name} offers [Mbit/s]", at_s, {"rate": value * _MEGABIT})
    yield from _carried_rates(slices)


def _carried_rates(slices: Sequence[Slice]) -> Iterator[Event]:
    changes: defaultdict[str, dict[float, float]] = defaultdict(lambda: defaultdict(float))
    for one in slices:
        if one.group == "links" and "bytes" in one.details:
            flow_s = min(one.start_s + one.details["flows after [s]"], one.end_s)
            if one.end_s > flow_s:
                rate = one.details["bytes"] / (one.end_s - flow_s)
                changes[one.track][flow_s] += rate
                changes[one.track][one.end_s] -= rate
    for track, by_time in sorted(changes.items()):
        rate, peak = 0.0, max(map(abs, by_time.values()))
        for at_s in sorted(by_time):
            rate += by_time[at_s]
            # Rounding errors remain when rates cancel out.
            value = rate if rate > 1e-9 * peak else 0.0
            yield counter_event("links", f"{track} carries [Mbit/s]", at_s, {"rate": value * _MEGABIT})

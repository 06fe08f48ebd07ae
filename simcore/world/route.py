"""Routes of messages, and the resources on them.

A `Resource` is anything with a rate that messages share: one direction of a link, one direction of a network interface
of a device, a medium. A `Route` is a list of resources, from which every sharing rule computes rates.
"""

import math
from dataclasses import dataclass

from headway.simcore.world.airtime import CellRate
from headway.traces import Trace

_MOST_IDLE_CHANGES = 100_000
_MOST_STEPS = 10_000
"""Number of breakpoints after which whole periods are skipped, if all traces of the route repeat."""

# A message that is complete up to rounding when an outage begins arrives then; `Trace.reach` has the same rule.
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Resource:
    """A shared resource with a rate.

    Attributes:
        name: for messages, such as "link 'wifi'".
        bandwidth: rate over time [bytes/s]; of a cell that shares airtime, the seconds of it per second: 1, or 0 while
            its medium is dead.
        airtime: whether messages take airtime from it, as their `CellRate` says, and not bytes.
    """

    name: str
    bandwidth: Trace
    airtime: bool = False


@dataclass(frozen=True)
class Route:
    """The links that a message crosses from one device to another, and the resources that it takes from others.

    Attributes:
        links: indices into `Cluster.links`, in order of travel.
        latency_s: latency and per-message overhead of all of them without `latencies`; `latency_at` is the whole.
        resources: indices into `Cluster.resources`, each once, in order of first use.
        uses: how often the route crosses each of these: a message that enters and leaves an access point by the same
            medium takes twice its rate from it.
        bandwidths: rate of each resource without other traffic: its trace, divided by the uses, or
            the `CellRate` in a cell that shares airtime.
        latencies: of the links whose latency varies [s].
    """

    links: tuple[int, ...]
    latency_s: float
    resources: tuple[int, ...]
    uses: tuple[int, ...]
    bandwidths: tuple[Trace | CellRate, ...]
    latencies: tuple[Trace, ...] = ()

    def latency_at(self, time_s: float) -> float:
        """Latency and overhead of all links for a message that is sent at `time_s`, paid before its bytes flow [s]."""
        if not self.latencies:
            return self.latency_s
        return math.fsum([self.latency_s, *(trace.value(time_s) for trace in self.latencies)])

    def reach(self, start_s: float, size_bytes: float) -> float:
        """When the last of `size_bytes` leaves the route if they start to flow at `start_s`; inf when never.

        The rate at any moment is that of the narrowest resource. Exact: between two breakpoints of the traces the rate
        is constant, so it is enough to go from breakpoint to breakpoint. Where the traces repeat with one period, a
        long message passes over whole periods, each of which carries the same. If the links of a route are never
        up together, the search would not end; after `_MOST_IDLE_CHANGES` consecutive breakpoints without a byte the
        message counts as never arriving.
        """
        if len(self.bandwidths) == 1 and isinstance(only := self.bandwidths[0], Trace):
            return only.reach(start_s, size_bytes)
        if size_bytes == 0.0:
            return start_s
        now, left, idle, steps = start_s, size_bytes, 0, 0
        while idle < _MOST_IDLE_CHANGES:
            steps += 1
            if steps == _MOST_STEPS and (period_s := self.period_s) is not None:
                carried = self.integral(0.0, period_s)
                # Do not skip the last two periods: so the rest is larger than rounding errors.
                periods = max(0.0, math.floor(left / carried) - 2.0) if carried > 0.0 else 0.0
                now, left = now + periods * period_s, left - periods * carried
            rate = min(trace.value(now) for trace in self.bandwidths)
            change = min(trace.next_change(now) for trace in self.bandwidths)
            end = now + left / rate if rate > 0.0 else math.inf
            if end <= change:
                return end
            left -= rate * (change - now)
            if left <= _ROUNDING * size_bytes:
                return change
            idle = 0 if rate > 0.0 else idle + 1
            now = change
        return math.inf

    @property
    def period_s(self) -> float | None:
        """The common period of all traces of the route; None if there is none or it is not easily found."""
        traces: list[Trace] = []
        for rate in self.bandwidths:
            traces.extend(rate.traces if isinstance(rate, CellRate) else (rate,))
        periods = [trace.duration for trace in traces if trace.end == "loop" and trace.duration]
        longest = max(periods, default=0.0)
        repeats = all(trace.is_constant or trace.end == "loop" for trace in traces)
        return longest if periods and repeats and all(longest % one == 0.0 for one in periods) else None

    def integral(self, start_s: float, end_s: float) -> float:
        """Bytes that flow from `start_s` to `end_s` without other traffic."""
        if len(self.bandwidths) == 1:
            return self.bandwidths[0].integral(start_s, end_s)
        total, now = 0.0, start_s
        while now < end_s:
            until = min(end_s, *(trace.next_change(now) for trace in self.bandwidths))
            total += min(trace.value(now) for trace in self.bandwidths) * (until - now)
            now = until
        return total

    def wakes(self, now: float) -> float:
        """The first moment from `now` on at which anything can flow; inf when none comes, by the rule of `reach`."""
        for _ in range(_MOST_IDLE_CHANGES):
            dead = [trace for trace in self.bandwidths if trace.value(now) == 0.0]
            if not dead:
                return now
            # Nothing flows before the last of the resources with rate 0 has changed.
            now = max(trace.next_change(now) for trace in dead)
            if now == math.inf:
                break
        return math.inf

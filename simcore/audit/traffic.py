"""Laws of bytes: messages have the expected sizes, all sent bytes arrive, and links account for all of them."""

from collections import defaultdict, deque
from collections.abc import Mapping

from headway.simcore.audit.checks import Checks, tolerance_s
from headway.simcore.audit.messages import DESCRIBED, Sent, messages
from headway.simcore.audit.records import Record, Row
from headway.simcore.audit.reference_state import ReferenceState
from headway.simcore.engine.network.network import shared_cluster
from headway.simcore.engine.network.transfer import Carried
from headway.simcore.engine.network.transport import SEGMENT_BYTES, WIRE_BYTES
from headway.simcore.instrument import Attempt, Message
from headway.simcore.registry import name_of
from headway.simcore.scenario import Scenario
from headway.simcore.world.airtime import CellRate
from headway.simcore.world.route import Route

_PER_BYTE = {"ideal": 1.0, "tcp": WIRE_BYTES / SEGMENT_BYTES}
"""Bytes on the wire per byte of payload, under the transports that the auditor knows."""
_KNOWN_RULES = frozenset({"airtime", "dedicated", "fair"})
"""Sharing rules that the auditor knows; under others it only checks the accounts of links."""
_MOST_EARLIER = 32
"""Earlier messages per resource that are checked together with a new one against the capacity."""


class TrafficLaws:
    """The laws of the messages of tokens, and of links."""

    def __init__(self, scenario: Scenario, state: ReferenceState, checks: Checks) -> None:
        self._scenario = scenario
        self._cluster = shared_cluster(scenario.cluster, scenario.network.sharing)
        self._state = state
        self._checks = checks
        self._transport = name_of(scenario.network.transport)
        self._sharing = name_of(scenario.network.sharing)
        self._pattern = scenario.step_graphs.pattern.name
        self._sent: list[Sent] = []
        self._carried: defaultdict[tuple[int, bool], Carried] = defaultdict(Carried)
        self._written = 0
        self._touched: set[tuple[int, bool]] = set()
        self._on: defaultdict[int, deque[tuple[float, float, float]]] = defaultdict(
            lambda: deque(maxlen=_MOST_EARLIER)
        )

    def check(self, record: Record) -> None:
        """Check a span or row."""
        match record:
            case Attempt():
                self._sent = []
            case Message():
                self._message(record)
            case Row(table="devices"):
                self._step()
            case Row(table="links"):
                self._links(record)

    def _message(self, span: Message) -> None:
        checks, what = self._checks, self.name(span)
        route = self._cluster.routes[span.sender][span.receiver]
        checks.that(route is not None, "bytes", f"way of {what}", "one from a device to another", None)
        if route is None:
            return
        if span.block is None:
            self._sent.append((span.sender, span.receiver, span.size_bytes))
        if self._sharing in _KNOWN_RULES:
            self._check_flow(span, route, what)
        self._enter(span, route)

    def _check_flow(self, span: Message, route: Route, what: str) -> None:
        """The bytes and the start of a flow, checked against the traces."""
        checks = self._checks
        if self._transport in _PER_BYTE:
            wire_bytes = span.size_bytes * _PER_BYTE[self._transport]
            checks.equal("bytes", f"bytes on the wire of {what}", wire_bytes, span.wire_bytes)
        self._delay(span, route, what)
        if self._sharing == "dedicated":
            flown = route.integral(span.flow_s, max(span.flow_s, span.arrived_s))
            slack = tolerance_s(span.arrived_s) * _widest(route)
            checks.equal("bytes", f"bytes that flowed of {what}", span.wire_bytes, flown, slack)
        else:
            self._within_traces(span, route, what)

    def _delay(self, span: Message, route: Route, what: str) -> None:
        """Bytes flow after the latency; a transport may delay them further."""
        checks, waited_s = self._checks, span.flow_s - span.sent_s
        law_s, slack = route.latency_at(span.sent_s), tolerance_s(span.arrived_s)
        if self._transport == "ideal":
            checks.equal("bytes", f"seconds before {what} flows", law_s, waited_s, slack)
        else:
            checks.that(waited_s >= law_s - slack, "bytes", f"seconds before {what} flows", law_s, waited_s)

    def _within_traces(self, span: Message, route: Route, what: str) -> None:
        """Between any start and this end, no resource carried more than the integral of its trace.

        Only over messages that overlap in time without a gap.
        """
        for number, uses, rate in zip(route.resources, route.uses, route.bandwidths, strict=True):
            resource, known = self._cluster.resources[number], self._on[number]
            # In a cell a message took at least its airtime at the highest rates.
            taken = span.wire_bytes / rate.most if isinstance(rate, CellRate) else uses * span.wire_bytes
            known.append((span.flow_s, span.arrived_s, taken))
            carried, since_s = 0.0, span.arrived_s
            slack = tolerance_s(span.arrived_s) * float(resource.bandwidth.values.max())
            for start_s, end_s, bytes_ in sorted(known, reverse=True):
                if end_s < since_s:
                    break
                since_s, carried = start_s, carried + bytes_
                most = resource.bandwidth.integral(start_s, max(start_s, span.arrived_s))
                subject = f"bytes over {resource.name} until the end of {what}"
                self._checks.at_most("bytes", subject, most, carried, slack)

    def _enter(self, span: Message, route: Route) -> None:
        """Account the traffic of links, in the direction of travel."""
        at = self._cluster.names[span.sender]
        for number in route.links:
            first, second = self._cluster.links[number].ends
            key = (number, first == at)
            at = second if first == at else first
            carried = self._carried[key]
            carried.messages += 1
            carried.size_bytes += span.wire_bytes
            carried.busy_s += span.arrived_s - span.flow_s
            self._touched.add(key)

    def _step(self) -> None:
        """The messages of a step are those of its placement and cost, to the byte."""
        state = self._state
        if state.attempt is None or state.cost is None or self._pattern not in DESCRIBED:
            return
        blocks, source = self._scenario.block_table, self._cluster.source_index
        sharded = self._pattern == "sharded"
        expected = messages(blocks, state.attempt.placement, source, state.cost, sharded=sharded)
        actual = sorted(self._sent)
        wrong = [pair for pair in zip(expected, actual, strict=False) if not _same_message(*pair)]
        if len(expected) != len(actual) or wrong:
            due, sent = wrong[0] if wrong else (f"{len(expected)} messages", f"{len(actual)} messages")
            self._checks.that(False, "bytes", "messages (from, to, bytes) of a step", due, sent)
        self._checks.count += len(actual)

    def settle(self, carried: Mapping[tuple[int, bool], Carried]) -> None:
        """All spans of an event were reported: the accounts of the links with traffic must agree."""
        for key in self._touched:
            self._same(key, carried.get(key, Carried()))
        self._touched.clear()

    def end(self, carried: Mapping[tuple[int, bool], Carried]) -> None:
        """The accounts of all links must agree, including links without traffic."""
        for key in sorted(self._carried.keys() | carried.keys()):
            self._same(key, carried.get(key, Carried()))
        used = sum(each.messages > 0 for each in self._carried.values())
        self._checks.that(self._written == used, "bytes", "rows of the table links", used, self._written)

    def _links(self, rows: Row) -> None:
        numbers = {link.name: number for number, link in enumerate(self._cluster.links)}
        columns = ("link", "from_device", "to_device", "messages", "size_bytes", "busy_s")
        for name, start, end, *carried in zip(*map(rows.__getitem__, columns), strict=True):
            self._written += 1
            number = numbers[name]
            self._same((number, self._cluster.links[number].ends == (start, end)), Carried(*carried))

    def _same(self, key: tuple[int, bool], actual: Carried) -> None:
        link, expected = self._cluster.links[key[0]], self._carried[key]
        start, end = link.ends if key[1] else link.ends[::-1]
        where = f"link {link.name!r} from {start!r} to {end!r}"
        checks, number = self._checks, actual.messages
        checks.that(number == expected.messages, "bytes", f"messages over {where}", expected.messages, number)
        checks.equal("bytes", f"bytes over {where}", expected.size_bytes, actual.size_bytes)
        slack = tolerance_s(checks.now_s) * (1 + number)
        checks.equal("bytes", f"busy seconds of {where}", expected.busy_s, actual.busy_s, slack)

    def name(self, span: Message) -> str:
        """The name of a message in an error."""
        names = self._cluster.names
        return f"{span.size_bytes:.9g} bytes from {names[span.sender]!r} to {names[span.receiver]!r}"


def _widest(route: Route) -> float:
    """Maximum rate of a resource [bytes/s]."""
    return min(
        rate.most if isinstance(rate, CellRate) else float(rate.values.max()) for rate in route.bandwidths
    )


def _same_message(one: Sent, other: Sent) -> bool:
    return one[:2] == other[:2] and abs(one[2] - other[2]) <= 1e-9 * max(one[2], other[2])

"""Laws of order: each task and message starts when its inputs are available, and the longest chain is the latency."""

from collections import defaultdict, deque
from dataclasses import dataclass

from headway.simcore.audit.checks import Checks, tolerance_s
from headway.simcore.audit.clock import CHAIN
from headway.simcore.audit.messages import DESCRIBED
from headway.simcore.audit.records import Record, Row
from headway.simcore.audit.reference_state import ReferenceState
from headway.simcore.instrument import Attempt, Compute, Message
from headway.simcore.scenario import Scenario
from headway.simcore.world.blocks import Kind


@dataclass(frozen=True, slots=True)
class _Chain:
    """The chain of activities that ends at a moment.

    Attributes:
        end_s: the moment.
        compute_s: time of the chain in which blocks were computed; the other parts as in `LatencyParts`.
    """

    end_s: float
    compute_s: float = 0.0
    disk_s: float = 0.0
    transfer_s: float = 0.0
    wait_s: float = 0.0


def _nothing() -> dict[str, float]:
    return dict.fromkeys((*CHAIN, "steps"), 0.0)


class OrderLaws:
    """The laws of the order of tasks and messages of one token."""

    def __init__(self, scenario: Scenario, state: ReferenceState, checks: Checks) -> None:
        self._scenario = scenario
        self._blocks = scenario.block_table
        self._names = scenario.cluster.names
        self._state = state
        self._checks = checks
        self._parts: defaultdict[int, dict[str, float]] = defaultdict(_nothing)
        self._computed: dict[tuple[int, int, int], Compute] = {}
        self._sent: defaultdict[tuple[int, int], deque[Message]] = defaultdict(deque)

    def check(self, record: Record) -> None:
        """Check a span or row."""
        match record:
            case Attempt():
                self._computed.clear()
                self._sent.clear()
            case Compute():
                self._computed[record.kind, record.layer, record.device] = record
            case Message(block=None):
                self._sent[record.sender, record.receiver].append(record)
            case Row(table="devices"):
                self._step()
            case Row(table="tokens") if self._known:
                self._token(record)

    @property
    def _known(self) -> bool:
        return self._scenario.step_graphs.pattern.name in DESCRIBED

    def _step(self) -> None:
        """A step ends when the longest chain does."""
        attempt, checks = self._state.attempt, self._checks
        if attempt is None or not self._known:
            return
        # Reported as they arrive; a message sent later may have overtaken.
        for way, messages in self._sent.items():
            self._sent[way] = deque(sorted(messages, key=lambda span: span.sent_s))
        chain = self._walk(attempt)
        slack = tolerance_s(checks.now_s) * len(self._blocks)
        what = f"the step of token {attempt.token} of request {attempt.request}"
        checks.equal("order", f"end of {what}", chain.end_s, checks.now_s, slack)
        for one in attempt.batch:
            if one.tokens:
                parts = self._parts[one.request]
                for part in CHAIN:
                    parts[part] += getattr(chain, part)
                parts["steps"] += 1.0

    def _token(self, row: Row) -> None:
        """The parts of a latency are those of the chains of its steps, plus the waits between steps."""
        parts = self._parts.pop(row["request"], _nothing())
        parts["wait_s"] += self._state.waited_s[row["request"]]
        slack = tolerance_s(self._checks.now_s) * len(self._blocks) * max(1.0, parts["steps"])
        for part in CHAIN:
            what = f"{part} of token {row['token']} of request {row['request']}"
            self._checks.equal("order", what, parts[part], row[part], slack)

    def _walk(self, attempt: Attempt) -> _Chain:
        """Follow the chain from the start of a token to its end."""
        blocks, where = self._blocks, attempt.placement.tolist()
        source = holder = self._scenario.cluster.source_index
        chain = _Chain(attempt.begun_s)
        if blocks.embed is not None:
            chain = self._send(source, where[blocks.embed], chain)
            holder = where[blocks.embed]
            chain = self._compute(Kind.EMBED, -1, holder, chain)
        for layer in range(blocks.layers):
            proj = where[blocks.proj[layer]]
            heads = [where[row] for row in blocks.heads[layer].tolist()]
            shards = [where[row] for row in blocks.shards[layer].tolist()]
            chain = self._stage(Kind.HEAD, layer, (holder, heads, proj), chain)
            chain = self._compute(Kind.PROJ, layer, proj, chain)
            chain = self._stage(Kind.FFN, layer, (proj, shards, shards[0]), chain)
            holder = shards[0]
        if blocks.lm_head is not None:
            chain = self._send(holder, where[blocks.lm_head], chain)
            holder = where[blocks.lm_head]
            chain = self._compute(Kind.LM_HEAD, blocks.layers, holder, chain)
        return self._send(holder, source, chain)

    def _stage(self, kind: Kind, layer: int, way: tuple[int, list[int], int], chain: _Chain) -> _Chain:
        """Devices with blocks of a stage work in parallel; the next stage begins when the last output has arrived."""
        start, hosts, end = way
        # Where both use one route, the input left before the output.
        begun = {device: self._send(start, device, chain) for device in sorted(set(hosts))}
        ends = [
            self._send(device, end, self._compute(kind, layer, device, one)) for device, one in begun.items()
        ]
        return max(ends, key=lambda each: each.end_s)

    def _compute(self, kind: Kind, layer: int, device: int, chain: _Chain) -> _Chain:
        span = self._computed.get((kind, layer, device))
        what = f"{kind.name.lower()} of layer {layer} on {self._names[device]!r}"
        self._checks.that(span is not None, "order", f"computation of {what}", "one", None)
        assert span is not None
        self._begin(what, chain.end_s, span.submitted_s)
        compute_s = chain.compute_s + span.end_s - span.start_s - span.disk_s
        wait_s = chain.wait_s + (span.start_s - span.submitted_s)
        return _Chain(span.end_s, compute_s, chain.disk_s + span.disk_s, chain.transfer_s, wait_s)

    def _send(self, start: int, end: int, chain: _Chain) -> _Chain:
        if start == end:
            return chain
        waiting = self._sent[start, end]
        what = f"message from {self._names[start]!r} to {self._names[end]!r}"
        self._checks.that(waiting, "order", what, "one more", "none")
        span = waiting.popleft()
        self._begin(what, chain.end_s, span.sent_s)
        transfer_s = chain.transfer_s + span.arrived_s - span.sent_s
        return _Chain(span.arrived_s, chain.compute_s, chain.disk_s, transfer_s, chain.wait_s)

    def _begin(self, what: str, due_s: float, begun_s: float) -> None:
        self._checks.equal("order", f"begin of a {what}", due_s, begun_s, tolerance_s(begun_s))

"""The prediction of a row: its texts, a scenario, and a run of it."""

from dataclasses import dataclass
from pathlib import Path

from headway import policies
from headway.analysis.fidelity.interpret import Interpretation, interpret, missing_fields
from headway.analysis.fidelity.results import Prediction, Quantity, prediction, skipped
from headway.analysis.fidelity.rows import Row
from headway.analysis.fidelity.worlds import MissingError, World, world_of
from headway.simcore import simulate
from headway.simcore.files.library import overlaid, shipped_library
from headway.simcore.instrument import Instrument
from headway.simcore.steps.graph import StepGraph
from headway.simcore.world.batch import Batch
from headway.simcore.world.blocks import Kind
from headway.simcore.world.library import Library

DEFAULT_CONTEXT = 64
"""Positions in the cache where a row does not state any."""

UNCALIBRATED_CONTEXT = 4096
"""Contexts from this length on are outside the calibrated range of devices without a measured rate of the cache."""


def load_library(calibration: Path | None) -> Library:
    """The shipped parameters, with those of a file in their place."""
    library = shipped_library()
    return library if calibration is None else overlaid(library, calibration)


@dataclass
class StepTimes(Instrument):
    """Of the last step: seconds in which the root computed, and bytes that it sent and received."""

    compute_s: float = 0.0
    sent_bytes: float = 0.0
    received_bytes: float = 0.0

    def step_begins(self, attempt: object) -> None:
        """A new step."""
        self.compute_s = self.sent_bytes = self.received_bytes = 0.0

    def task_done(
        self, batch: Batch, graph: StepGraph, node: int, submitted_s: float, start_s: float, disk_s: float,
        end_s: float, nominal_s: float,
    ) -> None:  # fmt: skip
        """A task has ended."""
        if graph.device[node] == 0 and graph.kind[node] != Kind.SYNC:
            self.compute_s += end_s - start_s

    def message_arrived(
        self, batch: Batch, graph: StepGraph, node: int, size_bytes: float, sent_s: float, flow_s: float,
        wire_bytes: float, arrived_s: float,
    ) -> None:  # fmt: skip
        """A message has arrived."""
        if graph.device[node] == 0:
            self.sent_bytes += size_bytes
        if graph.receiver[node] == 0:
            self.received_bytes += size_bytes


def predict_row(row: Row, library: Library) -> list[Prediction]:
    """All quantities of a row that can be predicted, or those that it asks for with the reason why none can be."""
    values = interpret(row)
    lacks = missing_fields(row, values) or _not_simulated(values)
    if lacks:
        return skipped(row, lacks)
    try:
        world = world_of(row, values, library)
    except MissingError as missing:
        return skipped(row, [str(missing)])
    _check_context(values, world)
    quantities = _prefill(values, world) if values.work.phase == "prefill" else _decode(row, values, world)
    note = "; ".join(dict.fromkeys((*world.notes, *values.work.notes)))
    why = "; ".join(dict.fromkeys(world.extrapolated))
    return [
        prediction(row, quantity, value, extrapolated=why, note=note) for quantity, value in quantities.items()
    ]


def _not_simulated(values: Interpretation) -> list[str]:
    """Reasons why the work of a row is not simulated."""
    of = {
        "speculative": "speculative decoding is not simulated",
        "failures": "failures at random moments are not predicted",
        "batch": "the number of requests in flight is not stated",
        "prefix-moved": "moving a part of a cache between nodes is not simulated",
    }
    lacks = [text for flag, text in of.items() if flag in values.work.flags]
    if values.work.requests != 1:
        lacks.append("several requests in flight need a scheduler that forms batches")
    if values.execution.kind == "replicas":
        lacks.append("several replicas of a model are not simulated")
    if values.execution.is_padded:
        lacks.append("an engine that pads its messages to full size has no profile")
    return lacks


def _check_context(values: Interpretation, world: World) -> None:
    work = values.work
    longest = max(work.context or 0.0, float(work.depth + (work.prompt or 0)))
    if longest > UNCALIBRATED_CONTEXT:
        world.extrapolated.append(f"a context of {longest:.0f} positions")


def _decode(row: Row, values: Interpretation, world: World) -> dict[Quantity, float]:
    """The time and traffic of a token at the mean context of the row."""
    context = values.work.context
    if context is None:
        context = DEFAULT_CONTEXT
        world.notes.append(f"the context is not stated; {DEFAULT_CONTEXT} positions are assumed")
    meter = StepTimes()
    total_s = _last_token_s(world, max(1, round(context)), 2, meter)
    quantities: dict[Quantity, float] = {
        "total": 1e3 * total_s,
        "compute": 1e3 * meter.compute_s,
        "transfer": 1e3 * (total_s - meter.compute_s),
        "bytes_sent": (meter.sent_bytes + 1e-6) / 1024,
        "bytes_received": (meter.received_bytes + 1e-6) / 1024,
        "tokens_per_s": 1.0 / total_s,
    }
    other = values.other
    if other is not None and other.quantity == "ttft" and values.work.prompt:
        quantities["ttft"] = _first_token_s(world, values.work.prompt) / other.unit_s
    return quantities


def _prefill(values: Interpretation, world: World) -> dict[Quantity, float]:
    """The time of a prefill, and its tokens per second."""
    work, tokens = values.work, values.work.prompt or DEFAULT_CONTEXT
    if work.layers is not None:
        share = work.layers / world.model.layers
        seconds = share * _first_token_s(world, tokens)
        world.notes.append(f"{work.layers} of {world.model.layers} layers")
    elif "no-batching" in work.flags:
        seconds = tokens * _last_token_s(world, max(1, work.depth + tokens // 2), 2, StepTimes())
        world.notes.append("each token of the prompt takes as long as a decoded one")
    else:
        seconds = _first_token_s(world, work.depth + tokens)
        if work.depth:
            seconds -= _first_token_s(world, work.depth)
    quantities: dict[Quantity, float] = {"tokens_per_s": tokens / seconds}
    if values.other is not None and values.other.quantity == "ttft":
        quantities["ttft"] = seconds / values.other.unit_s
    return quantities


def _first_token_s(world: World, prompt: int) -> float:
    return _last_token_s(world, prompt, 1, StepTimes())


def _last_token_s(world: World, prompt: int, output: int, meter: StepTimes) -> float:
    result = simulate(world.scenario(prompt, output), policies.create("pinned"), instrument=meter)
    return float(result.tokens.latency_s.iloc[-1])

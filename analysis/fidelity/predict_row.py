"""The predictions of rows: texts of a row, a scenario, and a run of it."""

from collections.abc import Callable, Sequence

from headway.analysis.fidelity.contexts import work_of
from headway.analysis.fidelity.interpret import Interpretation, MissingError, interpret, missing_fields
from headway.analysis.fidelity.known import Known
from headway.analysis.fidelity.last_step import LastStep, Measure, predicted, simulated
from headway.analysis.fidelity.results import (
    SECONDS,
    Prediction,
    Quantity,
    asked_quantities,
    measured_values,
    prediction,
    skipped,
)
from headway.analysis.fidelity.rows import Row
from headway.analysis.fidelity.worlds import World, world_of
from headway.simcore.errors import RunEndedError
from headway.traces.errors import InputError, error_text

DEFAULT_CONTEXT = 64
"""Positions in the cache where a row does not state any."""

_NOT_SIMULATED = {
    "speculative": "speculative decoding is not simulated",
    "failures": "failures at random moments are not predicted",
    "batch": "the number of requests in flight is not stated",
    "prefix-moved": "moving a part of a cache between nodes is not simulated",
    "replicas": "several replicas of a model are not simulated",
    "padded": "an engine that pads its messages to full size has no profile",
}
"""Flags of work that is not simulated, and the reasons."""


def predict_rows(
    rows: Sequence[Row], known: Known, progress: Callable[[], None] = lambda: None
) -> list[Prediction]:
    """The predictions of all rows, in their order. A row that fails is skipped with the reason, whatever fails."""
    predictions: list[Prediction] = []
    for row in rows:
        predictions += _predict(row, known)
        progress()
    return predictions


def _predict(row: Row, known: Known) -> list[Prediction]:
    try:
        predictions = predict_row(row, known)
        there = {one.quantity for one in predictions}
        others = [quantity for quantity in asked_quantities(row) if quantity not in there]
        return predictions + [prediction(row, other, None, note=_reason(row, other)) for other in others]
    except (InputError, RunEndedError) as error:
        return skipped(row, [str(error)])
    except Exception as error:  # A defect in one row must not discard the results of all others.
        return skipped(row, [f"a defect of Headway: {error_text(error)}"])


def _reason(row: Row, quantity: Quantity) -> str:
    """The reason why a quantity of a predicted row has no prediction."""
    if quantity == "ttft" and not work_of(row).prompt:
        return "the length of the prompt is not stated"
    return f"{quantity} is not predicted for this phase"


def predict_row(row: Row, known: Known) -> list[Prediction]:
    """All quantities of a row that can be predicted, or those that it asks for with the reason why none can be."""
    try:
        values, world = _understood(row, known)
    except MissingError as missing:
        return skipped(row, missing.args)
    if values.work.requests != 1 and world.profile.batches:
        unknown = "the number of requests in flight is not stated; " if values.work.requests is None else ""
        return skipped(row, [f"{unknown}several requests in flight need a scheduler that forms batches"])
    quantities = _quantities(values, world, simulated)
    note = "; ".join(dict.fromkeys((*world.remarks.notes, *values.work.notes)))
    why = "; ".join(dict.fromkeys(world.remarks.extrapolated))
    return [
        prediction(row, quantity, value, extrapolated=why, note=note)
        for quantity, value in quantities.items()
    ]


def predicted_quantities(row: Row, known: Known) -> dict[Quantity, float]:
    """The quantities of a row as numbers, without a simulation; none if it cannot be predicted."""
    try:
        return _quantities(*_understood(row, known), predicted)
    except MissingError:
        return {}


def used_names(row: Row, known: Known) -> set[tuple[str, str]]:
    """The devices and the profile that the prediction of a row uses, as kind and name."""
    _, world = _understood(row, known)
    return {("profiles", world.profile.name), *(("devices", name) for name in world.entries)}


def measured_quantities(row: Row) -> dict[Quantity, float]:
    """The measured times and rates of a row."""
    return {key: value for key, value in measured_values(row).items() if not key.startswith("bytes")}


def _understood(row: Row, known: Known) -> tuple[Interpretation, World]:
    """The texts of a row and its world.

    Raises:
        MissingError: the row does not say enough, or its work is not simulated; an argument per reason.
    """
    values = interpret(row)
    lacks = missing_fields(row, values)
    lacks = lacks or [text for flag, text in _NOT_SIMULATED.items() if flag in values.work.flags]
    if lacks:
        raise MissingError(*lacks)
    return values, world_of(row, values, known)


def _quantities(values: Interpretation, world: World, measure: Measure) -> dict[Quantity, float]:
    work = values.work
    longest = max(work.context or 0.0, float(work.depth + (work.prompt or 0)))
    if longest > world.kv_context:
        world.remarks.extrapolated.append(
            f"a context of {longest:.0f} positions, above {world.kv_context:.0f}"
        )
    return (_prefill if work.phase == "prefill" else _decode)(values, world, measure)


def _decode(values: Interpretation, world: World, measure: Measure) -> dict[Quantity, float]:
    """The time and traffic of a token at the mean context of the row."""
    context = values.work.context
    if context is None:
        context = DEFAULT_CONTEXT
        world.remarks.notes.append(f"the context is not stated; {DEFAULT_CONTEXT} positions are assumed")
    step = measure(world, max(1, round(context)), 2)
    requests = values.work.requests or len(world.cluster.devices)
    between_s = _together(step, requests)
    if values.work.requests is None:
        world.remarks.notes.append("as many requests as devices are assumed in flight")
    if requests > 1:
        world.remarks.notes.append(f"{requests} requests overlap in the pipeline, without batches")
    quantities: dict[Quantity, float] = {
        "total": 1e3 * between_s,
        "compute": 1e3 * step.compute_s,
        "transfer": 1e3 * (step.total_s - step.compute_s),
        # A millionth of a byte makes up for rounding before kB are rounded down.
        "bytes_sent": (step.sent_bytes + 1e-6) / 1024,
        "bytes_received": (step.received_bytes + 1e-6) / 1024,
        "tokens_per_s": requests / between_s,
    }
    work = values.work
    if values.first_token is not None and work.prompt:
        quantities["ttft"] = (
            _together(measure(world, work.prompt, 1), requests) / SECONDS[values.first_token.unit]
        )
    if world.end_to_end and work.prompt and work.generated:
        whole_s = _together(measure(world, work.prompt, 1), requests) + (work.generated - 1) * between_s
        quantities["tokens_per_s"] = requests * work.generated / whole_s
        world.remarks.notes.append("tokens per second count the prefill")
    return quantities


def _together(step: LastStep, requests: int) -> float:
    """Time of a step of each of several requests in a pipeline, without batches.

    A request waits for nothing, or for all others at the device that is busy the longest.
    """
    return max(step.total_s, requests * step.longest_s)


def _prefill(values: Interpretation, world: World, measure: Measure) -> dict[Quantity, float]:
    """The time of a prefill, and its tokens per second."""
    work, tokens = values.work, values.work.prompt or DEFAULT_CONTEXT
    if work.layers is not None:
        share = work.layers / world.model.layers
        seconds = share * measure(world, tokens, 1).total_s
        world.remarks.notes.append(f"{work.layers} of {world.model.layers} layers")
    elif "no-batching" in work.flags:
        seconds = tokens * measure(world, max(1, work.depth + tokens // 2), 2).total_s
        world.remarks.notes.append("each token of the prompt takes as long as a decoded one")
    else:
        seconds = measure(world, work.depth + tokens, 1).total_s
        if work.depth:
            seconds -= measure(world, work.depth, 1).total_s
    quantities: dict[Quantity, float] = {"tokens_per_s": tokens / seconds}
    if values.first_token is not None:
        quantities["ttft"] = seconds / SECONDS[values.first_token.unit]
    return quantities

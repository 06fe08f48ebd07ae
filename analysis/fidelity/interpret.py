"""The texts of a row as values, by general rules that do not depend on single rows.

Each column has its module: `contexts` (phase, tokens, requests), `precisions`, `networks`, `device_texts`, `executions`
and `other_metrics`. Names of devices and models stay texts here; their libraries look them up.
"""

import re
from dataclasses import dataclass

from headway.analysis.fidelity.contexts import Work, work_of
from headway.analysis.fidelity.device_texts import Devices, devices_of
from headway.analysis.fidelity.executions import Execution, execution_of
from headway.analysis.fidelity.networks import Network, network
from headway.analysis.fidelity.other_metrics import OtherQuantity, other_quantity
from headway.analysis.fidelity.precisions import Precision, precision
from headway.analysis.fidelity.rows import Row

_SPLIT = re.compile(r",? ?\b(?:split \d+(?:/\d+)+|\d+/\d+)(?=\)$)")

__all__ = ["Interpretation", "interpret", "missing_fields"]


@dataclass(frozen=True)
class Interpretation:
    """The texts of a row as values.

    Attributes:
        work: phase, tokens, context, requests in flight, threads and flags.
        weights: format of the weights.
        wire: format of activations in messages.
        kv: format of the cache.
        network: class, rate and delay.
        devices: fragments of text with their numbers.
        execution: parallelism and split of layers.
        other: the further quantity that the row measures; None if none.
        model: text that names the model, to be looked up, without remarks on its split.
        draft: text that names the draft model of speculative decoding; empty if the row names none.
    """

    work: Work
    weights: Precision
    wire: Precision
    kv: Precision
    network: Network
    devices: Devices
    execution: Execution
    other: OtherQuantity | None
    model: str
    draft: str


def interpret(row: Row) -> Interpretation:
    """The texts of a row as values; what the texts do not state is None or empty there."""
    model, draft = _models(row.model)
    return Interpretation(
        work=work_of(row),
        weights=precision(row.weights_precision),
        wire=precision(row.wire_precision),
        kv=precision(row.kv_precision),
        network=network(row.network),
        devices=devices_of(row),
        execution=execution_of(row),
        other=other_quantity(row),
        model=model,
        draft=draft,
    )


def _models(text: str) -> tuple[str, str]:
    """The texts that name the model and the draft model."""
    model, _, draft = _SPLIT.sub("", text).partition(" + draft ")
    return model, draft


def missing_fields(row: Row, values: Interpretation) -> list[str]:
    """What a row lacks for any prediction, one sentence each: measured work, devices, model, parallelism, requests.

    Formats and networks are not among them: a profile or a library may supply them.
    """
    if row.record_type not in ("", "measurement"):
        return [f"a row of type {row.record_type!r} is no run of a model"]
    lacks = []
    if values.work.phase is None:
        lacks.append(f"the phase {row.phase!r} is not known" if row.phase else "the phase is blank")
    if not row.model:
        lacks.append("the model is blank")
    if values.devices.missing:
        lacks.append(values.devices.missing)
    if values.execution.note:
        lacks.append(values.execution.note)
    return lacks

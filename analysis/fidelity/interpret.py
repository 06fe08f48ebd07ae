"""The texts of a row as values, by general rules that do not depend on single rows.

Each column has its module: `contexts` (phase, tokens, requests), `precisions`, `networks`, `device_texts` and
`engines`. Names of devices and models stay texts here; their libraries look them up.
"""

import re
from dataclasses import dataclass, field

from headway.analysis.fidelity.contexts import Work, work_of
from headway.analysis.fidelity.device_texts import Devices, devices_of
from headway.analysis.fidelity.engines import Execution, execution_of
from headway.analysis.fidelity.networks import Network, network
from headway.analysis.fidelity.precisions import Precision, precision
from headway.analysis.fidelity.results import FirstToken, first_token
from headway.analysis.fidelity.rows import Row

_SPLIT = re.compile(r",? ?\b(?:split \d+(?:/\d+)+|\d+/\d+)(?=\)$)")


class MissingError(Exception):
    """A row lacks values for a prediction; the message says which."""


@dataclass
class Remarks:
    """Remarks that are collected while the world of a row is built.

    Attributes:
        notes: assumptions.
        extrapolated: reasons why the row lies outside the calibrated range.
    """

    notes: list[str] = field(default_factory=list)
    extrapolated: list[str] = field(default_factory=list)


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
        first_token: the time to the first token that the row measures; None if none.
        model: text that names the model, to be looked up, without a draft model and remarks on its split.
    """

    work: Work
    weights: Precision
    wire: Precision
    kv: Precision
    network: Network
    devices: Devices
    execution: Execution
    first_token: FirstToken | None
    model: str


def interpret(row: Row) -> Interpretation:
    """The texts of a row as values; what the texts do not state is None or empty there."""
    return Interpretation(
        work=work_of(row),
        weights=precision(row.weights_precision),
        wire=precision(row.wire_precision),
        kv=precision(row.kv_precision),
        network=network(row.network),
        devices=devices_of(row),
        execution=execution_of(row),
        first_token=first_token(row),
        model=_SPLIT.sub("", row.model).partition(" + draft ")[0],
    )


def missing_fields(row: Row, values: Interpretation) -> list[str]:
    """What a row lacks for any prediction, one sentence each: measured work, devices, model, parallelism, requests.

    Formats and networks are not among them: a profile or a library may supply them.
    """
    if row.record_type not in ("", "measurement"):
        return [f"a row of type {row.record_type!r} is no run of a model"]
    phase = f"the phase {row.phase!r} is not known" if row.phase else "the phase is blank"
    lacks = (
        phase if values.work.phase is None else "",
        "" if row.model else "the model is blank",
        values.devices.missing,
        values.execution.note,
    )
    return [text for text in lacks if text]

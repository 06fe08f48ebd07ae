"""How the devices of a row share the model: kind of parallelism, layer split, micro-batches; from its texts."""

import re
from dataclasses import dataclass
from typing import Literal

from headway.analysis.fidelity.rows import Row
from headway.analysis.fidelity.texts import NUMBER

Kind = Literal["single", "tensor", "pipeline", "ring", "replicas", "other"]

_SPLIT = re.compile(r"\bsplit (\d{1,9}(?:/\d{1,9})+)|\b(\d{1,9}/\d{1,9})\)$")
_RATIO = re.compile(r"(?:(\d{1,9}(?:\.\d{1,9})?B): )?(\d{1,9}(?::\d{1,9})+)")
_SHARES = re.compile(rf"\bsplit (0\.\d{{1,9}}(?:/{NUMBER})+)")
_MICRO_BATCH = re.compile(r"microbatch (\d{1,9})")
_KINDS: dict[str, Kind] = {
    r"single": "single",
    r"tensor": "tensor",
    r"pipeline ring": "ring",
    r"pipeline": "pipeline",
    r"two whole replicas": "replicas",
}


@dataclass(frozen=True)
class Execution:
    """How devices share a model.

    Attributes:
        kind: "ring" is a pipeline whose last device returns to the first.
        split: layers of each device, where the texts state them; else empty.
        shares: shares of the layers of each device, where the texts state them; else empty.
        micro_batch: tokens of a micro-batch of a pipelined prefill; None if not stated.
        is_padded: whether every slice is sent at its full size.
        note: the reason for the kind "other"; else empty.
    """

    kind: Kind
    split: tuple[int, ...] = ()
    shares: tuple[float, ...] = ()
    micro_batch: int | None = None
    is_padded: bool = False
    note: str = ""


def execution_of(row: Row) -> Execution:
    """The parallelism of a row."""
    text = row.parallelism
    kind: Kind = next((named for form, named in _KINDS.items() if re.match(form, text)), "other")
    micro_batch = _MICRO_BATCH.search(text)
    shares = _SHARES.search(text) or _SHARES.search(row.devices)
    note = f"the parallelism {text!r} is not known" if text else "the parallelism is blank"
    return Execution(
        kind=kind,
        split=_split(row),
        shares=tuple(float(share) for share in shares[1].split("/")) if shares else (),
        micro_batch=int(micro_batch[1]) if micro_batch else None,
        is_padded="pads every slice" in text,
        note=note if kind == "other" else "",
    )


def _split(row: Row) -> tuple[int, ...]:
    """Layers per device; a split that is stated for one size of model holds for rows of that size only."""
    for text in (row.parallelism, row.model):
        match = _SPLIT.search(text)
        if match:
            return tuple(int(part) for part in (match[1] or match[2]).split("/"))
        ratio = _RATIO.search(text)
        if ratio and (ratio[1] is None or re.search(rf"(?<![\d.]){re.escape(ratio[1])}\b", row.model)):
            return tuple(int(part) for part in ratio[2].split(":"))
    return ()

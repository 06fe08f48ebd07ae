"""The engine of a row, and how its devices share the model, from its system, version, parallelism and network."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

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
        note: the reason for the kind "other"; else empty.
    """

    kind: Kind
    split: tuple[int, ...] = ()
    shares: tuple[float, ...] = ()
    micro_batch: int | None = None
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


_VERSION = re.compile(r"(\d{1,3})\.(\d{1,3})(?:\.(\d{1,3}))?")

_EXO_2024 = re.compile(r"20(24|25-0[1-6])|\b(Nov|Dec) 2024")
"""Dates of the first generation of exo."""

_DISTRIBUTED_LLAMA: Sequence[tuple[tuple[int, int, int], str]] = (
    ((0, 11, 0), "distributed-llama-0.11"),
    ((0, 7, 1), "distributed-llama-0.7"),
    ((0, 5, 0), "distributed-llama-0.5"),
    ((0, 3, 0), "distributed-llama-0.3"),
    ((0, 0, 0), "distributed-llama-0.1"),
)
"""First version of each profile, the newest first."""


class Engine(NamedTuple):
    """The profile of a row.

    Attributes:
        profile: its name.
        note: an assumption; empty if there is none.
        output: device with the output head: the `source`, or the `last` device of a pipeline.
        fastest_first: whether a fast device gets all layers that fit into its memory, and each other at least one.
        end_to_end: whether the system counts the prefill in its tokens per second.
        source_last: whether the source has the last layers of a pipeline, instead of the first ones.
    """

    profile: str
    note: str = ""
    output: str = "last"
    source_last: bool = False
    fastest_first: bool = False
    end_to_end: bool = False


_PETALS = Engine("petals", output="source")
_MESH = Engine("tensor-parallel", "its messages are assumed to be those of a mesh")

_SYSTEMS: Mapping[str, tuple[Engine, Engine]] = {
    r"prefill-opt": (Engine("prefill-opt"), Engine("distributed-llama-0.11")),
    r"tpi-llm": (Engine("tpi-llm", output="source"), Engine("tpi-llm", output="source")),
    r"prima\.cpp": (
        Engine("prima.cpp", output="source", fastest_first=True), Engine("prima.cpp", output="source"),
    ),
    r"petals|bloombee": (_PETALS, _PETALS),
    r"cascadia": (Engine("cascadia"), Engine("cascadia-tensor")),
    r"skippy": (Engine("mesh-llm"), Engine("mesh-llm")),
    r"shardwise": (Engine("shardwise", end_to_end=True), Engine("tensor-parallel")),
    r"mdi-llm": (Engine("mdi-llm", end_to_end=True), Engine("tensor-parallel")),
    r"enapt": (Engine("enapt-swarmllm"), Engine("enapt-swarmllm")),
    r"swarmllm": (Engine("swarmllm-webgpu"), Engine("swarmllm-webgpu")),
    r"llama\.cpp|ollama": (Engine("llama.cpp"), _MESH),
}  # fmt: skip
"""Engines by the system's name (regular expressions, in the order in which they are tried): for layers on devices or a
single device, and for tensor parallelism."""

_OTHER = {
    "tensor": _MESH,
    "pipeline": Engine("python-pipeline", "its messages are assumed to be those of a plain pipeline"),
    "ring": Engine("python-pipeline", "its messages are assumed to be those of a plain pipeline"),
}
"""Engines of other systems by kind of parallelism."""


def engine_of(row: Row, execution: Execution, link: str | None) -> Engine:
    """The engine of a row.

    Args:
        row: names the system and its version.
        execution: the parallelism.
        link: class of the network, or None.
    """
    system, kind = row.system.lower(), execution.kind
    layered = kind in ("pipeline", "ring")
    if re.search(r"distributed-llama|dllama|prefill-opt", system) and not layered:
        return _distributed_llama(row)
    if re.search(r"\bexo\b|mlx", system):
        if kind == "tensor":
            return Engine("exo-tensor" if "rdma" in (link or "") else "exo-tensor-ring")
        return Engine("exo-2024" if _EXO_2024.search(row.system) else "exo")
    if re.search(r"\brpc\b", system) and layered:
        return Engine("llama.cpp-rpc", "the newest RPC protocol is assumed", source_last=True)
    engines = next((pair for form, pair in _SYSTEMS.items() if re.search(form, system)), None)
    return engines[kind == "tensor"] if engines else _OTHER.get(kind, Engine("unknown-engine"))


def _distributed_llama(row: Row) -> Engine:
    match = _VERSION.search(row.version) or _VERSION.search(row.system)
    if match is None:
        return Engine(_DISTRIBUTED_LLAMA[0][1], "the newest version is assumed")
    version = (int(match[1]), int(match[2]), int(match[3] or 0))
    return Engine(next(name for first, name in _DISTRIBUTED_LLAMA if version >= first))

"""The engine profile of a row, by its system, version, parallelism and network."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from headway.analysis.fidelity.executions import Execution
from headway.analysis.fidelity.rows import Row

_VERSION = re.compile(r"(\d{1,3})\.(\d{1,3})(?:\.(\d{1,3}))?")

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


_SYSTEMS: Mapping[str, tuple[Engine, Engine]] = {
    name: (
        Engine(
            profile,
            output=output,
            fastest_first=name == "prima.cpp",
            end_to_end=name in ("shardwise", "mdi-llm"),
        ),
        Engine(tensor, output=output),
    )
    for name, profile, tensor, output in (
        ("prefill-opt", "prefill-opt", "distributed-llama-0.11", "last"),
        ("tpi-llm", "tpi-llm", "tpi-llm", "source"),
        ("prima.cpp", "prima.cpp", "prima.cpp", "source"),
        ("petals", "petals", "petals", "source"),
        ("bloombee", "petals", "petals", "source"),
        ("cascadia", "cascadia", "cascadia-tensor", "last"),
        ("skippy", "mesh-llm", "mesh-llm", "last"),
        ("shardwise", "shardwise", "tensor-parallel", "last"),
        ("mdi-llm", "mdi-llm", "tensor-parallel", "last"),
        ("enapt", "enapt-swarmllm", "enapt-swarmllm", "last"),
        ("swarmllm", "swarmllm-webgpu", "swarmllm-webgpu", "last"),
    )
}
"""Engines by a part of the system's name: for layers on devices, and for tensor parallelism."""


def engine_of(row: Row, execution: Execution, link: str | None) -> Engine:
    """The engine of a row.

    Args:
        row: names the system and its version.
        execution: the parallelism.
        link: class of the network, or None.
    """
    system, tensor = row.system.lower(), execution.kind == "tensor"
    layered = execution.kind in ("pipeline", "ring")
    if re.search(r"distributed-llama|dllama|prefill-opt", system) and not layered:
        return _distributed_llama(row)
    if re.search(r"\bexo\b|mlx", system):
        return _exo(row, tensor=tensor, link=link or "")
    if re.search(r"\brpc\b", system) and layered:
        return Engine("llama.cpp-rpc", "the newest RPC protocol is assumed", source_last=True)
    named = next((of[tensor] for name, of in _SYSTEMS.items() if name in system), None)
    return named or _unnamed(system, tensor=tensor, layered=layered)


def _unnamed(system: str, *, tensor: bool, layered: bool) -> Engine:
    if tensor:
        return Engine("tensor-parallel", "its messages are assumed to be those of a mesh")
    if re.search(r"llama\.cpp|ollama", system):
        return Engine("llama.cpp")
    if not layered:
        return Engine("unknown-engine")
    return Engine("python-pipeline", "its messages are assumed to be those of a plain pipeline")


def _distributed_llama(row: Row) -> Engine:
    texts = (row.version, row.system)
    match = next((found for found in map(_VERSION.search, texts) if found), None)
    if match is None:
        return Engine(_DISTRIBUTED_LLAMA[0][1], "the newest version is assumed")
    version = (int(match[1]), int(match[2]), int(match[3] or 0))
    return Engine(next(name for first, name in _DISTRIBUTED_LLAMA if version >= first))


def _exo(row: Row, *, tensor: bool, link: str) -> Engine:
    if tensor:
        return Engine("exo-tensor" if "rdma" in link else "exo-tensor-ring")
    if re.search(r"20(24|25-0[1-6])|\b(Nov|Dec) 2024", row.system):
        return Engine("exo-2024")
    return Engine("exo")

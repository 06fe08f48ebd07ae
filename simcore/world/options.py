"""The options of a scenario, in the groups in which its file has them."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Sharing: TypeAlias = Literal["dedicated", "fair"]
Connection: TypeAlias = Literal["fresh", "persistent"]
Migration: TypeAlias = Literal["blocking", "live"]
OnInfeasible: TypeAlias = Literal["keep", "fail"]
DecisionTime: TypeAlias = Literal["free", "measured"] | float
Overflow: TypeAlias = Literal["fail", "swap"]


@dataclass(frozen=True)
class Transporting:
    """Which transport messages use.

    Attributes:
        kind: `ideal` is latency and bytes over rate; `tcp` also has a handshake, headers and slow start.
        connection: of `tcp`, a `fresh` one for every message, or one per sender and receiver that is `persistent`.
        idle_restart: whether the window of a `persistent` connection that has been idle for long starts again.
    """

    kind: Literal["ideal", "tcp"] = "ideal"
    connection: Connection = "fresh"
    idle_restart: bool = True


IDEAL = Transporting()
"""Latency and bytes over rate, nothing else."""

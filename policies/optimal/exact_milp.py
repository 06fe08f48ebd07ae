"""The optimal placement of a model with one layer as a mixed-integer linear programme, solved by HiGHS.

It says the same as `exact` in another way, and proves it with a general solver: an independent check, and a bound with
a gap when time runs out. What is linearised:

- Heads that are on the same device now are counted, not told apart: integers `flow[g, j]` from group g to device j.
- A branch costs what depends on the pair (device, projection). So the heads on device j are counted once more for each
  place p of the projection, `count[j, p]`, of which only the chosen p may be above 0; `pair[j, p]` is 1 if any is.
- Transfers between single blocks, and from the holder of the input to the devices with heads, are products of binary
  variables. Each is a variable of its own, whose sums over either index are the two factors.
- The slowest branch of each step is a continuous variable that is not below any branch.
- Memory: beside a set of single blocks a device has room for a whole number of heads, one row per device and set.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from headway.policies.optimal.milp import Programme
from headway.policies.optimal.single_layer import (
    EMBED,
    FFN,
    LM_HEAD,
    NO_PLACEMENT,
    PROJ,
    OneLayer,
    Solution,
    beyond,
    blocks_on,
    decision,
    one_layer,
)
from headway.simcore import Decision, FloatArray, Infeasible, IntArray, Observation, predict

_SCALE = 1e4
"""The optimum in the solver's units. HiGHS takes 1e-6 for nothing, so this leaves ten digits."""

_STATUS = {0: "optimal", 1: "time limit", 2: "infeasible"}
"""By the number that scipy gives it."""


@dataclass(frozen=True)
class ExactMilp:
    """The optimum of a model with one layer by mixed-integer linear programming (HiGHS), or the best within a time.

    Exact, up to the gap that is set and the solver's tolerances, for the same models as `exact`: one layer, with or
    without embedding and output head, with a gathered or a sharded projection, for intervals of any number of steps,
    and with or without a placement in force. Answers `Infeasible` for several layers and for a feed-forward network in
    several shards. Under `swap` it does as if memory were a limit: it never plans to swap.

    Attributes:
        time_limit_s: wall time for one solve; above it the best placement found by then counts, and results may differ
            between machines.
        mip_rel_gap: relative gap at which the solver may stop.
    """

    name: ClassVar[str] = "exact-milp"
    declares: ClassVar[Mapping[str, str]] = {
        "finds-room": "it is for models of one layer and one feed-forward block, and says so elsewhere",
        "stable": "each interval is the optimum by itself, and two moves may cost less than one",
    }

    time_limit_s: float = 60.0
    mip_rel_gap: float = 0.0

    def __post_init__(self) -> None:
        if not self.time_limit_s > 0.0:
            raise ValueError(f"time_limit_s must be above 0, not {self.time_limit_s}")
        if not self.mip_rel_gap >= 0.0:
            raise ValueError(f"mip_rel_gap must not be negative, not {self.mip_rel_gap}")

    def decide(self, observation: Observation) -> Decision:
        """The best placement that the solver finds, or to stay if that is as good."""
        solution = solve(observation, self.time_limit_s, self.mip_rel_gap)
        if solution.devices is None and solution.status == "time limit":
            return Infeasible(f"no placement found within {self.time_limit_s} s")
        return decision(observation, solution)


def solve(observation: Observation, time_limit_s: float = 60.0, mip_rel_gap: float = 0.0) -> Solution:
    """The placement of one layer that minimises `predict.objective`, with the gap that is left.

    The programme is solved twice, since the solver's tolerances are absolute: roughly, to learn the size of the
    optimum, and in units of that.
    """
    if reason := beyond(observation):
        return Solution(None, np.inf, np.inf, f"exact-milp {reason}")
    layer = one_layer(observation)
    rough = _attempt(
        observation, layer, _typical(layer) / _SCALE, np.inf, time_limit_s, max(mip_rel_gap, 0.05)
    )
    if rough.status == "infeasible":
        return _any_that_fits(observation, layer, time_limit_s)
    if rough.devices is None or rough.objective_s == 0.0:
        return rough
    bound = rough.objective_s * (1.0 + 1e-9)
    fine = _attempt(observation, layer, rough.objective_s / _SCALE, bound, time_limit_s, mip_rel_gap)
    if fine.devices is None or fine.objective_s > rough.objective_s:
        status = "time limit" if fine.status == "time limit" else rough.status
        return Solution(rough.devices, rough.objective_s, min(rough.gap, fine.gap), status)
    return fine


def _any_that_fits(observation: Observation, layer: OneLayer, time_limit_s: float) -> Solution:
    """For when no placement takes a finite time: one that at least fits into memory."""
    found = _attempt(observation, layer.timeless(), 1.0, np.inf, time_limit_s, 0.0)
    if found.status == "infeasible":
        return Solution(None, np.inf, 0.0, NO_PLACEMENT)
    return found


def _typical(layer: OneLayer) -> float:
    """A first guess at the size of the optimum: the slowest of the fastest ways to do each part."""
    least = [layer.each.min(axis=(1, 2)).max() * layer.heads, layer.proj.min(), layer.ffn.min()]
    finite = [float(value) for value in least if 0.0 < value < np.inf]
    return max(finite, default=1.0)


def _attempt(
    observation: Observation, layer: OneLayer, unit: float, bound: float, time_limit_s: float, gap: float
) -> Solution:
    """One solve in units of `unit` seconds, for an optimum known to be at most `bound` seconds."""
    programme = Programme(unit, bound / unit)
    places = _state(programme, layer)
    status, values, least = programme.solve(time_limit_s, gap)
    if values is None:
        return Solution(None, np.inf, np.inf, _STATUS.get(status, "the solver failed"))
    devices = blocks_on(observation, *places.read(layer, np.rint(values)))
    objective = predict.objective(observation, devices)
    finite = 0.0 < objective < np.inf
    left = max(0.0, (objective - least * unit) / objective) if finite else 0.0
    return Solution(devices, objective, left, _STATUS.get(status, "the solver failed"))


@dataclass(frozen=True, eq=False)
class _Places:
    """The columns that say where things are: shapes (G, D), (E,), (D,), (D,), (L,)."""

    flow: IntArray
    embed: IntArray
    proj: IntArray
    ffn: IntArray
    lm_head: IntArray

    def read(self, layer: OneLayer, values: FloatArray) -> tuple[IntArray, int, int, int, int]:
        """Devices of the heads and of the single blocks, from whole values of the variables."""
        heads = np.empty(layer.heads, dtype=np.int64)
        for group, flow in zip(np.unique(layer.origin), self.flow, strict=True):
            counts = values[flow].astype(np.int64)
            heads[layer.origin == group] = np.repeat(np.arange(len(counts)), counts)
        embed, proj, ffn, lm_head = (
            int(values[columns].argmax()) for columns in (self.embed, self.proj, self.ffn, self.lm_head)
        )
        return heads, int(layer.holders[embed]), proj, ffn, lm_head


def _state(programme: Programme, layer: OneLayer) -> _Places:
    """Write the problem of one layer down."""
    groups, first, size = np.unique(layer.origin, return_index=True, return_counts=True)
    places = _Places(
        flow=programme.variables(layer.moves[first], size[:, None].astype(float), whole=True),
        embed=programme.one_of(layer.embed),
        proj=programme.one_of(layer.proj),
        ffn=programme.one_of(layer.ffn),
        lm_head=programme.one_of(np.zeros(layer.tail.shape[1])),
    )
    for group in range(len(groups)):
        programme.row([(places.flow[group], 1.0)], size[group], size[group])
    programme.product(layer.between, places.proj, places.ffn)
    programme.product(layer.tail, places.ffn, places.lm_head)
    _state_branches(programme, layer, places)
    _state_memory(programme, layer, places)
    return places


def _state_branches(programme: Programme, layer: OneLayer, places: _Places) -> None:
    """Let one variable per step be as large as the slowest branch.

    Counts and products are whole anyway where what they are made of is. They are declared as integers because the
    solver rounds only declared integers, and 1e-6 of a head is not nothing when a head takes 1e4 units of time.
    """
    steps, devices, _ = layer.each.shape
    slowest = programme.variables(np.full(steps, programme.unit), np.inf, whole=False)
    possible = programme.possible((layer.leave + layer.each).sum(axis=0))
    pair = programme.variables(np.zeros((devices, devices)), possible, whole=True)
    count = programme.variables(np.zeros((devices, devices)), possible * layer.heads, whole=True)
    reached = programme.possible(layer.arrive.sum(axis=0))
    arrive = programme.variables(np.zeros(reached.shape), reached, whole=True)
    for device in range(devices):
        here = (pair[device], -1.0)
        programme.row([(places.flow[:, device], 1.0), (count[device], -1.0)], 0.0, 0.0)
        programme.row([(arrive[:, device], 1.0), here], 0.0, 0.0)
        for proj in range(devices):
            chosen, number = pair[device, [proj]], count[device, [proj]]
            programme.row([(chosen, 1.0), (places.proj[[proj]], -1.0)], -np.inf, 0.0)
            programme.row([(number, 1.0), (chosen, -float(layer.heads))], -np.inf, 0.0)
        for holder in range(len(layer.holders)):
            terms: list[tuple[IntArray, float]] = [
                (arrive[holder, [device]], 1.0),
                (places.embed[[holder]], -1.0),
            ]
            programme.row(terms, -np.inf, 0.0)
        for step in range(steps):
            programme.row(
                [
                    (slowest[[step]], 1.0),
                    (arrive[:, device], -programme.scaled(layer.arrive[step, :, device], reached[:, device])),
                    (pair[device], -programme.scaled(layer.leave[step, device], possible[device])),
                    (count[device], -programme.scaled(layer.each[step, device], possible[device])),
                ],
                0.0,
                np.inf,
            )


def _state_memory(programme: Programme, layer: OneLayer, places: _Places) -> None:
    """Let no device hold more heads than it has room for beside each set of single blocks that may be there.

    Nor let more come to it, from groups that are elsewhere, than have room while they move.
    """
    groups = np.unique(layer.origin)
    singles = [
        (EMBED, dict(zip(layer.holders.tolist(), places.embed, strict=True))),
        (PROJ, dict(enumerate(places.proj))),
        (FFN, dict(enumerate(places.ffn))),
        (LM_HEAD, dict(enumerate(places.lm_head))),
    ]
    for held in range(16):
        for device, (room, guests) in enumerate(
            zip(layer.room[held].tolist(), layer.guests[held].tolist(), strict=True)
        ):
            there = [columns[device] for bit, columns in singles if held & bit and device in columns]
            if len(there) < held.bit_count():
                continue
            blocks = np.array(there, dtype=np.int64)
            if room < 0:
                programme.row([(blocks, 1.0)], -np.inf, len(there) - 1.0)
                continue
            here, coming = places.flow[:, device], places.flow[groups != device, device]
            for heads, most in ((here, room), (coming, guests)):
                if most < layer.heads:
                    terms = [(heads, 1.0), (blocks, float(layer.heads))]
                    programme.row(terms, -np.inf, float(most + layer.heads * len(there)))

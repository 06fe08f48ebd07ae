"""The best sequence of placements along a forecast, by dynamic programming.

The future is a sequence of phases, and each phase has one of several candidate placements. A candidate generates tokens
at its own speed in each phase, and a change of the candidate takes the time of its moves. Of all sequences with the
same candidate in a phase, only the one with the most tokens by then can be part of the best sequence, which is the one
that generates all tokens of the horizon first.

Moves into a phase take place just before it, in the world of the phase before. A placement cannot stay on a device that
goes down in a phase. If there is no time to move its blocks before, they are lost: then they come from the source, and
all caches are computed again, which is priced as a token for each cached position.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from headway.policies.search.copies import fitting_copies
from headway.policies.search.phases import Phase, moving_from
from headway.policies.search.transition import SLOWED, pause_price
from headway.simcore import FloatArray, IntArray, Observation, Step, predict

_LEAST_S = 1e-12
"""Least time of a token, so that its inverse is a number."""


@dataclass(frozen=True, eq=False)
class Course:
    """A sequence of placements along the phases of a forecast.

    Attributes:
        seconds: time until all tokens of the horizon have been generated; infinite if that is impossible.
        placements: one for each phase until then, shape (B,) each.
    """

    seconds: float
    placements: tuple[IntArray, ...]


def best_course(
    observation: Observation, ahead: Sequence[Phase], candidates: Sequence[IntArray], most_pause_s: float
) -> Course:
    """The best sequence of candidates; of equal ones the one with the first candidates.

    Args:
        observation: the world now, with the placement in force.
        ahead: the phases of its forecast.
        candidates: placements, shape (B,) each.
        most_pause_s: moves that take longer than this are avoided where possible.
    """
    prices = _Prices(observation, ahead, candidates, most_pause_s)
    generated, paths = -prices.entry(), [(i,) for i in range(len(candidates))]
    elapsed_s, best = 0.0, Course(np.inf, (candidates[0],))
    tokens = float(observation.steps[-1].count)
    for number, phase in enumerate(ahead):
        speed = prices.speed[number]
        if number:
            gained = generated[:, None] - prices.change(number)
            before = gained.argmax(axis=0).tolist()
            paths = [(*paths[q], p) for p, q in enumerate(before)]
            generated = gained.max(axis=0)
        generated = np.where(np.isnan(speed), -np.inf, generated)
        with np.errstate(divide="ignore", invalid="ignore"):
            needed_s = np.where(np.isneginf(generated), np.inf, np.maximum(tokens - generated, 0.0) / speed)
        for i in np.flatnonzero((needed_s <= phase.length_s) & (elapsed_s + needed_s < best.seconds)):
            if elapsed_s + needed_s[i] < best.seconds:
                best = Course(float(elapsed_s + needed_s[i]), tuple(candidates[p] for p in paths[i]))
        if np.isfinite(phase.length_s):
            generated = generated + phase.length_s * np.nan_to_num(speed)
            elapsed_s += phase.length_s
    return best


@dataclass(frozen=True, eq=False)
class _Prices:
    """Speeds of C candidates and prices of changes, in tokens; the fields are the arguments of `best_course`."""

    observation: Observation
    ahead: Sequence[Phase]
    candidates: Sequence[IntArray]
    most_pause_s: float

    @cached_property
    def speed(self) -> FloatArray:
        """Tokens/s of each candidate in each phase, shape (phases, C); NaN: it cannot be in force."""
        return np.array(
            [[_speed(phase.world, devices) for devices in self.candidates] for phase in self.ahead]
        )

    def entry(self) -> FloatArray:
        """Tokens that are not generated because of the moves into the first phase and the prefill, shape (C,)."""
        observation, world = self.observation, self.ahead[0].world
        in_force, tokens = observation.placement, np.zeros(len(self.candidates))
        if in_force is not None:
            downs = (period.begin_s for period in observation.forecast if not period.up[in_force].all())
            time_s = next(downs, np.inf) - observation.time_s
            seconds = [_moves_s(observation, world, devices, time_s) for devices in self.candidates]
            staying = np.nan_to_num([_speed(world, in_force)])
            tokens = self._tokens(np.array([seconds]), staying, self.speed[0])[0]
        if len(observation.steps) > 1:
            prefill = replace(world, steps=(replace(observation.steps[0], count=1),))
            first_s = np.array([predict.shared_delay(prefill, devices) for devices in self.candidates])
            with np.errstate(invalid="ignore"):
                tokens += np.nan_to_num(first_s * self.speed[0], nan=np.inf)
        return tokens

    def change(self, number: int) -> FloatArray:
        """Tokens that are not generated because of a change of the candidate before a phase, shape (C, C)."""
        before, phase = self.ahead[number - 1], self.ahead[number]
        seconds = np.zeros(2 * (len(self.candidates),))
        for q, old in enumerate(self.candidates):
            world = moving_from(old, before.world)
            for p, new in enumerate(self.candidates):
                if p != q:
                    if self.observation.warm_copies and self.observation.placement is None:
                        # The first placement may ask for copies of the blocks that move.
                        moved = np.flatnonzero(new != old)
                        copies = fitting_copies(world, old, [(moved, new[moved])])
                        world = replace(world, copies=copies)
                    time_s = np.inf if phase.world.up[old].all() else before.length_s
                    seconds[q, p] = _moves_s(world, phase.world, new, time_s)
        return self._tokens(seconds, np.nan_to_num(self.speed[number - 1]), self.speed[number])

    def _tokens(self, seconds: FloatArray, old: FloatArray, new: FloatArray) -> FloatArray:
        """Tokens for `seconds` of moves; `old` and `new` are the speeds of the candidates [tokens/s]."""
        new = np.nan_to_num(new)
        if self.observation.migration == "live" and not self.observation.lost.any():
            # Decoding continues meanwhile at the old speed.
            lost = np.maximum(new[None] - old[:, None], 0.0) + SLOWED * new[None]
        else:
            seconds, lost = pause_price(seconds, self.most_pause_s), new[None]
        with np.errstate(invalid="ignore"):
            tokens: FloatArray = np.where(np.isinf(seconds), np.inf, seconds * lost)
        return tokens


def _speed(world: Observation, devices: IntArray) -> float:
    """Tokens/s of a placement in a world; NaN if it cannot be in force."""
    allowed = world.up[devices].all() and (world.overflow == "swap" or predict.fits(world, devices))
    if not allowed:
        return np.nan
    return 1.0 / max(_token_s(world, devices), _LEAST_S)


def _token_s(world: Observation, devices: IntArray) -> float:
    """Time of one decode step."""
    return predict.shared_delay(replace(world, steps=(Step(world.steps[-1].cost, 1),)), devices)


def _moves_s(world: Observation, later: Observation, devices: IntArray, time_s: float) -> float:
    """Time of the moves to a placement, or of its restoration if blocks are lost before they have moved.

    Args:
        world: in which blocks move, with the placement that they leave.
        later: in which the placement is in force.
        devices: the placement, shape (B,).
        time_s: time until a device of the placement in force goes down.
    """
    assert world.placement is not None
    moving_s = predict.migration_delay(world, devices)
    if moving_s <= time_s:
        return moving_s
    if later.up[world.placement].all():
        return np.inf
    after = moving_from(world.placement, later)
    cached = sum(one.length for one in world.batch)
    return predict.migration_delay(after, devices) + cached * _token_s(after, devices)

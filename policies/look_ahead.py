"""A policy that plans for the whole horizon by local search.

It starts from several placements, improves each by the best changes (`policies.search.local_search`), and adopts the
best of all for which decoding, moving and reading from disk are predicted to take the least time.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

import numpy as np

from headway.policies.common.layer_runs import layer_runs
from headway.policies.common.one_device import fastest_alone
from headway.policies.common.score_search import ScoreSearch
from headway.policies.search.copies import with_copies
from headway.policies.search.foresight import best_course
from headway.policies.search.local_search import LocalSearch
from headway.policies.search.phases import moving_from, phases, worst
from headway.simcore import Decision, Infeasible, IntArray, Keep, Observation, predict

_DRAFT_STEPS = 15
"""Changes that each start makes; the best of the results makes more."""


@dataclass(frozen=True)
class LookAhead:
    """Local search for the least time over the horizon, with moves, memory and shared links in view.

    Attributes:
        most_pause_s: a migration during which decoding waits longer than this is avoided where possible.
        most_steps: further changes that the best start may make.
    """

    name: ClassVar[str] = "look-ahead"
    prompt: ClassVar[bool] = True
    declares: ClassVar[Mapping[str, str]] = {
        "units": "`most_pause_s` and the costs of missing memory are numbers of seconds",
        "stable": "it searches from the placement in force, so a second search may find a better one",
        "worth-moving": "under `live` migration decoding continues, so moves cost less than the time that they take",
    }

    most_pause_s: float = 10.0
    most_steps: int = 100

    def __post_init__(self) -> None:
        if not self.most_pause_s >= 0.0 or self.most_steps < 0:
            raise ValueError("most_pause_s and most_steps must not be negative")

    def decide(self, observation: Observation) -> Decision:
        """Search from every start; keep the placement in force unless another one is predicted to be faster."""
        best = self._best(observation)
        if best is None:
            return Infeasible("no placement was found that fits")
        course = self._course(observation, best) if observation.forecast else (best,)
        in_force = observation.placement
        if in_force is not None and np.array_equal(course[0], in_force) and predict.can_stay(observation):
            return Keep()
        return with_copies(observation, course, self.most_pause_s)

    def _best(self, observation: Observation, before: Observation | None = None) -> IntArray | None:
        """The best placement if the world stays as it is, shape (B,); None if no placement was found that fits.

        `before` is the world in which blocks move, as in `PlacementCost`.
        """
        search = LocalSearch(observation, self.most_pause_s, before)
        in_force = observation.placement if before is None else before.placement
        staying = in_force if predict.can_stay(replace(observation, placement=in_force)) else None
        runs = layer_runs(observation, observation.source)
        placements = staying, ScoreSearch().place(observation), fastest_alone(observation), runs
        starts = [start for start in placements if start is not None]
        if not starts:
            return None
        drafts = [search.improved(start, _DRAFT_STEPS) for start in starts]
        draft_s = [search.cost.exact(draft) for draft in drafts]
        final = search.settled(drafts[int(np.argmin(draft_s))], self.most_steps)
        # Of equal costs the first counts, and the first start is the placement in force.
        candidates = [*starts, *drafts, final]
        seconds = [*map(search.cost.exact, starts), *draft_s, search.cost.exact(final)]
        best = int(np.argmin(seconds))
        return candidates[best] if np.isfinite(seconds[best]) or candidates[best] is staying else None

    def _course(self, observation: Observation, best: IntArray) -> tuple[IntArray, ...]:
        """The best placements along the forecast, in order of time. `best` is the best one for the present world."""
        decode = replace(observation, steps=(replace(observation.steps[-1], count=observation.interval),))
        ahead = phases(observation, predict.shared_delay(decode, best))
        candidates = [observation.placement] if predict.can_stay(observation) else []
        candidates += [best, *self._candidates(observation, best, [phase.world for phase in ahead])]
        different = {devices.tobytes(): devices for devices in candidates if devices is not None}
        course = best_course(observation, ahead, list(different.values()), self.most_pause_s)
        return course.placements if np.isfinite(course.seconds) else (best,)

    def _candidates(
        self, observation: Observation, best: IntArray, worlds: Sequence[Observation]
    ) -> Iterator[IntArray | None]:
        """Placements for future worlds: from each to the next one, one for the last and one for all, and back again."""
        last = best
        for before, world in pairwise(worlds):
            yield (following := self._best(world, moving_from(last, before)))
            last = last if following is None else following
        if len(worlds) > 1:
            for world in (worlds[-1], worst(worlds)):
                yield (target := self._best(world, observation))
                if target is not None:
                    yield self._best(worlds[0], moving_from(target, worlds[0]))

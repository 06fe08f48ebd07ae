"""A policy that plans for the whole horizon by local search.

It starts from several placements, improves each by the best changes (`policies.search.local_search`), and adopts the
best of all for which decoding, moving and reading from disk are predicted to take the least time.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from headway.policies.common.layer_runs import layer_runs
from headway.policies.common.one_device import fastest_alone
from headway.policies.common.score_search import ScoreSearch
from headway.policies.search.copies import with_copies
from headway.policies.search.local_search import LocalSearch
from headway.simcore import Decision, Infeasible, IntArray, Keep, Observation, predict

_DRAFT_STEPS = 30
"""Changes that each start makes; the best of the results makes more."""


@dataclass(frozen=True)
class LookAhead:
    """Local search for the least time over the horizon, with moves, memory and shared links in view.

    Attributes:
        most_pause_s: a migration during which decoding waits longer than this is avoided where possible.
        most_steps: further changes that the best start may make.
    """

    name: ClassVar[str] = "look-ahead"
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
        search = LocalSearch(observation, self.most_pause_s)
        staying = observation.placement if predict.can_stay(observation) else None
        starts = list(_starts(observation, staying))
        if not starts:
            return Infeasible("no placement was found that fits")
        drafts = [search.improved(start, _DRAFT_STEPS) for start in starts]
        draft_s = [search.cost.exact(draft) for draft in drafts]
        final = search.improved(drafts[int(np.argmin(draft_s))], self.most_steps)
        # Of equal costs the first counts, and the first start is the placement in force.
        candidates = [*starts, *drafts, final]
        seconds = [*map(search.cost.exact, starts), *draft_s, search.cost.exact(final)]
        best = int(np.argmin(seconds))
        if candidates[best] is staying:
            return Keep()
        if not np.isfinite(seconds[best]):
            return Infeasible("no placement was found that fits")
        return with_copies(observation, candidates[best], self.most_pause_s)


def _starts(observation: Observation, staying: IntArray | None) -> Iterator[IntArray]:
    """The placement in force, the result of the search by scores, the best device alone, and runs of layers."""
    if staying is not None:
        yield staying
    if (scored := ScoreSearch().place(observation)) is not None:
        yield scored
    if (alone := fastest_alone(observation)) is not None:
        yield alone
    if (runs := layer_runs(observation)) is not None:
        yield runs

"""What the missing runs of a campaign will take."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from analysis.campaign import parts
from analysis.campaign.identity import engine_code
from analysis.campaign.index import Index, last
from analysis.campaign.plan import Plan
from analysis.campaign.survey import State, Survey
from analysis.campaign.tables import Tables, merged
from analysis.campaign.view import View
from analysis.campaign.worker import Bundle, work
from analysis.campaign.world import packed
from analysis.output import scratch, writing

_SAMPLES = 3
_ENOUGH_S = 10.0


@dataclass(frozen=True)
class Estimate:
    """What is to be expected of missing runs.

    Attributes:
        work_s: of one worker [s].
        size_bytes: on the disk.
        basis: runs that were measured for it.
        from_store: whether those are in the store, or were made just now.
    """

    work_s: float
    size_bytes: float
    basis: int
    from_store: bool


def estimate(plan: Plan, view: View, survey: Survey) -> Estimate:
    """Measure runs that there are, or a few at even distances if there are none of some policy."""
    stored = _stored(plan, view, survey)
    if set(survey.missing) <= set(stored):
        return _of(survey, stored, view.size_bytes() / max(1, survey.stored), from_store=True)
    batches = list(_samples(plan, survey))
    walls: dict[str, list[float]] = {}
    for label, _, wall_s in batches:
        walls.setdefault(label, []).append(wall_s)
    means = {label: (sum(each) / len(each), len(each)) for label, each in walls.items()}
    return _of(survey, means, _marginal_bytes([tables for _, tables, _ in batches]), from_store=False)


def _of(
    survey: Survey, means: Mapping[str, tuple[float, int]], run_bytes: float, *, from_store: bool
) -> Estimate:
    work_s = sum(count * means[label][0] for label, count in survey.missing.items())
    size = run_bytes * survey.missing.total()
    return Estimate(work_s, size, sum(count for _, count in means.values()), from_store)


def _stored(plan: Plan, view: View, survey: Survey) -> dict[str, tuple[float, int]]:
    """Mean wall time of the campaign's runs in the store and how many there are, by label of the policy."""
    effort = view.batches("effort", ("run", "wall_s"))
    walls = Index.of(((batch["run"].to_pylist(), batch["wall_s"]) for batch in effort), np.float64, last)
    count = len(plan.policies)
    sums, runs = np.zeros(count), np.zeros(count, np.int64)
    for numbers, names in plan.batches():
        wall_s = walls.find(names, np.nan)
        found = ~np.isnan(wall_s) & (survey.states[numbers] != State.REPEATED)
        np.add.at(sums, numbers[found] % count, wall_s[found])
        np.add.at(runs, numbers[found] % count, 1)
    return {plan.choice(i).label: (sums[i] / n, n) for i, n in enumerate(runs.tolist()) if n}


def _samples(plan: Plan, survey: Survey) -> Iterator[tuple[str, Tables, float]]:
    """Label, tables and wall time of some runs: one world after another under all policies, until it is enough."""
    begun, count = time.perf_counter(), len(plan.policies)
    worlds = plan.runs // count
    chosen = {(2 * i + 1) * worlds // (2 * _SAMPLES) for i in range(_SAMPLES)}
    cases = (case for case in plan.cases() if case[0] // count in chosen)
    for number, (world, inside) in enumerate(plan.worlds(cases)):
        if number and time.perf_counter() - begun > _ENOUGH_S:
            return
        data, apart = packed(world.content, plan.fixed)
        for i, run in inside:
            bundle = Bundle(data, (plan.task(i, run, survey.tables),))
            batch = work((bundle,), apart, engine_code())
            yield plan.choice(i).label, batch.tables, batch.wall_s


def _marginal_bytes(runs: list[Tables]) -> float:
    """What one run more takes in a file of several."""
    with scratch("headway-plan-") as folder, writing(folder):
        one, all_ = (
            parts.size_bytes(parts.write_part(folder, merged(some), folder)) for some in (runs[:1], runs)
        )
    return one if len(runs) == 1 else (all_ - one) / (len(runs) - 1)

"""What the missing runs of a campaign will take."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from headway.analysis.compare import total_tokens
from headway.analysis.experiments.identity import engine_code
from headway.analysis.experiments.plan import Plan
from headway.analysis.experiments.status import CampaignStatus, State
from headway.analysis.experiments.worker import Bundle, work
from headway.analysis.experiments.world import InfeasibleWorld, packed
from headway.analysis.files.atomic import scratch, writing
from headway.analysis.store import parts
from headway.analysis.store.index import Index, last
from headway.analysis.store.tables import Tables, merged
from headway.analysis.store.view import View
from headway.simcore.engine.placement.policy_timeout import Deadline, OverdueError
from headway.simcore.results import TABLES
from headway.simcore.scenario import Request, Scenario

_SAMPLES = 3

SAMPLING_LIMIT_S = 10.0
"""Wall time after which no further world is sampled; the policies share it in the first world."""

LEAST_SAMPLE_S = 1.0
"""Wall time that every sample may take, however many policies share the limit."""

MOST_TOKENS = 1000
"""Tokens that a sample makes; longer runs are taken to go on as they began."""

_GROWING = TABLES.keys() - {"runs"}
"""Tables with more rows the more tokens there are."""


@dataclass(frozen=True)
class Estimate:
    """What is to be expected of missing runs.

    Attributes:
        work_s: of one worker [s].
        size_bytes: on the disk; None if no run ended that tells.
        basis: runs that were measured for it.
        from_store: whether those are in the store, or were made just now.
        beginnings: whether some were only begun, for `MOST_TOKENS` tokens.
        at_least: whether some did not end in the time that there was for them, so that it will take more than `work_s`.
    """

    work_s: float
    size_bytes: float | None
    basis: int
    from_store: bool
    beginnings: bool = False
    at_least: bool = False


@dataclass(frozen=True)
class _Sample:
    """A run that was made, or begun, to see what it takes.

    Attributes:
        label: of its policy.
        wall_s: what the whole run would take [s]; of one that did not end, what there was for it.
        share: of its tokens that were to be made.
        tables: that it gave; None if it did not end.
    """

    label: str
    wall_s: float
    share: float
    tables: Tables | None


def estimate(plan: Plan, view: View, status: CampaignStatus) -> Estimate:
    """Measure runs that there are, or a few at even distances if there are none of some policy."""
    stored = _stored(plan, view, status)
    if set(status.missing) <= set(stored):
        return _of(status, stored, view.size_bytes() / max(1, status.stored), from_store=True)
    samples = list(_samples(plan, status))
    walls: dict[str, list[float]] = {}
    for sample in samples:
        walls.setdefault(sample.label, []).append(sample.wall_s)
    means = {label: (sum(each) / len(each), len(each)) for label, each in walls.items()}
    ended = [sample for sample in samples if sample.tables is not None]
    return replace(
        _of(status, means, _run_bytes(ended) if ended else None, from_store=False),
        beginnings=any(sample.share < 1.0 for sample in ended),
        at_least=len(ended) < len(samples),
    )


def _of(
    status: CampaignStatus,
    means: Mapping[str, tuple[float, int]],
    run_bytes: float | None,
    *,
    from_store: bool,
) -> Estimate:
    work_s = sum(count * means[label][0] for label, count in status.missing.items())
    size = None if run_bytes is None else run_bytes * status.missing.total()
    return Estimate(work_s, size, sum(count for _, count in means.values()), from_store)


def _stored(plan: Plan, view: View, status: CampaignStatus) -> dict[str, tuple[float, int]]:
    """Mean wall time of the campaign's runs in the store and how many there are, by label of the policy."""
    effort = view.batches("effort", ("run", "wall_s"))
    walls = Index.of(((batch["run"].to_pylist(), batch["wall_s"]) for batch in effort), np.float64, last)
    count = len(plan.policies)
    sums, runs = np.zeros(count), np.zeros(count, np.int64)
    for numbers, names in plan.batches():
        wall_s = walls.find(names, np.nan)
        found = ~np.isnan(wall_s) & (status.states[numbers] != State.REPEATED)
        np.add.at(sums, numbers[found] % count, wall_s[found])
        np.add.at(runs, numbers[found] % count, 1)
    return {plan.choice(i).label: (sums[i] / n, n) for i, n in enumerate(runs.tolist()) if n}


def _samples(plan: Plan, status: CampaignStatus) -> Iterator[_Sample]:
    """Some runs: one world after another under all policies, until it is enough."""
    begun, count = time.perf_counter(), len(plan.policies)
    deadline = Deadline(max(LEAST_SAMPLE_S, SAMPLING_LIMIT_S / count))
    worlds = plan.runs // count
    chosen = {(2 * i + 1) * worlds // (2 * _SAMPLES) for i in range(_SAMPLES)}
    cases = (case for case in plan.cases() if case[0] // count in chosen)
    for number, (world, inside) in enumerate(plan.worlds(cases)):
        if number and time.perf_counter() - begun > SAMPLING_LIMIT_S:
            return
        content, share = _beginning(world.content)
        data, apart = packed(content, plan.fixed)
        for i, run in inside:
            label, bundle = plan.choice(i).label, Bundle(data, (plan.task(i, run, status.tables),))
            since = time.perf_counter()
            try:
                batch = deadline.call(partial(work, (bundle,), apart, engine_code()))
            except OverdueError:
                yield _Sample(label, time.perf_counter() - since, share, None)
            else:
                yield _Sample(label, batch.wall_s / share, share, batch.tables)


def _beginning(content: Scenario | InfeasibleWorld) -> tuple[Scenario | InfeasibleWorld, float]:
    """The world with its first `MOST_TOKENS` tokens only, and the share of all that they are."""
    if isinstance(content, InfeasibleWorld) or total_tokens(content) <= MOST_TOKENS:
        return content, 1.0
    requests: list[Request] = []
    left = MOST_TOKENS
    for request in content.requests:
        if not left:
            break
        requests.append(replace(request, output=min(request.output, left)))
        left -= requests[-1].output
    return replace(content, requests=tuple(requests)), MOST_TOKENS / total_tokens(content)


def _run_bytes(samples: list[_Sample]) -> float:
    """What a run takes on the disk: tables that grow with the tokens, and those that do not."""
    tables = [sample.tables or {} for sample in samples]
    growing, fixed = (
        [{name: table for name, table in one.items() if (name in _GROWING) == grows} for one in tables]
        for grows in (True, False)
    )
    scale = sum(1.0 / sample.share for sample in samples) / len(samples)
    return scale * _marginal_bytes(growing) + _marginal_bytes(fixed)


def _marginal_bytes(runs: list[Tables]) -> float:
    """What one run more takes in a file of several."""
    with scratch("headway-plan-") as folder, writing(folder):
        one, all_ = (
            parts.size_bytes(parts.write_part(folder, merged(some), folder)) for some in (runs[:1], runs)
        )
    return one if len(runs) == 1 else (all_ - one) / (len(runs) - 1)

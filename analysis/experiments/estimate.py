"""Estimates of the time and disk space that the missing runs of a campaign need."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from headway import policies
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
from headway.simcore import Instrument, simulate
from headway.simcore.engine.executors import executor_of
from headway.simcore.engine.placement.policy_timeout import Deadline, OverdueError
from headway.simcore.results import TABLES
from headway.simcore.scenario import Request, Scenario

_SAMPLES = 3

SAMPLING_LIMIT_S = 10.0
"""Wall time after which no further world is sampled [s]; in the first world the policies share it."""

LEAST_SAMPLE_S = 1.0
"""Wall time that each sample may take at least [s], whatever the number of policies."""

MOST_TOKENS = 1000
"""Maximum number of tokens of a sample; the times of longer runs are extrapolated."""

_GROWING = TABLES.keys() - {"runs"}
"""Tables whose size depends on the number of tokens."""


@dataclass(frozen=True)
class Estimate:
    """The expected cost of missing runs.

    Attributes:
        work_s: wall time on one worker [s].
        size_bytes: on the disk; None if no sample ended in time.
        basis: number of runs that were measured.
        from_store: whether those runs are in the store; otherwise they are samples.
        beginnings: whether some samples were cut to `MOST_TOKENS` tokens.
        at_least: whether some samples did not end in their time, so that the work takes more than `work_s`.
    """

    work_s: float
    size_bytes: float | None
    basis: int
    from_store: bool
    beginnings: bool = False
    at_least: bool = False


@dataclass(frozen=True)
class _Sample:
    """A run, or the first tokens of one, that was measured.

    Attributes:
        label: of its policy.
        wall_s: estimated time of the whole run [s]; for a sample that did not end, the time that it was given.
        share: of the run's tokens in the sample.
        tables: of the sample; None if it did not end.
    """

    label: str
    wall_s: float
    share: float
    tables: Tables | None


def estimate(plan: Plan, view: View, status: CampaignStatus) -> Estimate:
    """Estimate from the runs in the store, or from a few samples if a policy has no runs there."""
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
    """Mean wall time and number of the campaign's runs in the store, by label of the policy."""
    effort = view.batches("effort", ("run", "wall_s"))
    walls = Index.of(((batch["run"].to_pylist(), batch["wall_s"]) for batch in effort), np.float64, last)
    count = len(plan.policies)
    sums, runs = np.zeros(count), np.zeros(count, np.int64)
    for numbers, names in plan.batches():
        wall_s = walls.find(names, np.nan)
        stored = ~np.isnan(wall_s) & (status.states[numbers] != State.REPEATED)
        np.add.at(sums, numbers[stored] % count, wall_s[stored])
        np.add.at(runs, numbers[stored] % count, 1)
    return {plan.choice(i).label: (sums[i] / n, n) for i, n in enumerate(runs.tolist()) if n}


def _samples(plan: Plan, status: CampaignStatus) -> Iterator[_Sample]:
    """Measure worlds at even distances under all policies, until the time is used up."""
    count = len(plan.policies)
    deadline = Deadline(max(LEAST_SAMPLE_S, SAMPLING_LIMIT_S / count))
    worlds = plan.runs // count
    chosen = {(2 * i + 1) * worlds // (2 * _SAMPLES) for i in range(_SAMPLES)}
    cases = (case for case in plan.cases() if case[0] // count in chosen)
    begun: float | None = None
    for world, members in plan.worlds(cases):
        if begun is None:
            _load_kernels(world.content)
            begun = time.perf_counter()
        elif time.perf_counter() - begun > SAMPLING_LIMIT_S:
            return
        content, share = _shortened(world.content)
        data, apart = packed(content, plan.fixed)
        for i, run in members:
            label, bundle = plan.choice(i).label, Bundle(data, (plan.task(i, run, status.tables),))
            since = time.perf_counter()
            try:
                batch = deadline.call(partial(work, (bundle,), apart, engine_code()))
            except OverdueError:
                yield _Sample(label, time.perf_counter() - since, share, None)
            else:
                yield _Sample(label, batch.wall_s / share, share, batch.tables)


def _load_kernels(world: Scenario | InfeasibleWorld) -> None:
    """Make a short run, if kernels make the runs: the first one of a machine compiles them, which no sample should."""
    if isinstance(world, Scenario) and executor_of(world, Instrument()) == "compiled":
        simulate(replace(world, requests=(Request(prompt=1, output=2),)), policies.create("static"))


def _shortened(content: Scenario | InfeasibleWorld) -> tuple[Scenario | InfeasibleWorld, float]:
    """A world with the first `MOST_TOKENS` tokens of its workload, and their share of all tokens."""
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
    """Size of a run on the disk; the tables that grow with the number of tokens are scaled up."""
    tables = [sample.tables or {} for sample in samples]
    growing, fixed = (
        [{name: table for name, table in one.items() if (name in _GROWING) == grows} for one in tables]
        for grows in (True, False)
    )
    scale = sum(1.0 / sample.share for sample in samples) / len(samples)
    return scale * _marginal_bytes(growing) + _marginal_bytes(fixed)


def _marginal_bytes(runs: list[Tables]) -> float:
    """The size that one more run adds to a part."""
    with scratch("headway-plan-") as folder, writing(folder):
        one, all_ = (
            parts.size_bytes(parts.write_part(folder, merged(some), folder)) for some in (runs[:1], runs)
        )
    return one if len(runs) == 1 else (all_ - one) / (len(runs) - 1)

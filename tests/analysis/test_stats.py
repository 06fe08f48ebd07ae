"""Intervals, tests and effect sizes against what is known of them."""

import math
from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, wilcoxon

from headway.analysis.statistics import (
    bootstrap,
    compare_pairs,
    holm,
    paired_difference,
    paired_ratio,
    percentile_over_runs,
    replications_needed,
)

samples = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)


@pytest.mark.parametrize(("statistic", "expected"), [("mean", 4.0), ("median", 2.0)])
def test_the_value_is_the_statistic_of_the_sample(statistic: str, expected: float) -> None:
    found = bootstrap([1.0, 2.0, 9.0], statistic)  # type: ignore[arg-type]
    assert (found.value, found.count) == (expected, 3)


def test_a_constant_sample_has_an_interval_of_no_width() -> None:
    found = bootstrap([3.0] * 20)
    assert (found.value, found.low, found.high) == (3.0, 3.0, 3.0)


def test_the_interval_of_a_mean_is_that_of_the_normal_law_for_a_large_sample() -> None:
    """Mean +- 1.96 standard errors, by the central limit theorem."""
    sample = np.random.default_rng(1).normal(5.0, 2.0, 2000)
    found = bootstrap(sample, "mean")
    half = 1.96 * sample.std() / np.sqrt(sample.size)
    assert found.low == pytest.approx(sample.mean() - half, abs=0.1 * half)
    assert found.high == pytest.approx(sample.mean() + half, abs=0.1 * half)


def test_the_interval_of_a_median_is_that_of_order_statistics() -> None:
    """Of n values the median lies between those of rank n/2 -+ 1.96 sqrt(n)/2 with 95 % confidence."""
    sample = np.sort(np.random.default_rng(2).lognormal(0.0, 1.0, 401))
    found = bootstrap(sample)
    rank = [int(200 - 0.98 * np.sqrt(401)), int(200 + 0.98 * np.sqrt(401))]
    assert sample[rank[0] - 4] <= found.low <= sample[rank[0] + 4]
    assert sample[rank[1] - 4] <= found.high <= sample[rank[1] + 4]


def share(hits: list[bool]) -> float:
    return sum(hits) / len(hits)


def mean_coverage(worlds: int, samples: int) -> float:
    """How often the interval of a mean of normal values holds the truth."""
    drawn = np.random.default_rng(worlds).normal(5.0, 2.0, (samples, worlds))
    found = [bootstrap(sample, "mean", seed=i) for i, sample in enumerate(drawn)]
    return share([interval.low <= 5.0 <= interval.high for interval in found])


def median_coverage(worlds: int, samples: int) -> float:
    """The same for a median."""
    drawn = np.random.default_rng(worlds).lognormal(0.0, 1.0, (samples, worlds))
    found = [bootstrap(sample, seed=i) for i, sample in enumerate(drawn)]
    return share([interval.low <= 1.0 <= interval.high for interval in found])


def latencies(rng: np.random.Generator, runs: int, tokens: int) -> npt.NDArray[np.float64]:
    """Log-normal latencies whose worlds differ by 20 % and whose tokens differ by 40 %, shape (runs, tokens)."""
    worlds, within = rng.normal(0.0, 0.2, (runs, 1)), rng.normal(0.0, 0.4, (runs, tokens))
    return np.exp(worlds + within)


def percentile_coverage(percent: float, runs: int, samples: int) -> float:
    """How often the interval of a percentile over tokens holds that of all tokens of all worlds."""
    truth = math.exp(norm.ppf(percent / 100) * math.hypot(0.2, 0.4))
    rng = np.random.default_rng(runs)
    found = [percentile_over_runs(list(latencies(rng, runs, 200)), percent) for _ in range(samples)]
    return share([interval.low <= truth <= interval.high for interval in found])


def near(nominal: float, samples: int, slack: float = 0.0) -> tuple[float, float]:
    """Three standard deviations of a share of so many samples to either side."""
    error = 3.0 * math.sqrt(nominal * (1.0 - nominal) / samples)
    return nominal - error - slack, nominal + error + slack


@pytest.mark.parametrize("coverage", [mean_coverage, median_coverage])
def test_about_19_of_20_intervals_hold_the_truth(coverage: object) -> None:
    assert callable(coverage)
    low, high = near(0.95, 200)
    assert low <= coverage(20, 200) <= high


@pytest.mark.parametrize("percent", [50, 95])
def test_about_19_of_20_intervals_of_a_percentile_over_tokens_hold_the_truth(percent: int) -> None:
    low, high = near(0.95, 200)
    assert low <= percentile_coverage(percent, 20, 200) <= high


@pytest.mark.slow
@pytest.mark.parametrize("worlds", [6, 10, 20, 50])
def test_intervals_of_means_cover_at_their_nominal_rate(worlds: int) -> None:
    """2,000 samples: what is left between 95 % and the share is at most 1 % and chance."""
    low, high = near(0.95, 2000, slack=0.01)
    assert low <= mean_coverage(worlds, 2000) <= high


@pytest.mark.slow
@pytest.mark.parametrize("worlds", [6, 10, 20, 50])
def test_intervals_of_medians_cover_at_their_nominal_rate(worlds: int) -> None:
    """Order statistics are few in a small sample, so the rate cannot be met exactly."""
    low, high = near(0.95, 1000, slack=0.02)
    assert low <= median_coverage(worlds, 1000) <= high


@pytest.mark.slow
@pytest.mark.parametrize(("percent", "slack"), [(50, 0.01), (95, 0.015), (99, 0.04)])
@pytest.mark.parametrize("runs", [10, 20, 40])
def test_intervals_of_percentiles_over_tokens_cover_at_their_nominal_rate(
    percent: float, slack: float, runs: int
) -> None:
    """The further out the percentile, the fewer worlds hold the tokens beyond it."""
    low, high = near(0.95, 1000, slack=slack)
    assert low <= percentile_coverage(percent, runs, 1000) <= high


def test_tokens_taken_for_independent_would_promise_too_much() -> None:
    """The reason for all this: as if each token were a run of its own, most intervals miss."""
    rng, hits = np.random.default_rng(5), []
    truth = math.exp(norm.ppf(0.95) * math.hypot(0.2, 0.4))
    for _ in range(50):
        tokens = latencies(rng, 10, 200).reshape(-1, 1)
        found = percentile_over_runs(list(tokens), 95)
        hits.append(found.low <= truth <= found.high)
    assert share(hits) < 0.75


def test_a_percentile_over_runs_is_that_of_all_tokens_and_one_run_says_nothing_of_others() -> None:
    tokens = np.random.default_rng(6).exponential(1.0, (4, 31))
    found = percentile_over_runs(list(tokens), 95)
    assert found.value == np.quantile(tokens, 0.95)
    assert found.low < found.value < found.high
    assert found.count == 4
    alone = percentile_over_runs([tokens[0]], 95)
    assert alone.low == alone.value == alone.high


@given(st.lists(st.lists(st.floats(0.0, 1e3), max_size=8), min_size=1, max_size=8), st.floats(0.0, 100.0))
@settings(max_examples=50)
def test_a_percentile_lies_within_its_interval_and_that_within_the_tokens(
    runs: list[list[float]], percent: float
) -> None:
    values = [value for run in runs for value in run]
    if not values:
        with pytest.raises(ValueError, match="at least one"):
            percentile_over_runs(runs, percent)
        return
    found = percentile_over_runs(runs, percent)
    assert min(values) <= found.low <= found.value <= found.high <= max(values)
    turned = percentile_over_runs([run for run in runs if run][::-1], percent)
    assert (turned.value, turned.count) == (found.value, found.count)
    assert (turned.low, turned.high) == pytest.approx((found.low, found.high), abs=1e-9)


def test_runs_that_are_all_alike_have_a_percentile_of_no_width() -> None:
    tokens = np.arange(50.0)
    found = percentile_over_runs([tokens] * 5, 95)
    assert found.low == pytest.approx(found.high)


@given(samples, st.sampled_from(["mean", "median"]))
@settings(max_examples=25)
def test_an_interval_lies_within_the_sample_and_repeats(sample: list[float], statistic: str) -> None:
    found = bootstrap(sample, statistic)  # type: ignore[arg-type]
    rounding = 1e-9 * max(map(abs, sample))
    assert min(sample) - rounding <= found.low <= found.high <= max(sample) + rounding
    assert found == bootstrap(sample, statistic)  # type: ignore[arg-type]


def test_what_worlds_have_in_common_cancels_in_pairs() -> None:
    rng = np.random.default_rng(4)
    world = rng.lognormal(0.0, 2.0, 50)
    faster = world * rng.uniform(0.79, 0.81, 50)
    ratio = paired_ratio(faster, world)
    assert 0.79 <= ratio.low <= ratio.high <= 0.81
    assert paired_difference(world, world, "mean").high == 0.0
    assert paired_difference(world, faster).low > 0.0


@pytest.mark.parametrize("sample", [[], [1.0, np.nan], [np.inf], [[1.0]]])
def test_what_is_missing_is_refused(sample: object) -> None:
    with pytest.raises(ValueError, match="finite"):
        bootstrap(sample)  # type: ignore[arg-type]


def test_pairs_must_be_pairs_and_divisors_positive() -> None:
    with pytest.raises(ValueError, match="shapes"):
        paired_ratio([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="above 0"):
        paired_ratio([1.0], [0.0])


def test_paired_intervals_are_far_narrower_than_unpaired_ones_on_shared_seeds() -> None:
    """Var(a - b) loses twice the covariance; two samples of different worlds keep the spread of both."""
    rng = np.random.default_rng(7)
    world, noise = rng.lognormal(0.0, 0.5, 30), rng.normal(0.0, 0.02, (2, 30))
    first, second = 1.1 * world + noise[0], world + noise[1]
    paired = paired_difference(first, second, "mean")
    unpaired = paired_difference(first, rng.permutation(second), "mean")
    assert paired.high - paired.low < 0.25 * (unpaired.high - unpaired.low)
    assert paired.low > 0.0 > unpaired.low


def test_the_signed_rank_test_is_that_of_scipy_where_that_is_exact() -> None:
    rng = np.random.default_rng(8)
    for count in (5, 9, 24):
        a, b = rng.normal(0.3, 1.0, (2, count))
        assert compare_pairs(a, b).p_value == pytest.approx(wilcoxon(a - b, method="exact").pvalue)
    a, b = rng.normal(0.1, 1.0, (2, 150))
    assert compare_pairs(a, b).p_value == pytest.approx(wilcoxon(a - b, method="approx").pvalue)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=9))
@settings(max_examples=30)
def test_the_signed_rank_test_counts_all_signs_where_differences_tie(changes: list[int]) -> None:
    """By its definition: of all 2^n ways to give signs, the share whose positive ranks sum as far from the middle."""
    found = compare_pairs(np.array(changes, dtype=float), np.zeros(len(changes)))
    sizes = np.abs([change for change in changes if change])
    ranks = [(sizes < size).sum() + ((sizes == size).sum() + 1) / 2 for size in sizes]
    positive = sum(rank for rank, change in zip(ranks, filter(None, changes), strict=True) if change > 0)
    middle = sum(ranks) / 2
    sums = [
        sum(r for r, up in zip(ranks, signs, strict=True) if up)
        for signs in product((0, 1), repeat=len(ranks))
    ]
    as_far = share([abs(total - middle) >= abs(positive - middle) - 1e-9 for total in sums])
    assert found.p_value == pytest.approx(as_far)


def test_five_pairs_never_tell_a_difference_and_six_can() -> None:
    assert compare_pairs(np.arange(1.0, 6.0), np.zeros(5)).p_value == pytest.approx(2 / 2**5)
    assert compare_pairs(np.arange(1.0, 7.0), np.zeros(6)).p_value == pytest.approx(2 / 2**6)


def test_the_effect_is_one_if_all_worlds_agree_and_nought_if_they_balance() -> None:
    world = np.array([1.0, 2.0, 3.0, 4.0])
    assert compare_pairs(world + 1.0, world).effect == 1.0
    assert compare_pairs(world - [1.0, 2.0, 3.0, 4.0], world).effect == -1.0
    assert compare_pairs(world + np.array([1.0, -1.0, 2.0, -2.0]), world).effect == 0.0
    # Ranks 1 + 2 + 3 against 4, of 10.
    assert compare_pairs([1.0, 2.0, 3.0, -4.0], np.zeros(4)).effect == pytest.approx(0.2)


def test_equal_samples_and_single_pairs_tell_nothing() -> None:
    same = compare_pairs([1.0, 2.0], [1.0, 2.0])
    assert (same.difference.low, same.difference.high, same.p_value, same.effect) == (0.0, 0.0, 1.0, 0.0)
    single = compare_pairs([2.0], [1.0])
    assert (single.difference.low, single.difference.high, single.p_value) == (1.0, 1.0, 1.0)


def test_holms_steps_by_hand() -> None:
    """0.005 x 4, 0.01 x 3, 0.03 x 2, then 0.04 x 1, which may not fall below 0.06."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]).shape == (0,)
    with pytest.raises(ValueError, match="from 0 to 1"):
        holm([math.nan])


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12))
def test_holm_lies_between_no_correction_and_bonferronis(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert (adjusted >= np.array(p_values)).all()
    assert (adjusted <= np.minimum(len(p_values) * np.array(p_values), 1.0) + 1e-15).all()
    assert holm(p_values[::-1]) == pytest.approx(adjusted[::-1])


def test_the_replications_needed_are_the_least_that_reach_the_half_width() -> None:
    """Spread 1: Student's 2.064 / sqrt(25) = 0.413 and 2.060 / sqrt(26) = 0.404, from printed tables."""
    sample = [-1.0, 0.0, 1.0]
    assert replications_needed(sample, 0.412) == 26
    assert replications_needed(sample, 0.414) == 25
    assert replications_needed(sample, 100.0) == 2
    assert replications_needed([3.0, 3.0], 1e-9) == 2


def test_half_the_width_takes_about_four_times_the_worlds() -> None:
    sample = np.random.default_rng(9).normal(0.0, 1.0, 50)
    few, many = replications_needed(sample, 0.1), replications_needed(sample, 0.05)
    assert 3.9 < many / few < 4.1


@pytest.mark.parametrize(
    ("sample", "half_width"),
    [([1.0], 1.0), ([1.0, math.nan], 1.0), ([1.0, 2.0], 0.0), ([1.0, 2.0], math.nan)],
)
def test_replications_cannot_be_told_from_one_world_or_for_no_width(
    sample: list[float], half_width: float
) -> None:
    with pytest.raises(ValueError, match="needs"):
        replications_needed(sample, half_width)

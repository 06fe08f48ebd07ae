"""Intervals and comparisons against their known properties."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from headway.analysis.statistics import (
    Interval,
    compare,
    compare_logs,
    mean_interval,
    median_interval,
    percentile_over_runs,
    worlds_needed,
)

samples = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)


@pytest.mark.parametrize(("interval", "expected"), [(mean_interval, 4.0), (median_interval, 2.0)])
def test_the_value_is_the_statistic_of_the_sample(
    interval: Callable[[list[float]], Interval], expected: float
) -> None:
    found = interval([1.0, 2.0, 9.0])
    assert (found.value, found.count) == (expected, 3)


@pytest.mark.parametrize("interval", [mean_interval, median_interval])
def test_a_constant_sample_has_an_interval_of_no_width(interval: Callable[[list[float]], Interval]) -> None:
    found = interval([0.1] * 20)
    assert (found.value, found.low, found.high) == (0.1, 0.1, 0.1)


def test_the_interval_of_a_mean_is_students() -> None:
    """Mean 2, standard error 1 / sqrt(3); 4.303 and, for two intervals together, 6.205 from printed tables."""
    found, two = mean_interval([1.0, 2.0, 3.0]), mean_interval([1.0, 2.0, 3.0], 2)
    assert (found.low, found.high) == pytest.approx((2 - 4.303 / 3**0.5, 2 + 4.303 / 3**0.5), abs=1e-3)
    assert (two.low, two.high) == pytest.approx((2 - 6.205 / 3**0.5, 2 + 6.205 / 3**0.5), abs=1e-3)


def test_the_interval_of_a_median_is_that_of_order_statistics() -> None:
    """Of n values the median lies between those of rank n/2 -+ 1.96 sqrt(n)/2 with 95 % confidence."""
    sample = np.sort(np.random.default_rng(2).lognormal(0.0, 1.0, 401))
    found = median_interval(sample)
    rank = [int(200 - 0.98 * np.sqrt(401)), int(200 + 0.98 * np.sqrt(401))]
    assert sample[rank[0] - 4] <= found.low <= sample[rank[0] + 4]
    assert sample[rank[1] - 4] <= found.high <= sample[rank[1] + 4]


def share(hits: list[bool]) -> float:
    return sum(hits) / len(hits)


def mean_coverage(worlds: int, samples: int) -> float:
    """How often the interval of a mean of normal values holds the truth."""
    drawn = np.random.default_rng(worlds).normal(5.0, 2.0, (samples, worlds))
    found = [mean_interval(sample) for sample in drawn]
    return share([interval.low <= 5.0 <= interval.high for interval in found])


def median_coverage(worlds: int, samples: int) -> float:
    """The same for a median."""
    drawn = np.random.default_rng(worlds).lognormal(0.0, 1.0, (samples, worlds))
    found = [median_interval(sample, seed=i) for i, sample in enumerate(drawn)]
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


@given(samples)
@settings(max_examples=25)
def test_the_interval_of_a_median_lies_within_the_sample_and_repeats(sample: list[float]) -> None:
    found = median_interval(sample)
    rounding = 1e-9 * max(map(abs, sample))
    assert min(sample) - rounding <= found.low <= found.high <= max(sample) + rounding
    assert found == median_interval(sample)


@pytest.mark.parametrize("sample", [[], [1.0, np.nan], [np.inf], [[1.0]]])
@pytest.mark.parametrize("interval", [mean_interval, median_interval])
def test_samples_with_missing_values_are_refused(
    sample: list[float], interval: Callable[[list[float]], Interval]
) -> None:
    with pytest.raises(ValueError, match="finite"):
        interval(sample)


def test_half_the_width_takes_about_four_times_the_worlds() -> None:
    sample = np.random.default_rng(9).normal(0.0, 1.0, 50)
    few, many = worlds_needed(sample, 0.1), worlds_needed(sample, 0.05)
    assert 3.9 < many / few < 4.1


@pytest.mark.parametrize("comparisons", [1, 30])
@pytest.mark.parametrize("half_width", [0.2, 0.5, 1.0])
def test_with_the_worlds_needed_the_interval_has_about_the_half_width(
    comparisons: int, half_width: float
) -> None:
    count = worlds_needed([-1.0, 0.0, 1.0], half_width, comparisons)
    sample = np.linspace(-1.0, 1.0, count)
    found = mean_interval(sample / sample.std(ddof=1), comparisons)
    assert found.high - found.low == pytest.approx(2.0 * half_width, rel=0.15)


@pytest.mark.parametrize(
    ("sample", "half_width"),
    [([1.0], 1.0), ([1.0, math.nan], 1.0), ([1.0, 2.0], 0.0), ([1.0, 2.0], math.nan)],
)
def test_the_worlds_needed_are_unknown_from_one_world_or_for_no_width(
    sample: list[float], half_width: float
) -> None:
    with pytest.raises(ValueError, match="needs"):
        worlds_needed(sample, half_width)


# Comparisons


VARIANTS, METRICS = 4, 7
"""Of the studies that are simulated below; each metric of each variant is compared with the base."""


def wrong_studies(worlds: int, noise: Callable[..., npt.NDArray[np.float64]], studies: int = 200) -> float:
    """The share of studies of equal variants in which any comparison says that one is higher or lower."""
    rng = np.random.default_rng(worlds)
    wrong = 0
    for _ in range(studies):
        world = rng.normal(0.0, 0.5, (METRICS, worlds))
        base, *variants = np.exp(world + noise(rng, (VARIANTS + 1, METRICS, worlds)))
        verdicts = {
            compare(first, second, comparisons=VARIANTS * METRICS).verdict
            for variant in variants
            for first, second in zip(base, variant, strict=True)
        }
        wrong += not verdicts <= {"same", "unsure"}
    return wrong / studies


@pytest.mark.parametrize("worlds", [4, 5, 10])
@pytest.mark.parametrize("law", ["normal", "heavy", "skewed"])
def test_a_study_of_equal_variants_has_a_false_verdict_in_one_of_twenty(worlds: int, law: str) -> None:
    """Whatever the noise: normal, with extreme values, or skewed."""
    draw: dict[str, Callable[..., npt.NDArray[np.float64]]] = {
        "normal": lambda rng, shape: rng.normal(0.0, 0.05, shape),
        "heavy": lambda rng, shape: 0.02 * rng.standard_t(2, shape),
        "skewed": lambda rng, shape: rng.exponential(0.1, shape),
    }
    _, most = near(0.05, 200)
    assert wrong_studies(worlds, draw[law]) <= most


def test_a_fifth_more_is_found_with_five_worlds() -> None:
    """Worlds differ by a factor of two and runs by 2 %; 28 comparisons."""
    rng, hits = np.random.default_rng(1), []
    for _ in range(50):
        world = rng.normal(0.0, 0.7, 5)
        base, slower = (
            np.exp(world + rng.normal(0.0, 0.02, 5)),
            1.2 * np.exp(world + rng.normal(0.0, 0.02, 5)),
        )
        hits.append(compare(base, slower, comparisons=28).verdict == "higher")
    assert share(hits) > 0.9


pairs = st.lists(st.tuples(st.floats(0.1, 100.0), st.floats(0.1, 100.0)), min_size=1, max_size=8)
OPPOSITE = {"lower": "higher", "higher": "lower", "same": "same", "unsure": "unsure"}


@given(pairs, st.integers(1, 30), st.floats(0.0, 0.5))
def test_a_comparison_turned_round_has_the_opposite_verdict(
    worlds: list[tuple[float, float]], comparisons: int, smallest: float
) -> None:
    first, second = map(np.array, zip(*worlds, strict=True))
    one = compare(first, second, comparisons=comparisons, smallest=smallest)
    other = compare(second, first, comparisons=comparisons, smallest=smallest)
    assert other.verdict == OPPOSITE[one.verdict]
    assert (1.0 + other.change.value) * (1.0 + one.change.value) == pytest.approx(1.0)


@given(pairs, st.floats(1e-3, 1e3))
def test_a_comparison_does_not_depend_on_the_unit(worlds: list[tuple[float, float]], factor: float) -> None:
    first, second = map(np.array, zip(*worlds, strict=True))
    one, other = compare(first, second), compare(factor * first, factor * second)
    assert other.change.value == pytest.approx(one.change.value, abs=1e-9)


@given(pairs, st.integers(1, 30), st.floats(0.0, 0.5))
def test_verdicts_follow_from_the_interval_and_the_smallest_difference(
    worlds: list[tuple[float, float]], comparisons: int, smallest: float
) -> None:
    first, second = map(np.array, zip(*worlds, strict=True))
    found = compare(first, second, comparisons=comparisons, smallest=smallest)
    if found.verdict == "higher":
        assert found.change.low > 0.0
        assert found.change.value >= smallest * (1.0 - 1e-9)
    if found.verdict == "same":
        assert -smallest - 1e-9 <= found.change.low <= found.change.high <= smallest + 1e-9
    if found.needed is not None:
        assert found.verdict == "unsure"
        assert found.needed > len(first)


@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        ([1.2, 2.4, 3.6], "higher"),
        ([0.8, 1.6, 2.4], "lower"),
        ([1.005, 2.01, 3.015], "same"),
        ([1.0, 2.0, 3.0], "same"),
        ([1.0 + 1e-14, 2.0 + 1e-14, 3.0 + 1e-14], "same"),
        ([0.5, 2.0, 4.5], "unsure"),
        ([0.0, 2.0, 3.0], "unsure"),
    ],
)
def test_verdicts_of_three_worlds(after: list[float], verdict: str) -> None:
    assert compare([1.0, 2.0, 3.0], after).verdict == verdict


def test_a_sure_but_small_difference_is_the_same() -> None:
    """0.9 % in all worlds: surely more than 0, and less than anybody asked for."""
    base = np.array([1.0, 2.0, 3.0, 4.0])
    assert compare(base, 1.009 * base).verdict == "same"
    assert compare(base, 1.009 * base, smallest=0.005).verdict == "higher"


def test_counts_that_can_be_zero_are_compared_by_difference() -> None:
    found = compare([0.0, 0.0, 0.0], [7.0, 7.0, 7.0])
    assert (found.relative, found.change.value, found.verdict) == (False, 7.0, "higher")
    assert compare([0.0, 0.0], [0.0, 0.0]).verdict == "same"


def test_one_world_is_sure_only_if_it_is_all_there_is() -> None:
    assert compare([1.0], [2.0]).verdict == "unsure"
    assert compare([1.0], [2.0], exact=True).verdict == "higher"
    assert compare([1.0], [1.005], exact=True).verdict == "same"


def test_pairs_cancel_the_common_effect_of_a_world() -> None:
    """Var(a - b) loses twice the covariance; pairs of different worlds keep the spread of both."""
    rng = np.random.default_rng(7)
    world = rng.lognormal(0.0, 0.5, 30)
    slower = 1.1 * world * rng.uniform(0.99, 1.01, 30)
    paired, unpaired = compare(world, slower), compare(rng.permutation(world), slower)
    assert paired.change.high - paired.change.low < 0.1 * (unpaired.change.high - unpaired.change.low)
    assert (paired.verdict, unpaired.verdict) == ("higher", "unsure")
    assert unpaired.needed is not None


def test_pairs_must_be_pairs_and_extremes_do_not_overflow() -> None:
    with pytest.raises(ValueError, match="shapes"):
        compare([1.0, 2.0], [1.0])
    assert compare_logs([-700.0, 700.0]).change.high == math.inf

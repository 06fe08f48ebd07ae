"""Bootstrap intervals against what is known of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.stats import bootstrap, paired_difference, paired_ratio

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


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_about_19_of_20_intervals_hold_the_truth(statistic: str) -> None:
    """200 samples of 40 normal values around 0; a percentile interval covers a little less than it says."""
    samples = np.random.default_rng(3).standard_normal((200, 40))
    found = [bootstrap(sample, statistic, seed=i) for i, sample in enumerate(samples)]  # type: ignore[arg-type]
    covered = sum(interval.low <= 0.0 <= interval.high for interval in found)
    # 0.95 +- three standard deviations of a share of 200.
    assert 0.90 <= covered / 200 <= 0.997


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

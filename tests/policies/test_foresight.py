"""Laws of planning along a forecast: the best sequence of candidate placements, and what `look-ahead` makes of it."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import clusters, observe, scenarios, varied

from headway import policies
from headway.analysis.statistics.metrics import metrics
from headway.policies.search.foresight import best_course
from headway.policies.search.phases import Phase, phases
from headway.simcore import (
    ForecastOptions,
    IntArray,
    Observation,
    Period,
    Scenario,
    Step,
    load_scenario,
    predict,
    shipped_scenario,
    simulate,
)

SEEDS = st.integers(0, 2**32 - 1)
WORLDS = scenarios(cluster=clusters(most=3))


def slower(observation: Observation, random: np.random.Generator) -> Observation:
    """The same world with other shares of devices that are free."""
    return replace(observation, availability=random.uniform(0.1, 1.0, observation.devices))


def token_s(world: Observation, devices: IntArray, steps: tuple[Step, ...]) -> float:
    return predict.shared_delay(replace(world, steps=steps), devices)


@given(scenario=WORLDS, seed=SEEDS, placed=st.booleans())
@settings(max_examples=40)
def test_the_best_course_is_the_best_of_all_sequences(scenario: Scenario, seed: int, placed: bool) -> None:
    """Against all sequences, each followed phase by phase in a world whose devices stay up."""
    random = np.random.default_rng(seed)
    blocks, devices = len(scenario.block_table), len(scenario.cluster.devices)
    in_force = random.integers(0, devices, blocks) if placed else None
    now = replace(observe(scenario, in_force, interval=4), warm_copies=False)
    decode = (Step(now.steps[-1].cost, 1),)
    candidates = [random.integers(0, devices, blocks) for _ in range(3)]
    typical_s = token_s(now, candidates[0], decode)
    lengths = [*random.uniform(0.5, 2.0, 2) * typical_s, np.inf]
    ahead = [Phase(length, slower(now, random)) for length in lengths]

    def seconds(sequence: tuple[int, ...]) -> float:
        generated, elapsed_s, tokens = 0.0, 0.0, now.steps[-1].count
        for number, (phase, i) in enumerate(zip(ahead, sequence, strict=True)):
            one_s = token_s(phase.world, candidates[i], decode)
            if number:
                world = replace(
                    ahead[number - 1].world,
                    placement=candidates[sequence[number - 1]],
                    lost=np.zeros(blocks, dtype=np.bool_),
                    moving_bytes=now.memory_bytes,
                )
            else:
                world = now
                if len(now.steps) > 1:
                    generated -= token_s(phase.world, candidates[i], now.steps[:1]) / one_s
            generated -= predict.migration_delay(world, candidates[i]) / one_s
            if elapsed_s + (tokens - generated) * one_s <= elapsed_s + phase.length_s:
                return elapsed_s + max(tokens - generated, 0.0) * one_s
            generated += phase.length_s / one_s
            elapsed_s += phase.length_s
        raise AssertionError("the last phase never ends")

    least_s = min(seconds(sequence) for sequence in product(range(3), repeat=3))
    course = best_course(now, ahead, candidates, most_pause_s=np.inf)
    assert course.seconds == pytest.approx(least_s, rel=1e-9)


def period(observation: Observation, begin_s: float, **changes: object) -> Period:
    fields = ("available_bytes", "availability", "rate", "crossings", "up")
    same = {field: getattr(observation, field) for field in fields}
    return Period(begin_s=begin_s, end_s=begin_s + 1.0, **(same | changes))


@given(scenario=WORLDS, first_s=st.floats(0.0, 5.0), at=st.integers(1, 9))
@settings(max_examples=30)
def test_phases_cover_the_forecast_and_split_where_memory_changes(
    scenario: Scenario, first_s: float, at: int
) -> None:
    """The first phase reaches until the next decision, has the least memory of its periods, and the last never ends."""
    now = observe(scenario)
    less = now.available_bytes / 2
    begins = [now.time_s + number for number in range(10)]
    periods = [
        period(now, begin_s) if number < at else period(now, begin_s, available_bytes=less)
        for number, begin_s in enumerate(begins)
    ]
    found = phases(replace(now, forecast=tuple(periods)), first_s)
    first = max(1, int(np.ceil(first_s)))
    assert found[-1].length_s == np.inf
    assert len(found) == (2 if at <= first else 3)
    if len(found) > 1:
        assert found[0].length_s == first
    assert (found[0].world.available_bytes == (now.available_bytes if at >= first else less)).all()
    assert (found[-1].world.available_bytes == less).all()


def test_with_an_oracle_of_outages_nothing_is_lost() -> None:
    """In `phone-leaves` the phone goes down after 10 s; knowing this is worth more than 40 % of the tokens/s."""
    world = load_scenario(shipped_scenario("phone-leaves"))
    oracle = varied(world, forecast=ForecastOptions(outages="oracle"))
    result = simulate(oracle, policies.create("look-ahead"))
    known = metrics(result).iloc[0]
    unknown = metrics(simulate(world, policies.create("look-ahead"))).iloc[0]
    assert known.tokens_per_s >= 9.5
    assert not result.faults.lost_blocks.any()
    assert known.tpot_max_s < 1.0 < unknown.tpot_max_s


def test_a_forecast_that_nothing_changes_changes_no_decision() -> None:
    world = load_scenario(shipped_scenario("wifi-cell"))
    last = varied(world, forecast=ForecastOptions(memory="last"))
    one, other = (simulate(scenario, policies.create("look-ahead")) for scenario in (world, last))
    assert one.tokens.latency_s.tolist() == other.tokens.latency_s.tolist()

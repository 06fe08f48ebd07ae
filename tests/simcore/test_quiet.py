"""Laws of steps between decisions: fixed policies, and the steps for which the controller promises quiet."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import Shuffled, eventful, small_world, varied

from headway.simcore import Decision, Keep, Observation, RunOptions, Scenario, simulate
from headway.simcore.arrays import FloatArray
from headway.simcore.engine.placement.controller import Controller
from headway.simcore.engine.placement.triggers import OverflowWatch, Trigger
from headway.simcore.world.batch import Batch
from headway.traces import Trace

AUDITED = RunOptions(audit=True)


class Kept:
    """Places all blocks at random once, and keeps them when it is asked again."""

    name = "kept"

    def __init__(self, seed: int, *, fixed: bool) -> None:
        self.fixed = fixed
        self._first = Shuffled(seed)

    def decide(self, observation: Observation) -> Decision:
        return self._first.decide(observation) if observation.placement is None else Keep()


@given(scenario=eventful(faults=True), interval=st.integers(1, 4), seed=st.integers(0, 99))
@settings(max_examples=40)
def test_a_fixed_policy_is_asked_once_and_its_run_is_the_same(
    scenario: Scenario, interval: int, seed: int
) -> None:
    """Only the loss of a device asks it again."""
    scenario = varied(scenario, interval=interval, decision_time="free")
    fixed, asked = (simulate(scenario, Kept(seed, fixed=one), AUDITED) for one in (True, False))
    for table in ("tokens", "placements", "migrations", "devices", "links"):
        assert getattr(fixed, table).equals(getattr(asked, table))
    assert set(fixed.decisions.trigger.iloc[1:]) <= {"fault"}


@dataclass
class Step:
    """A call of `prepare`: the promise before it, the watch on memory, and the triggers of decisions during it."""

    quiet: int
    watch: OverflowWatch | None
    available_bytes: Any
    triggers: list[str] = field(default_factory=list)
    seconds: float = 0.0


@contextmanager
def watched(scenario: Scenario) -> Iterator[list[Step]]:
    """Record every call of `prepare`."""
    steps: list[Step] = []
    prepare = Controller.prepare

    def recording(self: Controller, batch: Batch, parts: Any) -> Any:
        env = self._env
        available = scenario.cluster.available_bytes(env.now)
        step = Step(self.quiet_tokens(batch), self.overflow_watch(batch), available)
        steps.append(step)
        record, begun_s = self._decisions.record, env.now

        def noting(observation: Any, judgement: Any, trigger: Trigger) -> None:
            step.triggers.append(trigger)
            record(observation, judgement, trigger)

        with mock.patch.object(self._decisions, "record", noting):
            yield from prepare(self, batch, parts)
        step.seconds = env.now - begun_s

    with mock.patch.object(Controller, "prepare", recording):
        yield steps


@given(
    scenario=eventful(faults=True), interval=st.integers(1, 6), fixed=st.booleans(), seed=st.integers(0, 99)
)
@settings(max_examples=60)
def test_in_the_steps_that_are_promised_quiet_only_outages_and_memory_ask(
    scenario: Scenario, interval: int, fixed: bool, seed: int
) -> None:
    """And memory asks in exactly those steps before which the watch says so."""
    scenario = varied(scenario, interval=interval)
    with watched(scenario) as steps:
        simulate(scenario, Kept(seed, fixed=fixed) if fixed else Shuffled(seed))
    for i, step in enumerate(steps):
        for one in steps[i : i + step.quiet]:
            if "overflow" in one.triggers:
                assert step.watch is not None
                assert not enough(step.watch, one.available_bytes)
            if one.triggers or one.seconds:
                assert set(one.triggers) <= {"fault", "device-back", "overflow"}
                break


def enough(watch: OverflowWatch, available_bytes: FloatArray) -> bool:
    """Whether no device begins or ceases to lack memory."""
    within = (watch.least_bytes <= available_bytes) & (available_bytes < watch.most_bytes)
    return bool(within.all())


def test_without_outages_and_scarcity_the_next_decision_ends_the_quiet() -> None:
    scenario = small_world(interval=4)
    with watched(scenario) as steps:
        simulate(scenario, Shuffled(0))
    assert [step.quiet for step in steps] == [0, 3, 2, 1, 0, 3, 2, 1]
    with watched(scenario) as steps:
        simulate(scenario, Kept(0, fixed=True))
    assert [step.quiet for step in steps] == [0, 7, 6, 5, 4, 3, 2, 1]


def test_memory_that_becomes_scarce_ends_the_quiet_in_its_step() -> None:
    taken = Trace([0.0, 2.0], [0.0, 1e6])
    device = {"used_bytes": taken, "disk_bandwidth": 1e6}
    scenario = small_world("a", device=device, interval=100, overflow="swap")
    with watched(scenario) as steps:
        simulate(scenario, Shuffled(0))
    asked = [i for i, step in enumerate(steps) if step.triggers == ["overflow"]]
    assert len(asked) == 1
    watch = steps[1].watch
    assert watch is not None
    quiet = [enough(watch, step.available_bytes) for step in steps[1 : asked[0] + 1]]
    assert quiet == [*[True] * (asked[0] - 1), False]

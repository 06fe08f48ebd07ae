"""Whatever a policy does when it is asked, the run ends cleanly, and what it decided holds as it was then."""

import contextlib
import dataclasses
import pickle
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner
from worlds import varied

from headway import policies
from headway.analysis.cli import app
from headway.simcore import (
    Decision,
    Infeasible,
    Keep,
    Observation,
    Placement,
    Policy,
    PolicyError,
    Request,
    Result,
    Scenario,
    load_scenario,
    shipped_scenario,
    simulate,
)
from headway.simcore.engine.placement.decision_validation import decided
from headway.traces import InputError


@dataclasses.dataclass
class Does:
    """Decides as a function says."""

    deed: Callable[[Observation], Any] = dataclasses.field(compare=False)
    name: str = "does"

    def decide(self, observation: Observation) -> Decision:
        answer: Decision = self.deed(observation)
        return answer


def scenario() -> Scenario:
    return load_scenario(
        shipped_scenario("home-cluster"), changes=["workload.0.output=5", "controller.interval=3"]
    )


WORLD = scenario()


def under(deed: Callable[[Observation], Any]) -> Result:
    return simulate(WORLD, Does(deed))


def by_greedy(observation: Observation) -> Decision:
    return policies.create("greedy").decide(observation)


# Policies that raise


class OwnError(BaseException):
    """No `Exception`."""


class WordlessError(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


def recurses(observation: Observation) -> Decision:
    return recurses(observation)


def grabs(_: Observation) -> Any:
    return Placement(np.zeros(2**55, dtype=np.int64))


RAISED: dict[str, Callable[[Observation], Any]] = {
    "ZeroDivisionError: division by zero": lambda _: 1 // 0,
    "KeyError: 'no such device'": lambda observation: dict.fromkeys(observation.device_names)[
        "no such device"
    ],
    "RecursionError": recurses,
    "MemoryError": grabs,
    "SystemExit: 3": lambda _: sys.exit(3),
    "StopIteration": lambda _: next(iter(())),
    "GeneratorExit": lambda _: raises(GeneratorExit()),
    "OwnError: mine": lambda _: raises(OwnError("mine")),
    "WordlessError": lambda _: raises(WordlessError()),
    "ValueError: assignment destination is read-only": lambda observation: observation.rate.__setitem__(
        (0, 0), 0.0
    ),
    "AttributeError": lambda observation: getattr(observation, "no_such_thing"),  # noqa: B009
}


def raises(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize("words", RAISED)
def test_what_a_policy_raises_is_told_with_policy_token_and_line(words: str) -> None:
    with pytest.raises(PolicyError) as told:
        under(RAISED[words])
    error = told.value
    assert (error.policy, error.request, error.token, error.time_s) == ("does", 0, 0, 0.0)
    assert words.split(":", maxsplit=1)[0] in error.got
    assert re.search(rf"{re.escape(__file__)}:\d+", error.got)
    assert error.__cause__ is not None
    assert words.split(":", maxsplit=1)[0] in [base.__name__ for base in type(error.__cause__).__mro__]
    assert len(str(error)) < 600
    assert "\n" not in str(error)


def test_the_line_told_is_in_the_policy_and_not_in_what_it_calls() -> None:
    with pytest.raises(PolicyError) as told:
        under(lambda observation: np.linalg.inv(np.zeros((2, 2))))
    assert f"LinAlgError: Singular matrix, raised at {__file__}:" in told.value.got


def test_long_words_are_cut_and_lines_joined() -> None:
    with pytest.raises(PolicyError) as told:
        under(lambda _: raises(ValueError("one\ntwo " + "x" * 10**6)))
    assert "ValueError: one two xxx" in str(told.value)
    assert len(str(told.value)) < 600


def test_it_is_told_when_a_policy_is_asked_the_second_time() -> None:
    with pytest.raises(
        PolicyError, match=rf"asked at token {WORLD.controller.interval} of request 0 at [1-9]"
    ):
        under(lambda observation: by_greedy(observation) if observation.placement is None else 1 // 0)


def test_an_interruption_passes_through() -> None:
    with pytest.raises(KeyboardInterrupt):
        under(lambda _: raises(KeyboardInterrupt()))


def test_the_error_travels_between_processes() -> None:
    with pytest.raises(PolicyError) as told:
        under(lambda _: 1 // 0)
    there = pickle.loads(pickle.dumps(told.value))
    assert str(there) == str(told.value)
    assert (there.policy, there.token) == (told.value.policy, told.value.token)


# Answers that are no decisions


class Fickle(Placement):
    """Says something else whenever it is looked at."""

    looks = 0

    def __getattribute__(self, name: str) -> Any:
        if name != "devices":
            return super().__getattribute__(name)
        Fickle.looks += 1
        return np.zeros(len(WORLD.block_table), dtype=np.int64) + (0 if Fickle.looks % 2 else 10**6)


class Trap:
    """Is no array."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __array__(self, *_: object, **__: object) -> Any:
        raise self.error


class Disguised:
    __class__ = Placement  # type: ignore[assignment]


class Odd(np.ndarray[Any, Any]):
    """Compares as it likes."""

    def __array_ufunc__(self, *_: object, **__: object) -> Any:
        raise ValueError("I do not compute")


def blocks(observation: Observation) -> int:
    return len(observation.blocks)


NO_DECISIONS: dict[str, Callable[[Observation], Any]] = {
    "nothing": lambda _: None,
    "a word": lambda _: "keep",
    "a number": lambda _: 3.5,
    "an array": lambda observation: np.zeros(blocks(observation), dtype=np.int64),
    "a class": lambda _: Keep,
    "devices None": lambda _: Placement(None),  # type: ignore[arg-type]
    "devices in words": lambda observation: Placement(["laptop"] * blocks(observation)),  # type: ignore[arg-type]
    "not a number": lambda observation: Placement(np.full(blocks(observation), np.nan)),
    "floats": lambda observation: Placement(np.zeros(blocks(observation))),  # type: ignore[arg-type]
    "complex": lambda observation: Placement(np.zeros(blocks(observation), dtype=complex)),
    "truths": lambda observation: Placement(np.zeros(blocks(observation), dtype=bool)),
    "objects": lambda observation: Placement(np.zeros(blocks(observation), dtype=object)),
    "times": lambda observation: Placement(np.zeros(blocks(observation), dtype="m8[s]")),
    "dates": lambda observation: Placement(np.zeros(blocks(observation), dtype="M8[s]")),
    "records": lambda observation: Placement(np.zeros(blocks(observation), dtype=[("device", "i8")])),
    "one too few": lambda observation: Placement(np.zeros(blocks(observation) - 1, dtype=np.int64)),
    "a table": lambda observation: Placement(np.zeros((blocks(observation), 1), dtype=np.int64)),
    "one device": lambda _: Placement(np.int64(0)),  # type: ignore[arg-type]
    "nothing at all": lambda _: Placement(np.zeros(0, dtype=np.int64)),
    "far too many": lambda _: Placement(np.broadcast_to(np.int64(0), (2**55,))),
    "ragged": lambda observation: Placement([[0], [0, 1]] * blocks(observation)),  # type: ignore[arg-type]
    "unknown": lambda observation: Placement(np.full(blocks(observation), observation.devices)),
    "from the end": lambda observation: Placement(np.full(blocks(observation), -1)),
    "huge": lambda observation: Placement(np.full(blocks(observation), 2**64 - 1, dtype=np.uint64)),
    "huger": lambda observation: Placement([2**100] * blocks(observation)),  # type: ignore[arg-type]
    "a trap": lambda _: Placement(Trap(ValueError("snap"))),  # type: ignore[arg-type]
    "infeasible without words": lambda _: Infeasible(None),  # type: ignore[arg-type]
    "infeasible in no language": lambda _: Infeasible("\ud800"),
    "infeasible in many words": lambda _: Infeasible("x" * 10**6),
    "infeasible": lambda _: Infeasible(""),
}


@pytest.mark.parametrize("what", NO_DECISIONS)
def test_what_is_no_decision_is_infeasible_with_a_reason(what: str, tmp_path: Path) -> None:
    """At the first decision the run ends there; later it goes on with the placement in force."""
    first = under(NO_DECISIONS[what])
    assert list(first.runs.status) == ["infeasible"]
    later = under(
        lambda observation: (
            by_greedy(observation) if observation.placement is None else NO_DECISIONS[what](observation)
        )
    )
    assert list(later.runs.status) == ["complete"]
    assert list(later.decisions.outcome) == ["adopted", "infeasible"]
    assert later.migrations.empty
    for result in (first, later):
        reason = result.decisions.reason.iloc[-1]
        assert isinstance(reason, str)
        assert 0 < len(reason) <= 500
    later.save(tmp_path)


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("one too few", str(len(WORLD.block_table))),
        ("unknown", f"0 to {len(WORLD.cluster.devices) - 1}"),
        ("from the end", f"0 to {len(WORLD.cluster.devices) - 1}"),
        ("floats", "whole numbers"),
        ("a table", f"({len(WORLD.block_table)}, 1)"),
    ],
)
def test_the_reason_says_what_is_wrong_and_ends_a_run_that_is_to_fail(what: str, reason: str) -> None:
    strict = varied(WORLD, on_infeasible="fail")
    result = simulate(strict, Does(lambda seen: (NO_DECISIONS[what] if seen.generated else by_greedy)(seen)))
    assert reason in result.decisions.reason[1]
    assert (result.runs.status[0], result.runs.tokens[0]) == ("infeasible", 3)


def anything() -> Any:
    return object()


@pytest.mark.parametrize("deed", [lambda _: iter(()), lambda _: anything(), lambda _: Infeasible(anything())])
def test_what_is_no_decision_is_told_the_same_way_in_every_run(deed: Callable[[Observation], Any]) -> None:
    """Where in memory it is has no place in results."""
    one, other = (under(deed).decisions.reason.iloc[0] for _ in range(2))
    assert one == other
    assert "0x" not in one


@pytest.mark.parametrize(
    "answer", [Disguised(), Placement(Trap(OwnError())), Placement(Trap(SystemExit()))]  # type: ignore[arg-type]
)  # fmt: skip
def test_an_answer_that_cannot_be_looked_at_is_the_policys_mistake(answer: object) -> None:
    with pytest.raises(PolicyError):
        under(lambda _: answer)


def test_devices_may_be_given_as_any_whole_numbers() -> None:
    expected = under(by_greedy)
    for form in (
        lambda devices: devices.tolist(),
        lambda devices: devices.astype(np.uint8),
        lambda devices: devices.astype(">i4"),
        lambda devices: np.repeat(devices, 2)[::2],
        lambda devices: devices.view(Odd),
        lambda devices: np.ma.masked_array(devices, devices == 0),
    ):

        def deed(observation: Observation, form: Any = form) -> Decision:
            decision = by_greedy(observation)
            return Placement(form(decision.devices)) if isinstance(decision, Placement) else decision

        assert under(deed).tokens.equals(expected.tokens)


def test_an_answer_is_looked_at_once() -> None:
    Fickle.looks = 0
    result = under(lambda _: Fickle(None))  # type: ignore[arg-type]
    assert set(result.decisions.outcome) <= {"adopted", "kept", "infeasible"}
    assert Fickle.looks == len(result.decisions)


WRAPPERS: list[Callable[[Any], Any]] = [lambda said: said, Placement, Infeasible]


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.binary(max_size=5)),
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=2), inner, max_size=3)),
        max_leaves=20,
    ),
    st.sampled_from(WRAPPERS),
)  # fmt: skip
@settings(max_examples=200)
def test_any_answer_becomes_a_well_formed_decision(said: object, wrapped: Callable[[Any], Any]) -> None:
    decision = decided(Does(lambda _: wrapped(said)), SEEN)
    assert type(decision) in {Placement, Infeasible, Keep}
    if isinstance(decision, Placement):
        assert decision.devices.shape == (len(SEEN.blocks),)
        assert decision.devices.dtype == np.int64
    if isinstance(decision, Infeasible):
        assert decision.reason


# Policies that meddle


def shown_at_first() -> Observation:
    received: list[Observation] = []

    def deed(observation: Observation) -> Decision:
        received.append(observation)
        return by_greedy(observation)

    under(deed)
    return received[-1]


SEEN = shown_at_first()


def arrays(value: object, name: str) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """All arrays that can be reached, also what is worked out on demand."""
    if isinstance(value, np.ndarray):
        yield name, value
    elif isinstance(value, tuple):
        for i, each in enumerate(value):
            yield from arrays(each, f"{name}[{i}]")
    elif dataclasses.is_dataclass(value):
        for key in dir(value):
            if not key.startswith("_") and not callable(getattr(value, key)):
                yield from arrays(getattr(value, key), f"{name}.{key}")


def test_all_arrays_of_an_observation_are_read_only() -> None:
    assert SEEN.placement is not None
    graph = SEEN.step_graphs.of(SEEN.placement, SEEN.source)
    found = {**dict(arrays(SEEN, "observation")), **dict(arrays(graph, "graph"))}
    assert {
        "observation.placement",
        "observation.origin",
        *(f"observation.blocks.{name}" for name in ("kind", "layer", "heads", "proj", "ffn", "shards")),
        "observation.kind_seconds",
        "observation.steps[0].cost.work_flop",
    } <= set(found)
    assert {
        "observation.rate",
        "observation.lost",
        "observation.up",
        "observation.per_byte_s",
        "observation.step_times[0][0]",
    } <= set(found)
    assert {"graph.kind", "graph.successor", "graph.branches.first"} <= set(found)
    assert {"graph.tasks", "graph.messages", "graph.predecessors"} <= set(found)
    assert [name for name, array in found.items() if array.flags.writeable] == []


class Overclocker:
    """Puts everything on the first device, and writes to all arrays that it is shown, however they are protected."""

    name = "overclocker"

    def __init__(self, *, honest: bool) -> None:
        self._honest = honest

    def decide(self, observation: Observation) -> Decision:
        decision = (
            Placement(np.zeros(len(observation.blocks), dtype=np.int64))
            if observation.placement is None
            else Keep()
        )
        if not self._honest:
            graph = observation.step_graphs.of(
                np.zeros(len(observation.blocks), dtype=np.int64), observation.source
            )
            for _, array in [*arrays(observation, "observation"), *arrays(graph, "graph")]:
                for each in (array, array.base):
                    if isinstance(each, np.ndarray):
                        with contextlib.suppress(ValueError):
                            each.flags.writeable = True
                            each[...] = each * 2
        return decision


def test_nobody_can_change_the_world_through_what_it_is_shown() -> None:
    """Neither for itself nor for those that are asked after it."""
    scenario = load_scenario(shipped_scenario("phone-leaves"))
    scenario = dataclasses.replace(scenario, requests=(Request(prompt=8, output=4),))
    before = simulate(scenario, Overclocker(honest=True)).tokens
    tampered = simulate(scenario, Overclocker(honest=False)).tokens
    after = simulate(scenario, Overclocker(honest=True)).tokens
    columns = ["start_s", "latency_s", "compute_s", "transfer_s"]
    assert tampered[columns].equals(before[columns])
    assert after[columns].equals(before[columns])


def test_nothing_of_an_observation_can_be_set() -> None:
    for thing in (SEEN, SEEN.blocks, SEEN.steps[0], SEEN.steps[0].cost):
        for field in dataclasses.fields(thing):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(thing, field.name, None)


def test_a_policy_that_changes_its_answer_afterwards_changes_nothing() -> None:
    given_out: list[np.ndarray[Any, Any]] = []

    def deed(observation: Observation) -> Decision:
        for array in given_out:
            array[:] = 10**9
        decision = by_greedy(observation)
        if isinstance(decision, Placement):
            given_out.append(decision.devices)
        return decision

    meddled, straight = under(deed), under(by_greedy)
    assert given_out
    for table in ("tokens", "decisions", "placements", "migrations"):
        assert getattr(meddled, table).equals(getattr(straight, table))


def test_a_policy_that_changes_its_answer_from_a_thread_cannot_get_past_the_checks() -> None:
    stop = threading.Event()
    devices = np.zeros(len(WORLD.block_table), dtype=np.int64)

    def meddle() -> None:
        while not stop.is_set():
            devices[:] = 10**9
            devices[:] = 0

    thread = threading.Thread(target=meddle)
    thread.start()
    try:
        for _ in range(20):
            decision = decided(Does(lambda _: Placement(devices)), SEEN)
            assert isinstance(decision, Infeasible) or not decision.devices.any()  # type: ignore[union-attr]
    finally:
        stop.set()
        thread.join()


def test_a_policy_that_has_numpy_raise_on_overflow_changes_nothing() -> None:
    def deed(observation: Observation) -> Decision:
        decision = by_greedy(observation)
        np.seterr(all="raise")
        return decision

    before = np.geterr()
    meddled = under(deed)
    assert np.geterr() == before
    assert meddled.tokens.equals(under(by_greedy).tokens)


# Names and parameters


@pytest.mark.parametrize("name", [None, 3, "\ud800"])
def test_a_policy_needs_a_name_that_can_be_written(name: Any) -> None:
    with pytest.raises(InputError, match="a text"):
        simulate(WORLD, Does(by_greedy, name=name))


class Nameless:
    @property
    def name(self) -> str:
        raise RuntimeError("who am I?")

    def decide(self, observation: Observation) -> Decision:
        return by_greedy(observation)


class Mute:
    name = "mute"


@pytest.mark.parametrize(("policy", "words"), [(Nameless(), "who am I"), (Mute(), "no attribute 'decide'")])
def test_what_is_hardly_a_policy_is_told(policy: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        simulate(WORLD, policy)


@dataclasses.dataclass
class Loaded:
    """Has parameters that no file can hold."""

    lock: Any = dataclasses.field(default_factory=threading.Lock)
    table: Any = dataclasses.field(default_factory=lambda: {(1, 2): 3})
    name: str = "loaded"

    def decide(self, observation: Observation) -> Decision:
        return by_greedy(observation)


def test_parameters_may_be_anything() -> None:
    (recorded,) = simulate(WORLD, Loaded()).runs.parameters
    assert recorded == '{"lock": "lock", "name": "str", "table": "dict"}'


def test_parameters_are_the_same_in_each_run() -> None:
    """Where in memory a function is has no place in results."""
    one, other = (simulate(WORLD, Does(Does(by_greedy).decide)).runs.parameters[0] for _ in range(2))
    assert one == other
    assert "decide" in one


# On the command line

MODULE = """\
import sys

from headway.simcore import Keep


class Quits:
    name = "quits"

    def decide(self, observation):
        {deed}
"""


@pytest.mark.parametrize(
    ("deed", "words"),
    [
        ("sys.exit(0)", "SystemExit: 0"),
        ("return observation.rates", "AttributeError"),
        ("observation.up[:] = 1", "read-only"),
    ],
)
def test_the_command_says_it_in_one_line_and_writes_nothing(
    deed: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "quitting", raising=False)
    Path("quitting.py").write_text(MODULE.format(deed=deed))
    done = CliRunner().invoke(app, ["run", "--policy", "quitting:Quits"], prog_name="headway")
    assert isinstance(done.exception, SystemExit)
    assert done.exit_code == 2
    assert done.output.count("\n") == 1
    assert words in done.output
    assert re.search(r"quitting\.py:10", done.output)
    assert {path.name for path in tmp_path.iterdir()} - {"__pycache__"} == {"quitting.py"}


def test_results_are_printed_whatever_a_policy_puts_in_place_of_standard_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "quitting", raising=False)
    deed = "import io; sys.stdout = sys.stderr = io.StringIO(); return Keep()"
    Path("quitting.py").write_text(MODULE.format(deed=deed))
    done = CliRunner().invoke(app, ["run", "--policy", "quitting:Quits"], prog_name="headway")
    assert done.exit_code == 0
    assert "Results: results" in done.stdout
    Path("quitting.py").write_text(MODULE.format(deed=deed.replace("return", "raise")))
    monkeypatch.delitem(sys.modules, "quitting")
    done = CliRunner().invoke(app, ["run", "--policy", "quitting:Quits"], prog_name="headway")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)


def test_the_command_ends_although_a_policy_leaves_a_thread_running(tmp_path: Path) -> None:
    deed = "import threading; threading.Thread(target=threading.Event().wait).start(); return Keep()"
    (tmp_path / "quitting.py").write_text(MODULE.format(deed=deed))
    command = [sys.executable, "-m", "headway", "run", "--policy", "quitting:Quits"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Results: results" in done.stdout


def test_every_policy_of_this_module_is_one() -> None:
    policy: Policy = Does(by_greedy)
    assert policy.name == "does"

"""Policies as people write them on a first day: each is told what is wrong with it, in a small world, and no more."""

import re
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from typer.testing import CliRunner

from headway import policies
from headway.analysis.cli import app
from headway.policies.contract import LAWS, check_law, check_policy
from headway.policies.contract.edges import edges
from headway.policies.contract.growth import Timing, exponent, growth_text
from headway.policies.contract.laws import BrokenError
from headway.policies.contract.report import Finding
from headway.policies.contract.subject import Subject
from headway.simcore import Decision, Keep, Observation, Placement
from headway.traces import InputError


@dataclass
class Does:
    """Decides as a function says."""

    deed: Callable[[Observation], Any]
    name: str = "does"

    def decide(self, observation: Observation) -> Decision:
        answer: Decision = self.deed(observation)
        return answer


def everything_on(observation: Observation, device: int) -> Placement:
    return Placement(np.full(len(observation.blocks), device))


def fastest(observation: Observation) -> Placement:
    return everything_on(observation, int(np.argmax(observation.flops * observation.availability)))


def examined(deed: Callable[[Observation], Any], law: str) -> Finding:
    return check_law(lambda: Does(deed), law)


# What is no decision


# test_bad_policies.py has every kind of object that is no decision.
NO_DECISIONS: dict[str, tuple[Callable[[Observation], Any], str, str]] = {
    "nothing": (lambda _: None, "answers", "returns None; a decision is a"),
    "the end": (lambda obs: sys.exit(0) if obs.devices == 1 else fastest(obs), "answers", "SystemExit: 0, at"),
    "a slip": (lambda obs: obs.memory, "answers", f"has no attribute 'memory', at {__file__}:"),  # type: ignore[attr-defined]
    "a shape": (lambda _: Placement(np.zeros(1, dtype=int)), "complete", "shape (1,); 3 blocks need shape (3,)"),
    "counted from 1": (lambda obs: everything_on(obs, obs.devices), "complete", "on device 1; devices are 0 to 0"),
}  # fmt: skip


@pytest.mark.parametrize("what", NO_DECISIONS)
def test_what_is_no_decision_breaks_one_law_and_is_told_in_the_smallest_world(what: str) -> None:
    deed, law, words = NO_DECISIONS[what]
    finding = examined(deed, law)
    assert finding.outcome == "broken"
    assert words in finding.complaint
    assert finding.question is not None
    assert finding.question.size <= 5
    assert examined(deed, "reusable").outcome != "broken"


def test_who_ends_the_interpreter_has_not_passed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sys.exit(0)` in a policy was taken for the end of an examination without complaints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(Path(__file__).parent)
    done = CliRunner().invoke(app, ["policy", "check", "test_contract_authors:Leaves"], prog_name="headway")
    assert done.exit_code == 3
    assert "SystemExit: 0" in done.output


class Leaves:
    name = "leaves"

    def decide(self, observation: Observation) -> Decision:
        sys.exit(0)


# Arrays and state


class Buffered:
    """One array for all answers, with room for the largest."""

    name = "buffered"
    buffer: ClassVar[np.ndarray[Any, Any]] = np.zeros(4096, dtype=np.int64)

    def decide(self, observation: Observation) -> Decision:
        devices = self.buffer[: len(observation.blocks)]
        devices[:] = fastest(observation).devices
        return Placement(devices)


def test_an_answer_is_what_it_was_when_it_was_given() -> None:
    for law in ("complete", "deterministic", "stable"):
        assert check_law(Buffered, law).outcome == "kept"


class Keeps:
    """Its first plan, for ever, whatever the world is."""

    name = "keeps"

    def __init__(self) -> None:
        self._plan: Decision | None = None

    def decide(self, observation: Observation) -> Decision:
        self._plan = self._plan or policies.create("greedy").decide(observation)
        return self._plan


class Compares:
    """Keeps what is in force while availability is as it was, in whichever run."""

    name = "compares"

    def __init__(self) -> None:
        self._before: Observation | None = None

    def decide(self, observation: Observation) -> Decision:
        before, self._before = self._before, observation
        if before is not None and (before.availability.mean() > 0.0):
            return Keep()
        return policies.create("greedy").decide(observation)


@pytest.mark.parametrize(
    ("policy", "words"),
    [(Keeps, "devices given for 3 blocks"), (Compares, "keep a placement before there is one")],
)
def test_what_is_taken_from_one_world_to_another_is_told(policy: type[Keeps | Compares], words: str) -> None:
    """A second run in the same world would hide it."""
    finding = check_law(policy, "reusable")
    assert finding.outcome == "broken"
    assert words in finding.complaint
    assert finding.complaint.startswith("after a run in another world, its decision is infeasible")
    assert finding.complaint.endswith("that of a new instance is adopted (token 0 of request 0)")


class Likens:
    """Asks whether the world is like the one that it saw last."""

    name = "likens"

    def __init__(self) -> None:
        self._before: np.ndarray[Any, Any] | None = None

    def decide(self, observation: Observation) -> Decision:
        before, self._before = self._before, observation.availability
        alike = before is None or before @ observation.availability > 0.0
        return fastest(observation) if alike else Keep()


def test_what_fails_only_in_a_second_world_is_told() -> None:
    finding = check_law(Likens, "reusable")
    assert finding.outcome == "broken"
    assert "it ends the run, and a new instance does not: ValueError: " in finding.complaint


def by_chance(observation: Observation) -> Decision:
    return everything_on(observation, np.random.randint(observation.devices))  # noqa: NPY002


def test_who_decides_by_chance_is_told_in_a_small_world_too() -> None:
    """Hypothesis gives up on what fails only now and then, so it has to begin with small worlds."""
    for law in ("deterministic", "within-memory"):
        finding = examined(by_chance, law)
        assert finding.outcome == "broken"
        assert finding.question is not None
        assert finding.question.size <= 9


def test_laws_that_compare_decisions_have_not_seen_those_of_who_decides_by_chance() -> None:
    class Chance(Does):
        declares: ClassVar[dict[str, str]] = {"stable": "it decides by chance"}

    assert check_law(lambda: Chance(by_chance), "stable").outcome == "not reached"


# What is no fault


def most_room(observation: Observation) -> Decision:
    """Everything on the device with most room."""
    return everything_on(observation, int(np.argmax(observation.available_bytes)))


def test_who_goes_by_memory_alone_keeps_the_law_of_reordering() -> None:
    """Devices of equal memory are a tie that the order breaks."""
    assert examined(most_room, "reordering").outcome == "kept"


@pytest.mark.parametrize(
    "key", ["flops", "memory_bandwidth", "disk_bandwidth", "capacity_bytes", "overhead_s"]
)
def test_where_nothing_is_tied_any_property_of_devices_tells_them_apart(key: str) -> None:
    finding = examined(
        lambda observation: everything_on(observation, int(np.argmax(getattr(observation, key)))),
        "reordering",
    )
    assert (finding.outcome, finding.applicable > 10) == ("kept", True)


def strict(observation: Observation) -> Decision:
    """Has numpy raise, from now on, in the whole process."""
    np.seterr(all="raise")
    return most_room(observation)


def test_what_a_policy_has_numpy_do_is_its_own_affair() -> None:
    before = np.geterr()
    assert examined(strict, "units").outcome == "kept"
    assert np.geterr() == before


def test_a_policy_that_hardly_got_the_processor_is_waited_for() -> None:
    """It sleeps here; on a machine with much else to do it would look the same."""

    def sleeps(observation: Observation) -> Decision:
        time.sleep(0.3)
        return most_room(observation)

    question = edges()[0]
    assert isinstance(Subject(lambda: Does(sleeps), wait_s=0.2).first_reply(question), Placement)


def careful(observation: Observation) -> Decision:
    """At the source, unless that has less than 1 GB."""
    return everything_on(
        observation, observation.source if observation.available_bytes[observation.source] > 1e9 else 0
    )


def test_a_threshold_far_from_the_sizes_at_hand_is_found_as_well() -> None:
    """In worlds of some hundred bytes."""
    finding = examined(careful, "units")
    assert finding.outcome == "broken"
    assert re.search(r"with sizes and work times (4096|1.07374e\+09) ", finding.complaint)


# Declarations


@pytest.mark.parametrize(
    ("declares", "words"),
    [
        ({"stable", "units"}, "a mapping from laws to reasons, such as"),
        ({"stable": ""}, "a text that says why"),
        ({"stable": True}, "a text that says why"),
        ({"stabel": "it is not"}, "did you mean 'stable'"),
        ({3: "three"}, "got 3"),
    ],
)
def test_a_declaration_is_a_law_with_a_reason(declares: Any, words: str) -> None:
    policy = Does(most_room)
    policy.declares = declares  # type: ignore[attr-defined]
    with pytest.raises(InputError, match=words):
        check_policy(lambda: policy)


@pytest.mark.parametrize(("name", "law"), [("static", "within-memory"), ("static", "present")])
def test_what_a_shipped_policy_declares_about_room_does_not_hang_on_chance(name: str, law: str) -> None:
    """Whatever is drawn: worlds at the edge show it."""
    subject = Subject(lambda: policies.create(name))
    broken = 0
    for question in edges():
        try:
            LAWS[law].check(subject, question)
        except BrokenError:
            broken += 1
    assert broken


# How long decisions take


def timings(*seconds: float, wide: bool = True) -> list[Timing]:
    return [Timing(10 * 2**i, 2**i, each, wide) for i, each in enumerate(seconds, start=1)]


def test_growth_is_told_from_times_that_tell_it() -> None:
    """The largest three, since the small ones are of calling functions."""
    assert growth_text(timings(4e-3, 16e-3, 64e-3)).endswith("; the time grows as (blocks x devices)^1.0.")
    assert growth_text(timings(3e-3, 4e-3, 16e-3, 64e-3)).endswith(
        "; the time grows as (blocks x devices)^1.0."
    )
    assert (
        growth_text(timings(0.1, 0.256))
        == "A decision takes at most 256 ms of processor time (40 blocks x 4 devices)."
    )
    assert exponent(timings(4e-3, 16e-3, 64e-3)) == pytest.approx(1.0)
    assert growth_text(timings(5e-4, 6e-4, 7e-4)).endswith(
        "0.7 ms of processor time (80 blocks x 8 devices)."
    )
    assert growth_text([]) == "No decision time was measured: the policy raises an exception."


# On the command line

MODULE = '''
from headway.simcore import Infeasible


class Warns:
    """Divides by zero."""

    name = "warns"

    def decide(self, observation):
        share = observation.flops / (observation.flops - observation.flops.max())
        return Infeasible("too lazy")


class Nameless:
    def decide(self, observation):
        return None


class Mute:
    name = "mute"


class Demanding:
    name = "demanding"

    def decide(self, observation, random):
        return None


class Unmakeable:
    name = "unmakeable"

    def __init__(self):
        raise ValueError("no accelerator")

    def decide(self, observation):
        return None


class Awaited:
    name = "awaited"

    async def decide(self, observation):
        return None


class Undeclared(Warns):
    declares = {"stable"}


def function(observation):
    return None


def made():
    return Warns()


instance = made()
'''


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a module of policies, and some that cannot be imported."""
    monkeypatch.chdir(tmp_path)
    for name in ("first_day", "garbled", "exploding", "leaving", "lacking"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    Path("first_day.py").write_text(MODULE, encoding="utf-8")
    Path("garbled.py").write_text("class X(:\n", encoding="utf-8")
    Path("exploding.py").write_text('raise OSError("no\\naccelerator")\n', encoding="utf-8")
    Path("leaving.py").write_text("raise SystemExit(0)\n", encoding="utf-8")
    Path("lacking.py").write_text("import no_such_module\n", encoding="utf-8")
    return tmp_path


NO_POLICIES = {
    "first_day:Nameless": "'first_day:Nameless', which has no name, or a name that is not a text; expected a class",
    "first_day:Mute": "'first_day:Mute', which has no method decide",
    "first_day:Demanding": "'first_day:Demanding', which has a method decide that does not take one observation",
    "first_day:Awaited": "a method decide that is a generator or a coroutine",
    "first_day:Unmakeable": "(ValueError: no accelerator)",
    "first_day:function": "or a function without arguments that returns a policy",
    "first_day:instance": "'instance' in first_day, an object of the class Warns; expected one of Warns, ",
    "first_day:Wanrs": "expected one of Warns, Nameless, Demanding, Unmakeable, Awaited, Undeclared (did",
    "garbled:X": "(SyntaxError: invalid syntax (garbled.py, line 1))",
    "exploding:X": "(OSError: no accelerator)",
    "leaving:X": "(SystemExit: 0)",
    "lacking:X": "(ModuleNotFoundError: No module named 'no_such_module')",
    "first_day.py:Warns": "No module named 'first_day.py'",
    "greddy": "did you mean 'greedy'?",
    "no_such_module:X": "No module named 'no_such_module'",
    "policies:Gredy": "did you mean 'Greedy'?",
    "simcore:Device": "a class that needs no arguments",
    "collections:OrderedDict": "a class with a name and a method decide",
    ":X": "MODULE:CLASS",
}


@pytest.mark.parametrize("name", NO_POLICIES)
@pytest.mark.parametrize("command", [("policy", "check"), ("policy", "show"), ("run", "--policy")])
@pytest.mark.usefixtures("here")
def test_what_is_no_policy_is_told_in_one_line(command: tuple[str, ...], name: str) -> None:
    done = CliRunner().invoke(app, [*command, name], prog_name="headway")
    assert done.exit_code == 2
    assert done.output.count("\n") == 1
    assert NO_POLICIES[name] in done.output


@pytest.mark.parametrize("command", ["check", "show"])
@pytest.mark.usefixtures("here")
def test_a_declaration_without_reasons_is_told_in_one_line(command: str) -> None:
    done = CliRunner().invoke(app, ["policy", command, "first_day:Undeclared"], prog_name="headway")
    assert done.exit_code == 2
    assert "headway: warns.declares: got {'stable'}; expected a mapping from laws to reasons" in done.output
    assert done.output.count("\n") == 1


@pytest.mark.usefixtures("here")
def test_a_function_may_make_the_policy() -> None:
    done = CliRunner().invoke(app, ["policy", "show", "first_day:made"], prog_name="headway")
    assert (done.exit_code, done.output) == (0, "Divides by zero.\n")


@pytest.mark.usefixtures("here")
def test_a_warning_of_a_policy_is_shown_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told_of: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", lambda message, *_, **__: told_of.append(str(message)))
        done = CliRunner().invoke(app, ["policy", "check", "first_day:Warns"], prog_name="headway")
    assert done.exit_code == 3
    assert told_of == ["divide by zero encountered in divide"]


def test_where_no_law_applied_the_command_says_what_that_means(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    done = CliRunner().invoke(app, ["policy", "check", "test_contract_authors:Leaves"], prog_name="headway")
    assert "Not reached: the law applied to no question" in done.output
    assert "headway run counter-examples/test_contract_authors.Leaves-answers.yaml --policy" in done.output
    assert [path.suffix for path in (here / "counter-examples").iterdir()] == [".yaml"]

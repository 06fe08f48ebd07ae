"""The contract of policies: shipped ones keep it or say where not, and each law catches who breaks it, and only it."""

import re
import runpy
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from typer.testing import CliRunner

from headway import policies
from headway.analysis.cli import app
from headway.policies.contract import LAWS, Question, check_law, check_policy, policy_contract, strategies
from headway.policies.contract.check import TIME
from headway.policies.contract.edges import edges, repeated_decisions
from headway.policies.contract.laws import BrokenError
from headway.policies.contract.report import Report
from headway.policies.contract.subject import Subject
from headway.simcore import (
    BlockOptions,
    Cluster,
    Decision,
    DecodeCost,
    Device,
    Infeasible,
    Keep,
    Link,
    Observation,
    Placement,
    PolicyChoice,
    Request,
    Scenario,
    dump_scenario,
    load_result,
    load_scenario,
    predict,
    preset,
    simulate,
)
from headway.traces import InputError, Trace

DOWN = Trace.constant(0.0)
generator = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "generate_policies.py"))
# Its solver takes a tenth of a second for each decision, and it is asked hundreds of times.
QUICK = [name for name in policies.names() if name != "exact-milp"]


VARIANTS: dict[str, dict[str, Any]] = {
    "edgeshard": {"objective": "throughput"},
    "sum-of-stages": {"objective": "maximum"},
    "random": {"replan": True},
}
"""Parameters that change how a policy decides."""
WHATEVER_THE_AIM = ("complete", "within-memory", "finds-room", "reusable", "renaming")
"""Laws that hold also for policies that do not aim at a short delay."""


def assert_as_declared(report: Report) -> None:
    assert report.ok, str(report)
    assert {f.law for f in report.findings if f.outcome in {"declared", "unfounded"}} == set(
        policies.declared_laws(policies.create(report.policy))
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_a_shipped_policy_keeps_the_laws_or_declares(name: str) -> None:
    assert_as_declared(check_policy(lambda: policies.create(name)))


@pytest.mark.parametrize("law", WHATEVER_THE_AIM)
@pytest.mark.parametrize("name", VARIANTS)
def test_a_policy_with_other_parameters_keeps_the_laws(name: str, law: str) -> None:
    assert check_law(lambda: policies.create(name, **VARIANTS[name]), law).outcome == "kept"


@pytest.mark.thorough
@pytest.mark.parametrize("name", policies.names())
def test_a_shipped_policy_keeps_the_laws_or_declares_thoroughly(name: str) -> None:
    assert_as_declared(check_policy(lambda: policies.create(name), "thorough"))


def fits_on_one(observation: Observation) -> list[int]:
    """Devices that can hold everything, the fastest first."""
    seconds = observation.kind_seconds[observation.blocks.kind].sum(axis=0)
    able = [j for j in np.argsort(seconds, kind="stable").tolist() if observation.up[j]]
    return [j for j in able if predict.fits(observation, everything_on(observation, j))]


def everything_on(observation: Observation, device: int) -> np.ndarray:
    return np.full(len(observation.blocks), device, dtype=np.int64)


class Sound:
    """Everything on the fastest device that can hold it all, if moving there pays. Keeps every law."""

    name = "sound"

    def decide(self, observation: Observation) -> Decision:
        now, devices = observation.placement, self.choose(observation)
        stays = (
            now is not None
            and observation.up[now].all()
            and not observation.lost.any()
            and predict.fits(observation, now)
        )
        if devices is None:
            return Keep() if stays else Infeasible("no device can hold everything")
        if now is not None and stays and not self.pays(observation, devices, now):
            return Keep()
        return Placement(devices)

    def choose(self, observation: Observation) -> np.ndarray | None:
        able = fits_on_one(observation)
        return everything_on(observation, able[0]) if able else None

    def pays(self, observation: Observation, devices: np.ndarray, now: np.ndarray) -> bool:
        return predict.objective(observation, devices) < predict.horizon_delay(observation, now)


class RaisesOnOneDevice(Sound):
    def choose(self, observation: Observation) -> np.ndarray | None:
        return super().choose(observation) if 1 / (observation.devices - 1) else None


class AnswersNothingOverDeadLinks(Sound):
    def decide(self, observation: Observation) -> Decision:
        return super().decide(observation) if np.isfinite(observation.per_byte_s).all() else None  # type: ignore[return-value]


class ForgetsTheLastBlock(Sound):
    def decide(self, observation: Observation) -> Decision:
        decision = super().decide(observation)
        forgets = isinstance(decision, Placement) and observation.blocks.layers > 1
        return Placement(decision.devices[:-1]) if forgets else decision  # type: ignore[union-attr]


class CountsOneDeviceTooMany(Sound):
    def choose(self, observation: Observation) -> np.ndarray | None:
        return everything_on(observation, observation.devices) if fits_on_one(observation) else None

    def pays(self, observation: Observation, devices: np.ndarray, now: np.ndarray) -> bool:
        return True


class DoesNotNoticeFailures(Sound):
    def choose(self, observation: Observation) -> np.ndarray | None:
        devices = super().choose(observation)
        if devices is not None and not observation.up.all():
            devices[-1] = int(np.flatnonzero(~observation.up)[0])
        return devices


class DoesNotLookAtMemory(Sound):
    def choose(self, observation: Observation) -> np.ndarray | None:
        seconds = observation.kind_seconds[observation.blocks.kind].sum(axis=0)
        return everything_on(observation, int(np.where(observation.up, seconds, np.inf).argmin()))


class GivesUpTooSoon(Sound):
    def choose(self, observation: Observation) -> np.ndarray | None:
        scarce = observation.memory_bytes.sum() > 0.5 * observation.available_bytes.max()
        return None if scarce else super().choose(observation)


class RollsDice(Sound):
    """With the dice of everybody, so that no seed of its own decides."""

    def choose(self, observation: Observation) -> np.ndarray | None:
        able = fits_on_one(observation)
        return everything_on(observation, able[np.random.randint(len(able))]) if able else None  # noqa: NPY002


class RemembersTheLastRun(Sound):
    def __init__(self) -> None:
        self._runs = 0

    def choose(self, observation: Observation) -> np.ndarray | None:
        self._runs += observation.placement is None and observation.request == 0
        able = fits_on_one(observation)
        return everything_on(observation, able[-1 if self._runs > 1 else 0]) if able else None


class TakesNotes(Sound):
    """In the margin of the observation."""

    def decide(self, observation: Observation) -> Decision:
        decision = super().decide(observation)
        observation.available_bytes[0] /= 2.0
        return decision


class GoesByTheAlphabet(Sound):
    def choose(self, observation: Observation) -> np.ndarray | None:
        able = fits_on_one(observation)
        return (
            everything_on(observation, min(able, key=lambda j: observation.device_names[j])) if able else None
        )


class GoesByTheList(Sound):
    def choose(self, observation: Observation) -> np.ndarray | None:
        able = fits_on_one(observation)
        return everything_on(observation, min(able)) if able else None


class ThinksInMilliseconds(Sound):
    """Slow worlds, by the clock, are left to the slowest device."""

    def choose(self, observation: Observation) -> np.ndarray | None:
        able = fits_on_one(observation)
        if not able:
            return None
        seconds = observation.kind_seconds[observation.blocks.kind, able[0]].sum()
        return everything_on(observation, able[-1 if seconds > 1e-3 else 0])


class CannotSitStill(Sound):
    """Thinks better of its very first placement."""

    def decide(self, observation: Observation) -> Decision:
        able = fits_on_one(observation)
        if (
            observation.placement is not None
            and observation.generated == 0
            and not observation.lost.any()
            and able
        ):
            return Placement(everything_on(observation, able[-1]))
        return super().decide(observation)


class MovesAlthoughFixed(Sound):
    fixed = True


class MovesAtAnyPrice(Sound):
    def pays(self, observation: Observation, devices: np.ndarray, now: np.ndarray) -> bool:
        return True


class TakesItsTime(Sound):
    """As the sixth power of blocks times devices."""

    def decide(self, observation: Observation) -> Decision:
        until = time.thread_time() + 0.6 * (len(observation.blocks) * observation.devices / 544) ** 6
        while time.thread_time() < until:
            pass
        return super().decide(observation)


BROKEN: Mapping[type[Sound], str] = {
    RaisesOnOneDevice: "answers",
    AnswersNothingOverDeadLinks: "answers",
    ForgetsTheLastBlock: "complete",
    CountsOneDeviceTooMany: "complete",
    DoesNotNoticeFailures: "present",
    DoesNotLookAtMemory: "within-memory",
    GivesUpTooSoon: "finds-room",
    RollsDice: "deterministic",
    RemembersTheLastRun: "reusable",
    TakesNotes: "read-only",
    GoesByTheAlphabet: "renaming",
    GoesByTheList: "reordering",
    ThinksInMilliseconds: "units",
    CannotSitStill: "stable",
    MovesAlthoughFixed: "stable",
    MovesAtAnyPrice: "worth-moving",
    TakesItsTime: TIME,
}


def test_a_sound_policy_keeps_every_law_and_every_law_is_reached() -> None:
    assert [finding.outcome for finding in check_policy(Sound).findings] == ["kept"] * (len(LAWS) + 1)


# They raise in a run, too.
ENDS_THE_RUN = {RaisesOnOneDevice, TakesNotes}


@pytest.mark.slow
@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_policy_breaks_its_law_and_no_other(
    broken: type[Sound], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the command line; and the world of the example is a scenario file in which the policy can be watched."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(Path(__file__).parent)
    law, name = BROKEN[broken], f"test_contract:{broken.__name__}"
    code, printed = headway("check", name)
    assert code == 3
    assert [line.split()[0] for line in printed.splitlines() if "BROKEN" in line] == [law]
    assert f"{law}: broken\n" in printed
    written = {path.name for path in tmp_path.glob("counter-examples/*.yaml")}
    assert written == (set() if law == TIME else {f"test_contract.{broken.__name__}-{law}.yaml"})
    commands = [line.split()[1:] for line in printed.splitlines() if line.startswith("  headway run ")]
    assert [Path(command[1]).name for command in commands] == list(written)
    for command in commands:
        done = CliRunner().invoke(app, [*command, "--out", "results"], prog_name="headway")
        assert done.exit_code == 0 or broken in ENDS_THE_RUN, done.output


def test_a_move_that_does_not_pay_is_seen_in_the_run_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the placement that is in force in the example; wherever the examples are put."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(Path(__file__).parent)
    _, printed = headway("check", "test_contract:MovesAtAnyPrice", "--out", str(tmp_path / "else where"))
    found = re.search(r"^  PYTHONPATH='(.*)' headway run '(.*)' --policy (\S+)$", printed, re.MULTILINE)
    assert found is not None
    monkeypatch.syspath_prepend(found[1])
    arguments = ["run", found[2], "--policy", found[3], "--out", "results"]
    assert CliRunner().invoke(app, arguments, prog_name="headway").exit_code == 0
    decisions = load_result("results").decisions
    assert decisions.moved_blocks.iloc[1] > 0
    together_s = float((decisions.predicted_delay_s + decisions.predicted_migration_s).iloc[1])
    assert f": migration and interval take {together_s:.6g} s; staying takes" in printed


def test_every_law_has_a_policy_that_breaks_it() -> None:
    assert set(BROKEN.values()) == {*LAWS, TIME}


class Confessed(DoesNotLookAtMemory):
    declares: ClassVar[Mapping[str, str]] = {"within-memory": "memory is plenty here"}


class Modest(Sound):
    declares: ClassVar[Mapping[str, str]] = {"units": "who knows"}


class Mistaken(Sound):
    declares: ClassVar[Mapping[str, str]] = {"within-memry": "a slip of the pen"}


def test_a_declared_law_is_told_as_declared_with_its_reason_and_example() -> None:
    finding = check_law(Confessed, "within-memory")
    assert (finding.outcome, finding.reason) == ("declared", "memory is plenty here")
    assert finding.question is not None


@pytest.mark.parametrize("name", ["exact", "resource-aware", "dynamic-layer"])
def test_who_says_that_it_thinks_twice_is_seen_to_every_time(name: str) -> None:
    """Where two moves cost less than one, or devices are fuller than a threshold; not in random worlds alone."""
    finding = check_law(lambda: policies.create(name), "stable")
    assert finding.outcome == "declared"
    assert finding.question is not None


def test_a_declaration_that_nothing_bears_out_is_unfounded() -> None:
    assert check_law(Modest, "units").outcome == "unfounded"


def test_a_declaration_of_no_law_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean 'within-memory'"):
        check_policy(Mistaken)


def test_an_examination_finds_the_same_again() -> None:
    first, second = (check_law(CountsOneDeviceTooMany, "complete") for _ in range(2))
    assert first.complaint == second.complaint
    assert first.scenario == second.scenario


def test_the_example_of_a_broken_law_is_small_and_replays_as_a_scenario_file(tmp_path: Path) -> None:
    """The run shows the violation: the same device, overfull."""
    finding = check_law(DoesNotLookAtMemory, "within-memory")
    assert finding.question is not None
    assert len(finding.question.scenario.block_table) <= 4
    assert len(finding.question.scenario.cluster.devices) <= 3
    path = tmp_path / "counter-example.yaml"
    path.write_text(finding.scenario or "", encoding="utf-8")
    decisions = simulate(load_scenario(path), DoesNotLookAtMemory()).decisions
    assert "infeasible" in set(decisions.outcome)
    assert decisions.reason.str.contains("bytes too many").any()


@policy_contract(Sound)
def test_sound() -> None:
    raise AssertionError("what is decorated lends its name, and is not run")


def test_a_module_of_tests_fails_with_the_complaint_and_the_scenario() -> None:
    contract = policy_contract(CountsOneDeviceTooMany)
    with pytest.raises(pytest.fail.Exception, match="places a block on device") as failure:
        contract(law="complete")
    assert "devices:" in str(failure.value)


@pytest.mark.parametrize("name", policies.names())
@pytest.mark.parametrize("first", [True, False])
def test_blocks_without_bytes_are_not_put_on_a_device_that_is_down(name: str, first: bool) -> None:
    """Where each head carries its rows of the projection, the projection itself holds nothing and takes no time."""
    devices = [
        Device(name="a", memory_bytes=1e9, flops=1e9),
        Device(name="b", memory_bytes=1e9, flops=1e9, up=DOWN),
    ]
    model = replace(preset("paper-8x512"), layers=1)
    scenario = Scenario(
        name="down",
        model=model,
        cost=DecodeCost(model, projection="sharded"),
        cluster=Cluster(
            tuple(devices if first else devices[::-1]),
            (Link(name="l", ends=("a", "b"), bandwidth=Trace.constant(1e6)),),
            "a",
        ),
        requests=(Request(prompt=4, output=1),),
        blocks=BlockOptions(embed=False, lm_head=False),
    )  # fmt: skip
    there = np.full(len(scenario.block_table), scenario.cluster.names.index("a"), dtype=np.int64)
    result = simulate(replace(scenario, placement=there), policies.create(name))
    assert set(result.decisions.outcome) == {"adopted"}


@given(strategies.questions(tight=True), strategies.runs())
@settings(max_examples=5)  # test_dump.py has many worlds
def test_a_written_scenario_loads_to_the_same_run(question: Question, run: Question) -> None:
    for scenario in (question.scenario, run.scenario):
        assert_same_run(scenario)


@pytest.mark.parametrize(
    "question", [*edges(), *repeated_decisions()], ids=lambda question: question.scenario.name
)
def test_worlds_at_the_edge_can_be_written_and_asked_about(question: Question) -> None:
    """Also those in which there is no room: a file of which nothing can come would be refused."""
    assert question.observation is not None
    assert_same_run(question.scenario)


def test_who_flees_to_devices_that_are_down_is_found_out_whatever_is_drawn() -> None:
    class Flees(Sound):
        def choose(self, observation: Observation) -> np.ndarray | None:
            roomy = np.where(
                observation.up, observation.available_bytes - observation.memory_bytes.sum(), 0.0
            )
            return everything_on(observation, int(roomy.argmax()))

    (too_small,) = (one for one in edges() if one.scenario.name == "source-too-small")
    with pytest.raises(BrokenError, match="which is down"):
        LAWS["present"].check(Subject(Flees), too_small)


@given(strategies.questions(faulty=True))
@settings(max_examples=5)  # test_dump.py has many worlds
def test_a_written_scenario_keeps_its_faults(question: Question) -> None:
    assert_same_run(question.scenario)


def assert_same_run(scenario: Scenario) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "written.yaml")
        path.write_text(dump_scenario(scenario), encoding="utf-8")
        read = load_scenario(path)
    before, after = (simulate(each, policies.create("greedy")) for each in (scenario, read))
    assert before.tokens.equals(after.tokens)
    assert before.decisions.equals(after.decisions)
    assert dump_scenario(replace(read, text="")) == dump_scenario(scenario)


def headway(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["policy", *arguments], prog_name="headway")
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, done.output


def test_the_command_shows_parameters_and_declarations() -> None:
    code, printed = headway("show", "static")
    assert code == 0
    assert "never decides again" in printed
    assert "most_evictions" in headway("show", "resource-aware")[1]
    assert all(name in headway("list")[1] for name in policies.names())


def test_a_file_cannot_name_a_module(tmp_path: Path) -> None:
    """Reading somebody's scenario never imports code of their choosing."""
    with pytest.raises(InputError, match="one of"):
        policies.from_choice(PolicyChoice(name="policies:Greedy", label="x"))


def test_the_page_tells_what_every_law_guards_and_who_declares_not_to_keep_it() -> None:
    page = generator["PAGE"].read_text(encoding="utf-8")
    assert generator["with_part"](page, "laws", generator["laws"]()) == page

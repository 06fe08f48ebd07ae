"""Laws of explanations: the pieces of a token's way are its latency, and the reasons given are those of the world."""

import contextlib
import json
import math
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.table import Table
from typer.testing import CliRunner, Result
from worlds import Scripted, Shuffled, eventful, model_of_bytes, small_world, varied, with_devices

from headway import policies
from headway.analysis.cli import app
from headway.analysis.experiments import Store, given_workers, prepare, read_campaign, run
from headway.analysis.replay.critical_path import Path as Way
from headway.analysis.replay.critical_path import critical_path
from headway.analysis.replay.explain import explain, label, pick, stages
from headway.analysis.replay.reasons import seconds
from headway.analysis.replay.rerun import Replay, rerun
from headway.analysis.replay.timeline import trace_events
from headway.analysis.replay.window import Window
from headway.simcore import (
    Cluster,
    DecodeCost,
    Device,
    Link,
    Medium,
    Request,
    Scenario,
    load_result,
    load_scenario,
    simulate,
)
from headway.simcore.files.placement import ranges
from headway.simcore.instrument import Message, Move
from headway.simcore.steps.patterns import PATTERNS
from headway.traces import InputError, Trace, on_off

FEW = settings(max_examples=20, deadline=None)
PARTS = ("compute", "disk", "transfer", "wait", "migration", "decision", "fault")


def paths(replay: Replay) -> list[Way]:
    tokens = replay.result.tokens
    return [critical_path(replay, int(r), int(t)) for r, t in zip(tokens.request, tokens.token, strict=True)]


@given(eventful(), st.integers(0, 100))
@FEW
def test_the_pieces_of_a_way_follow_each_other_from_the_begin_of_the_token_to_its_end(
    scenario: Scenario, seed: int
) -> None:
    _check_ways(rerun(scenario, Shuffled(seed), "run"))


@pytest.mark.parametrize("name", PATTERNS.names())
def test_the_same_under_every_execution_pattern(name: str) -> None:
    """Every kind of task has a name, in the table and in the timeline."""
    pattern = PATTERNS.find(name)
    cost = DecodeCost(model_of_bytes(), projection=pattern.projection)
    scenario = small_world("abc", execution=name, cost=cost, embed=True, lm_head=True)
    replay = rerun(scenario, Shuffled(3), "run")
    _check_ways(replay)
    assert all(stages(replay, way, full=True) for way in paths(replay))
    assert trace_events(replay, Window(0.0, 1.0))["traceEvents"]


@given(eventful(faults=True), st.integers(0, 100))
@FEW
def test_the_same_where_devices_go_down(scenario: Scenario, seed: int) -> None:
    _check_ways(rerun(scenario, Shuffled(seed), "run"))


def _check_ways(replay: Replay) -> None:
    rows = replay.result.tokens.to_dict("records")
    for row, way in zip(rows, paths(replay), strict=True):
        last = way.start_s + way.latency_s

        def exactly(value: object, least: float = last) -> object:
            return pytest.approx(value, rel=1e-9, abs=1e-9 * max(1.0, least))

        edges = [way.start_s, *(piece.end_s for piece in way.pieces)]
        assert [piece.start_s for piece in way.pieces] == exactly(edges[:-1])
        assert edges[-1] == exactly(last)
        for piece in way.pieces:
            match piece.cause:
                case Message(sent_s=begin_s, arrived_s=end_s) | Move(start_s=begin_s, end_s=end_s):
                    assert begin_s <= piece.start_s < piece.end_s <= end_s
        assert sum(one.length_s for one in stages(replay, way)) == exactly(way.latency_s)
        for part in PARTS:
            total = sum(piece.length_s for piece in way.pieces if piece.part == part)
            assert total == exactly(row[f"{part}_s"]), part


@given(eventful(), st.integers(0, 100))
@FEW
def test_nothing_flows_faster_than_it_would_alone(scenario: Scenario, seed: int) -> None:
    """What the reasons say of rates: got by the message, by itself, offered by the narrowest resource."""
    replay = rerun(scenario, Shuffled(seed), "run")
    for way in paths(replay):
        for stage in stages(replay, way, full=True):
            why = stage.reasons
            assert why.wire_bytes <= why.alone_bytes * (1 + 1e-6) or why.flow_s == 0.0
            for then_bytes, _, _ in why.offered.values():
                assert why.wire_bytes <= then_bytes * (1 + 1e-6)
            # Of a very short computation the times are too coarse.
            assert why.nominal_s <= why.free_s * (1 + 1e-6) + 4 * math.ulp(way.start_s + way.latency_s)
            if scenario.network.sharing == "dedicated" and stage.part == "transfer":
                assert not why.beside


def test_a_full_way_has_a_stage_for_every_piece() -> None:
    replay = rerun(world(), Scripted(HEADS_AWAY), "run")
    way = critical_path(replay, 0, 1)
    assert len(stages(replay, way, full=True)) == len(way.pieces) > len(stages(replay, way))


#                      heads proj ffn, of each layer
HEADS_AWAY = np.array([1, 2, 0, 0] * 2)
ONE_AWAY = np.array([1, 1, 0, 0] * 2)


def world(rate: Trace | None = None, **changes: Any) -> Scenario:
    """A desk and two boards in one cell of Wi-Fi."""
    devices = tuple(
        Device(name=n, memory_bytes=1e6, flops=1e3, disk_bandwidth=1e3) for n in ("desk", "b1", "b2")
    )
    links = tuple(Link(name=f"to-{n}", ends=("desk", n), medium="wifi") for n in ("b1", "b2"))
    media = (Medium(name="wifi", bandwidth=rate or Trace.constant(10.0)),)
    cluster = Cluster(devices, links, "desk", media=media)
    model, requests = model_of_bytes(layers=2), (Request(prompt=2, output=4),)
    return varied(small_world(model=model, cluster=cluster, requests=requests), **changes)


def told(replay: Replay, request: int, token: int) -> str:
    """The explanation as text, without the breaks of lines that a table makes."""
    parts = explain(replay, request, token)
    rows = stages(replay, critical_path(replay, request, token))
    assert isinstance(parts[-1], Table)
    assert parts[-1].row_count == len(rows) + 1
    lines = [part for part in parts if isinstance(part, str)]
    return "\n".join([*lines, *(f"{label(row)}: {row.reasons.words()}" for row in rows)])


def test_messages_that_share_a_cell_say_with_whom() -> None:
    """Input goes to both boards at once: each gets half of 10 bytes/s."""
    text = told(rerun(world(), Scripted(HEADS_AWAY), "run"), 0, 1)
    assert "got 50% of the rate without other messages" in text
    assert "shared with desk → b2" in text or "shared with desk → b1" in text
    alone = told(rerun(world(), Scripted(ONE_AWAY), "run"), 0, 1)
    assert "shared with" not in alone
    dedicated = told(rerun(world(sharing="dedicated"), Scripted(HEADS_AWAY), "run"), 0, 1)
    assert "shared with" not in dedicated


def test_a_link_that_offers_less_than_usual_says_so() -> None:
    plain = rerun(world(), Scripted(ONE_AWAY), "run").result.tokens
    slow_from = float(plain.start_s[3])
    dip = Trace([0.0, slow_from], [10.0, 1.0])
    text = told(rerun(world(dip), Scripted(ONE_AWAY), "run"), 0, 3)
    assert "medium 'wifi' offered 8.00 bit/s (" in text
    assert "The largest increase over the median is in messages" in text


def test_an_outage_on_the_way_is_told() -> None:
    plain = rerun(world(), Scripted(ONE_AWAY), "run").result.tokens
    gap = Trace([0.0, float(plain.start_s[3]) + 0.1, float(plain.start_s[3]) + 5.1], [10.0, 0.0, 10.0])
    assert "rate 0 for 5.00 s" in told(rerun(world(gap), Scripted(ONE_AWAY), "run"), 0, 3)


def test_a_busy_device_is_told() -> None:
    scenario = world()
    half = replace(scenario.cluster.devices[0], availability=Trace.constant(0.5))
    cluster = replace(scenario.cluster, devices=(half, *scenario.cluster.devices[1:]))
    text = told(rerun(replace(scenario, cluster=cluster), Scripted(ONE_AWAY), "run"), 0, 1)
    assert "50% of the device was free" in text


def test_a_request_behind_another_says_behind_which() -> None:
    twice = world(requests=(Request(prompt=2, output=2), Request(prompt=2, output=1)))
    text = told(rerun(twice, Scripted(ONE_AWAY), "run"), 1, 0)
    assert "behind request 0" in text
    assert "It is the first token of its request" in text


def test_moves_and_devices_that_were_down_are_named() -> None:
    moving = rerun(world(), Scripted(ONE_AWAY, np.array([1, 2, 0, 0] * 2)), "run")
    assert "move of heads of L0-1: " in told(moving, 0, 1)
    calm = rerun(world(interval=10), Scripted(ONE_AWAY), "run").result.tokens
    down = on_off([(float(calm.start_s[2]) + 0.01, float(calm.start_s[2]) + 9.0)])
    scenario = world(interval=10)
    gone = replace(scenario.cluster.devices[1], up=down)
    devices = (scenario.cluster.devices[0], gone, scenario.cluster.devices[2])
    failing = replace(scenario, cluster=replace(scenario.cluster, devices=devices))
    assert "outage of b1" in told(rerun(failing, Scripted(ONE_AWAY), "run"), 0, 2)


def test_swapped_bytes_and_charged_decisions_are_told() -> None:
    scenario = world(overflow="swap", decision_time=0.5)
    swapping = with_devices(scenario, memory_bytes=10.0)
    text = told(rerun(swapping, Scripted(ONE_AWAY), "run"), 0, 1)
    assert "swapped bytes read from disk" in text
    assert "in simulated time" in text


def test_the_slowest_come_first() -> None:
    replay = rerun(world(), Shuffled(3), "run")
    tokens = replay.result.tokens
    slowest = [int(t) for t in tokens.sort_values("latency_s", ascending=False).token]
    assert pick(replay, None, None, 3) == [(0, t) for t in slowest[:3]]
    assert pick(replay, None, None, None) == [(0, slowest[0])]
    assert pick(replay, None, 2, None) == [(0, 2)]
    with pytest.raises(InputError, match="no token 4 of request 0; expected request 0: 0 to 3"):
        pick(replay, None, 4, None)


@given(st.sets(st.integers(0, 60), min_size=1))
def test_ranges_name_every_number_once(numbers: set[int]) -> None:
    found: list[int] = []
    for part in ranges(sorted(numbers)).split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    assert found == sorted(numbers)


# On the command line

SCENARIO = """\
seed: 3
model: {shape: {layers: 2, width: 64, heads: 4}}
source: desk
devices:
  desk: {memory: 100 MB, compute: 10 GFLOP/s, memory_bandwidth: unlimited}
  shelf: {memory: 100 MB, compute: 5 GFLOP/s, memory_bandwidth: unlimited}
links:
  cable: {connect: all, bandwidth: {file: rates.csv}}
workload:
  - {prompt: 4, output: 5}
policies: [resource-aware, {name: round-robin, label: in-turn}]
"""
RATES = "time [s],rate [Mbit/s]\n0,100\n1,50\n"


def lab(folder: Path) -> Path:
    (folder / "there").mkdir()
    (folder / "there" / "lab.yaml").write_text(SCENARIO)
    (folder / "there" / "rates.csv").write_text(RATES)
    assert headway(folder, "run", "there/lab.yaml", "--out", "out").exit_code == 0
    return folder / "out"


def headway(folder: Path, *arguments: object) -> Result:
    with contextlib.chdir(folder):
        return CliRunner().invoke(app, [*map(str, arguments)])


def test_a_folder_of_results_is_explained_from_anywhere(tmp_path: Path) -> None:
    """What the scenario reads is found beside the original, wherever the command is called and the folder is."""
    folder = lab(tmp_path)
    (tmp_path / "else").mkdir()
    folder.rename(tmp_path / "else" / "moved")
    done = headway(tmp_path / "else", "explain", "moved", "--token", 2, "--policy", "in-turn")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "Token 2 of request 0 took" in done.stdout
    other = headway(tmp_path, "explain", "there/lab.yaml", "--token", 2, "--policy", "in-turn")
    assert other.stdout == done.stdout
    two = headway(tmp_path, "explain", "else/moved", "--slowest", 2)
    assert two.stdout.count("Critical path") == 2


@pytest.mark.parametrize(("factor", "exit_code"), [(1.0 + 1e-12, 0), (1.0 + 1e-6, 2)])
def test_a_run_of_another_executor_is_the_same_to_1e_9(tmp_path: Path, factor: float, exit_code: int) -> None:
    lab(tmp_path)
    stored = load_result(tmp_path / "out")
    times = stored.tokens.filter(like="_s")
    replace(stored, tokens=stored.tokens.assign(**(times * factor))).save(tmp_path / "out")
    assert headway(tmp_path, "explain", "out", "--token", 2).exit_code == exit_code


def test_a_run_that_comes_out_differently_is_refused(tmp_path: Path) -> None:
    """A trace that has changed since is noticed, and one that is gone is named."""
    lab(tmp_path)
    (tmp_path / "there" / "rates.csv").write_text("time [s],rate [Mbit/s]\n0,10\n1,5\n")
    done = headway(tmp_path, "explain", "out", "--policy", "in-turn")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "a different result when the run" in done.stderr
    assert str(Path("there/lab.yaml")) in done.stderr
    (tmp_path / "there" / "rates.csv").unlink()
    done = headway(tmp_path, "explain", "out")
    assert done.exit_code == 2
    assert f"{tmp_path / 'there' / 'lab.yaml'}" in done.stderr
    assert "rates.csv" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["explain", "out", "--policy", "greedy"], "one of resource-aware, in-turn"),
        (["explain", "out", "--token", "9"], "no token 9 of request 0"),
        (
            ["explain", "out", "--token", "1", "--slowest", "2"],
            "--slowest: got this option together with --token",
        ),
        (["explain", "out", "--seed", "1"], "--seed: got this option with a folder of `headway run`"),
        (["explain", "nowhere"], "RUN: got 'nowhere'; expected a folder of results"),
        (["timeline", "out", "--tokens", "5-1"], "--tokens: got '5-1'"),
        (["timeline", "out", "--tokens", "all"], "--tokens: got 'all'"),
        (["timeline", "out", "--tokens", "7"], "no token 7-7 of request 0; expected tokens from 0 to 4"),
        (["timeline", "out", "-o", "no/where.json"], "no/where.json"),
    ],
)
def test_mistakes_on_the_command_line_are_told(arguments: list[str], told: str, tmp_path: Path) -> None:
    lab(tmp_path)
    done = headway(tmp_path, *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_origin_that_is_not_ours_is_told(tmp_path: Path) -> None:
    folder = lab(tmp_path)
    for content in ("{", json.dumps({"other": 1}), "[]"):
        (folder / "origin.json").write_text(content)
        done = headway(tmp_path, "explain", "out")
        assert (done.exit_code, done.stdout) == (2, "")
        assert "origin.json" in done.stderr


def test_decisions_that_took_real_time_cannot_be_repeated(tmp_path: Path) -> None:
    lab(tmp_path)
    path = tmp_path / "there" / "lab.yaml"
    path.write_text(path.read_text() + "controller: {decision_time: measured}\n")
    assert headway(tmp_path, "run", path, "--out", "out", "--force").exit_code == 0
    done = headway(tmp_path, "explain", "out")
    assert done.exit_code == 2
    assert "decision_time: measured, which cannot be repeated" in done.stderr


# Runs of a campaign

CAMPAIGN = """\
name: lab
scenario: lab.yaml
axes: {product: {rate: {path: links.cable.bandwidth, factors: [0.5, 1]}}}
replications: 2
"""


def stored(folder: Path, keep: str = "runs, tokens") -> pd.DataFrame:
    """Make the campaign in `folder`; its runs."""
    lab(folder)
    (folder / "there" / "lab-runs.yaml").write_text(f"{CAMPAIGN}keep: [{keep}]\n")
    campaign, store = read_campaign(folder / "there" / "lab-runs.yaml"), Store(folder / "store")
    with ThreadPoolExecutor(1) as executor:
        run(prepare(campaign, folder / "cases.parquet"), store, given_workers(executor, 1))
    frame: pd.DataFrame = store.view().read("runs").to_pandas()
    return frame


@pytest.mark.parametrize("keep", ["runs, tokens", "runs"])
def test_a_run_of_a_campaign_is_repeated_from_its_store(tmp_path: Path, keep: str) -> None:
    runs = stored(tmp_path, keep)
    for row in runs.iloc[[0, -1]].to_dict("records"):
        done = headway(tmp_path, "explain", "store", "--run", row["run"][:9], "--token", 3)
        assert (done.exit_code, done.stderr) == (0, "")
        scenario = load_scenario(
            tmp_path / "there" / "lab.yaml",
            seed=row["seed"],
            changes=[row["changes"]] if row["changes"] else [],
        )
        tokens = simulate(scenario, policies.create(row["policy"])).tokens
        assert f"Token 3 of request 0 took {seconds(tokens['latency_s'][3])}" in done.stdout
    done = headway(tmp_path, "timeline", "store", "--run", runs["run"][0], "--tokens", 1)
    assert (done.exit_code, done.stderr) == (0, "")


@pytest.mark.parametrize("keep", ["runs, tokens", "runs"])
def test_a_run_of_a_campaign_that_comes_out_differently_is_refused(tmp_path: Path, keep: str) -> None:
    runs = stored(tmp_path, keep)
    (tmp_path / "there" / "rates.csv").write_text("time [s],rate [Mbit/s]\n0,10\n1,5\n")
    in_turn = runs.loc[runs["policy"] == "round-robin", "run"].iloc[0]
    done = headway(tmp_path, "explain", "store", "--run", in_turn)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "is repeated; expected the original input files of there/lab.yaml" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["store"], "--run: got no run name; expected the name of one run, such as "),
        (["store", "--run", "none"], "'none', a prefix of no run names"),
        (["store", "--run", ""], "'', a prefix of 8 run names"),
        (["store", "--policy", "greedy"], "--policy: got this option with a campaign store"),
        (["store", "--seed", "1"], "--seed: got this option with"),
        (["out", "--run", "1"], "--run: got this option with a folder of `headway run`; expected --policy"),
        (["there/lab.yaml", "--variant", "a"], "--variant: got this option with a scenario"),
    ],
)
def test_mistakes_with_a_store_are_told(arguments: list[str], told: str, tmp_path: Path) -> None:
    stored(tmp_path)
    done = headway(tmp_path, "explain", *arguments)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert told in done.stderr


# Runs of a what-if, and of the export of a campaign


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a what-if of two variants, two policies and two seeds."""
    folder = tmp_path_factory.mktemp("asked")
    lab(folder)
    random = SCENARIO.replace(
        "{file: rates.csv}", "{walk_mean: 20 Mbit/s, sigma: 0.5, step: 1 ms, duration: 1 s}"
    )
    (folder / "there" / "lab.yaml").write_text(random)
    variant = "slow: links.cable.bandwidth*0.25"
    done = headway(
        folder,
        "whatif",
        "there/lab.yaml",
        "--variant",
        variant,
        "--replications",
        2,
        "--workers",
        1,
        "--out",
        "asked",
    )
    assert (done.exit_code, done.stderr) == (0, "")
    return folder / "asked"


def test_any_run_of_a_whatif_is_explained(asked: Path, tmp_path: Path) -> None:
    """The explanation is that of the changed scenario with the seed of the run."""
    shutil.copytree(asked, tmp_path / "moved")
    for variant, changes in (("base", []), ("slow", ["links.cable.bandwidth*0.25"])):
        for seed in (3, 4):
            scenario = load_scenario(asked.parent / "there" / "lab.yaml", seed=seed, changes=changes)
            tokens = simulate(scenario, policies.create("round-robin")).tokens
            wanted = ("--policy", "in-turn", "--variant", variant, "--seed", seed)
            done = headway(tmp_path, "explain", "moved", *wanted, "--token", 3)
            assert (done.exit_code, done.stderr) == (0, "")
            assert done.stdout.startswith(f"Run: policy in-turn, variant {variant}, seed {seed}\n")
            assert f"Token 3 of request 0 took {seconds(tokens['latency_s'][3])}" in done.stdout
    done = headway(tmp_path, "timeline", "moved", "--variant", "slow", "--tokens", 1)
    assert done.stdout.startswith("Run: policy resource-aware, variant slow, seed 3\nTimeline: ")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["--variant", "slaw"],
            "asked: --variant: got 'slaw'; expected one of base, slow (did you mean 'slow'?)",
        ),
        (["--policy", "greedy"], "asked: --policy: got 'greedy'; expected one of resource-aware, in-turn"),
        (["--variant", "slow", "--seed", 9], "asked: --seed: got 9; expected one of 3, 4"),
        (["--run", "none"], "asked: --run: got 'none'; expected one of "),
    ],
)
def test_mistakes_with_a_whatif_are_told(arguments: list[object], told: str, asked: Path) -> None:
    done = headway(asked.parent, "explain", "asked", *arguments)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert told in done.stderr


def test_the_command_in_the_report_on_a_whatif_explains_its_slowest_run(asked: Path) -> None:
    done = headway(asked.parent, "report", "asked")
    assert (done.exit_code, done.stderr) == (0, "")
    page = (asked.parent / "asked.html").read_text()
    assert "<title>asked" in page
    assert "headway whatif study.yaml" in page
    commands = re.findall(r"headway explain \w+ --run (\w+)", page)
    assert len(commands) == 2
    for run_ in commands:
        done = headway(asked.parent, "explain", "asked", "--run", run_)
        assert (done.exit_code, done.stdout.startswith("Run: policy ")) == (0, True)


def test_the_study_in_a_whatif_folder_asks_the_same_again(asked: Path, tmp_path: Path) -> None:
    done = headway(asked, "whatif", "study.yaml", "--workers", 1, "--out", tmp_path / "again")
    assert (done.exit_code, done.stderr) == (0, "")
    for name in ("runs", "tokens", "levels", "differences"):
        assert (asked / f"{name}.parquet").read_bytes() == (
            tmp_path / "again" / f"{name}.parquet"
        ).read_bytes()


def test_a_run_of_an_export_is_explained(tmp_path: Path) -> None:
    runs = stored(tmp_path)
    (tmp_path / "there" / "lab-runs.yaml").write_text(CAMPAIGN)
    done = headway(
        tmp_path, "sweep", "export", "there/lab-runs.yaml", "--store", "store", "--out", "exported"
    )
    assert (done.exit_code, done.stderr) == (0, "")
    run_ = runs["run"].iloc[-1]
    title, _, of_export = headway(tmp_path, "explain", "exported", "--run", run_).stdout.partition("\n\n")
    assert title.startswith("Run: policy ")
    assert of_export == headway(tmp_path, "explain", "store", "--run", run_).stdout
    (tmp_path / "exported" / "tokens.parquet").unlink()
    (tmp_path / "exported" / "manifest.json").unlink()
    done = headway(tmp_path, "explain", "exported", "--run", run_)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "exported: got results without the table `tokens`" in done.stderr

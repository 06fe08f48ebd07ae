"""The paper's experiments: the worlds, the judging of decisions, and what `headway paper` makes of them."""

import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner
from worlds import rate_of

from headway import analysis, policies
from headway.analysis.cli import app
from headway.analysis.paper import author_baselines, cells, experiments, many_layers, page, tables
from headway.analysis.paper.experiments import POLICIES, Scale, cases
from headway.analysis.paper.optimality_gap import ComparedPolicy
from headway.analysis.paper.placements import EqualParts, MemoryUnchecked, OneDevice, SourceBarred
from headway.analysis.paper.runs import Case, Tables, run_all
from headway.analysis.paper.worlds import (
    FLOPS,
    LINK_BYTES_PER_S,
    MEMORY_BYTES,
    World,
    alone_seconds,
    bound_seconds,
    draw,
    model_bytes,
)
from headway.simcore import Kind, simulate
from headway.simcore.world.options import Swap
from headway.traces import InputError

DOCS = Path(next(iter(analysis.__path__))).parents[1] / "docs"
TINY = Scale(2, 3, ("paper-8x512",), 2, 4, 1, 3, 1, 1, 2)


@pytest.fixture(scope="module")
def tiny() -> dict[str, Tables]:
    return {name: run_all(cases(name, TINY)) for name in experiments.EXPERIMENTS}


worlds = st.builds(World, devices=st.integers(1, 6), tokens=st.integers(1, 5))


@given(worlds, st.integers(0, 2**32))
@settings(max_examples=20)
def test_worlds_are_within_the_ranges_that_the_paper_states(world: World, seed: int) -> None:
    cluster = draw(world, seed).cluster
    assert ((MEMORY_BYTES[0] <= cluster.memory_bytes) & (cluster.memory_bytes <= MEMORY_BYTES[1])).all()
    assert ((FLOPS[0] <= cluster.flops) & (cluster.flops <= FLOPS[1])).all()
    for link in cluster.links:
        assert LINK_BYTES_PER_S[0] <= rate_of(link).value(0.0) <= LINK_BYTES_PER_S[1]
    assert len(cluster.links) == world.devices * (world.devices - 1) // 2
    for device in cluster.devices:
        assert 0.3 <= device.availability.value(1.0) <= 1.0
        assert 0.0 <= device.used_bytes.value(1.0) <= 0.3 * device.memory_bytes


def test_devices_differ_and_none_is_at_the_end_of_a_range() -> None:
    """Clipping would pile up a twentieth of all devices at the ends; the middle half spans a factor of about 2."""
    flops = np.concatenate([draw(World(devices=20), seed).cluster.flops for seed in range(10)])
    assert len(set(flops.tolist())) == 200
    assert not np.isin(flops, FLOPS).any()
    low, middle, high = np.quantile(flops, [0.25, 0.5, 0.75])
    # The truncated log-normal law has its quartiles at exp(-+0.64 sigma), sigma = ln(10) / 4.
    assert middle == pytest.approx(np.sqrt(5e9 * 50e9), rel=0.15)
    assert high / low == pytest.approx(np.exp(2 * 0.64 * np.log(10) / 4), rel=0.25)


def test_more_devices_and_other_options_leave_the_draws_of_the_others_alone() -> None:
    few, many = draw(World(devices=3), 5).cluster, draw(World(devices=9, link_scale=2.0), 5).cluster
    assert few.flops.tolist() == many.flops[:3].tolist()
    assert few.devices[2].availability.value(1.3) == many.devices[2].availability.value(1.3)
    rates = {link.name: rate_of(link).value(0.0) for link in many.links}
    assert all(2.0 * rate_of(link).value(0.0) == rates[link.name] for link in few.links)


def test_scarce_memory_is_as_scarce_as_asked_for() -> None:
    world = World(devices=4, memory_fill=0.6)
    assert model_bytes(world) / draw(world, 2).cluster.memory_bytes.sum() == pytest.approx(0.6)


@pytest.mark.parametrize(("source", "pick"), [("fastest", np.argmax), ("slowest", np.argmin)])
def test_the_source_can_be_the_fastest_or_the_slowest_device(source: str, pick: object) -> None:
    cluster = draw(World(devices=5, source=source), 3).cluster  # type: ignore[arg-type]
    assert cluster.source_index == pick(cluster.flops)  # type: ignore[operator]


@pytest.mark.parametrize("loads", [{"load": 1.0}, {"load": -0.1}, {"memory_load": 1.0}])
def test_a_device_is_never_taken_whole(loads: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="loads"):
        World(devices=2, **loads)  # type: ignore[arg-type]


@given(st.integers(0, 1000), st.sampled_from(["resource-aware", "greedy", "random", "exact"]))
@settings(max_examples=15)
def test_in_a_steady_world_what_happens_is_what_was_predicted(seed: int, policy: str) -> None:
    """Without load from others prediction and event simulation agree, and no decision beats the optimum."""
    scenario = draw(World(devices=4, shape="paper-8x512", tokens=4, load=0.0, memory_load=0.0), seed)
    witness = ComparedPolicy(policies.create(policy))
    result = simulate(scenario, witness)
    predicted = [comparison.predicted_s for comparison in witness.comparisons]
    np.testing.assert_allclose(result.tokens["latency_s"], predicted, rtol=1e-9)
    assert all(
        comparison.predicted_s >= comparison.optimum_s * (1 - 1e-9) for comparison in witness.comparisons
    )
    if policy == "exact":
        np.testing.assert_allclose(
            predicted, [comparison.optimum_s for comparison in witness.comparisons], rtol=1e-9
        )


def test_a_compared_policy_decides_as_before_and_compares_every_nth_decision() -> None:
    scenario = draw(World(devices=3, shape="paper-8x512", tokens=7), 4)
    witness = ComparedPolicy(policies.create("resource-aware"), every=3)
    watched, alone = simulate(scenario, witness), simulate(scenario, policies.create("resource-aware"))
    pd.testing.assert_frame_equal(watched.tokens, alone.tokens)
    assert [comparison.token for comparison in witness.comparisons] == [0, 3, 6]
    assert len(witness.wall_s) == 7


@given(
    st.integers(0, 1000),
    st.sampled_from([1, 4]),
    st.booleans(),
    st.sampled_from(["resource-aware", "galaxy", "single"]),
)
@settings(max_examples=15)
def test_no_policy_is_faster_than_amdahls_law(seed: int, shards: int, sharded: bool, policy: str) -> None:
    world = World(devices=5, shape="paper-8x512", tokens=3, ffn_shards=shards, sharded=sharded)
    scenario = draw(world, seed)
    result = simulate(scenario, policies.create(policy))
    assert result.tokens["latency_s"].sum() >= bound_seconds(world, scenario) * (1 - 1e-9)
    assert bound_seconds(world, scenario) <= alone_seconds(world, scenario) * (1 + 1e-9)


def test_one_device_without_links_takes_what_it_would_take_alone() -> None:
    world = World(devices=1, tokens=3, load=0.0, memory_load=0.0)
    scenario = draw(world, 1)
    result = simulate(scenario, OneDevice("slowest"))
    assert result.tokens["latency_s"].sum() == pytest.approx(alone_seconds(world, scenario))
    assert bound_seconds(world, scenario) == pytest.approx(alone_seconds(world, scenario))


def test_the_slowest_device_that_has_room_is_taken_and_kept() -> None:
    scenario = draw(World(devices=4, tokens=3), 2)
    result = simulate(scenario, OneDevice("slowest"))
    slowest = scenario.cluster.names[int(scenario.cluster.flops.argmin())]
    assert set(result.placements["device"]) == {slowest}
    assert list(result.decisions["outcome"]) == ["adopted", "kept", "kept"]
    tight = draw(World(devices=4, tokens=3, memory_fill=0.9), 2)
    assert simulate(tight, OneDevice("slowest")).runs["status"][0] == "infeasible"


@pytest.mark.parametrize("swap", ["pinned", "lru"])
def test_a_model_that_is_too_large_for_its_device_reads_the_rest_from_disk(swap: Swap) -> None:
    """All blocks on the source, no load: D_T = work / speed + bytes that do not fit (`lru`: all bytes) / disk rate."""
    world = World(
        devices=3, shape="paper-8x512", tokens=4, load=0.0, memory_load=0.0, source="fastest",
        memory_fill=0.8, overflow="swap", swap=swap, disk_bytes_per_s=2e6,
    )  # fmt: skip
    scenario = draw(world, 3)
    memory = scenario.cluster.memory_bytes[scenario.cluster.source_index]
    sizes = np.array([model_bytes(world, token) for token in range(4)])
    assert (sizes > memory).all()
    result = simulate(scenario, OneDevice("fastest", overflow=True))
    read = sizes - memory if swap == "pinned" else sizes
    np.testing.assert_allclose(result.tokens["disk_s"], read / 2e6)
    assert result.tokens["latency_s"].sum() == pytest.approx(
        alone_seconds(world, scenario) + read.sum() / 2e6
    )
    assert simulate(scenario, OneDevice("fastest")).runs["status"][0] == "infeasible"


def test_where_most_memory_is_means_available_memory() -> None:
    scenario = draw(World(devices=5, tokens=1, memory_fill=0.8, overflow="swap"), 4)
    result = simulate(scenario, OneDevice("most memory", overflow=True))
    (device,) = set(result.placements["device"])
    assert device == result.devices.set_index("device")["available_bytes"].idxmax()


@pytest.mark.parametrize(
    ("group", "layers", "places"),
    [
        # Heads 0-7, projection, feed-forward network.
        (1, 1, [["d0"] * 8, ["d1"], ["d1"]]),
        (2, 1, [["d0"] * 4 + ["d1"] * 4, ["d2"], ["d3"]]),
        (1, 3, [["d0"] * 8 + ["d1"] * 16, ["d0", "d1", "d1"], ["d0", "d1", "d1"]]),
        (2, 2, [["d0"] * 4 + ["d1"] * 4 + ["d2"] * 4 + ["d3"] * 4, ["d0", "d2"], ["d1", "d3"]]),
    ],
)
def test_equal_parts_are_on_devices_in_the_order_of_their_list(
    group: int, layers: int, places: list[list[str]]
) -> None:
    scenario = draw(World(devices=5, shape="paper-8x512", layers=layers, tokens=2), 1)
    placement = simulate(scenario, EqualParts(group)).placements.set_index("block")["device"]
    table = scenario.block_table
    for kind, expected in zip((Kind.HEAD, Kind.PROJ, Kind.FFN), places, strict=True):
        rows = np.flatnonzero(table.kind == kind)
        assert [placement[table.names[row]] for row in rows] == expected


def test_a_plan_without_memory_check_is_the_plan_for_large_devices() -> None:
    tight = draw(World(devices=4, shape="paper-8x512", tokens=2, memory_fill=0.9, overflow="swap"), 5)
    ample = draw(World(devices=4, shape="paper-8x512", tokens=2, overflow="swap"), 5)
    edgeshard = policies.create("edgeshard")
    assert simulate(tight, edgeshard).runs["status"][0] == "infeasible"
    unchecked, checked = simulate(tight, MemoryUnchecked(edgeshard)), simulate(ample, edgeshard)
    assert unchecked.placements["device"].tolist() == checked.placements["device"].tolist()
    assert unchecked.tokens["disk_s"].sum() > 0.0


@given(st.integers(0, 1000))
@settings(max_examples=10)
def test_a_barred_source_has_no_block(seed: int) -> None:
    scenario = draw(World(devices=3, shape="paper-8x512", tokens=3, source="fastest"), seed)
    result = simulate(scenario, SourceBarred(policies.create("resource-aware")))
    assert scenario.cluster.source not in set(result.placements["device"])


@given(st.lists(st.floats(0.0, 100.0), min_size=1, max_size=7), st.data())
@settings(max_examples=30)
def test_the_expected_largest_value_is_the_mean_over_all_choices(
    values: list[float], data: st.DataObject
) -> None:
    count = data.draw(st.integers(1, len(values)))
    largest = np.mean([max(chosen) for chosen in combinations(values, count)])
    assert author_baselines.expected_largest(np.array(values), count) == pytest.approx(float(largest))


def test_a_token_is_compared_with_the_same_token_of_the_same_world() -> None:
    rows = [
        ("v", world, policy, token, delay_s)
        for world in (0, 1)
        for policy, factor in (("resource-aware", 1.0), ("galaxy", 3.0 + world))
        for token, delay_s in enumerate(factor * np.array([1.0, 2.0]))
    ]
    tokens = pd.DataFrame(rows, columns=["variant", "world", "policy", "token", "delay_s"])
    assert author_baselines.token_ratios(tokens)["ratio"].tolist() == [1.0, 1.0, 3.0, 3.0, 1.0, 1.0, 4.0, 4.0]


def test_many_layers_take_6_to_7_gigabytes_wherever_they_are(tiny: dict[str, Tables]) -> None:
    assert model_bytes(World(devices=1, layers=16, tokens=1000)) > 6.1e9
    assert model_bytes(World(devices=1, layers=18, tokens=1000)) < 7.0e9
    runs = tiny["many-layers"].runs
    total = model_bytes(World(devices=1, layers=many_layers.LAYERS, tokens=2))
    np.testing.assert_allclose(runs["total_bytes"], total)
    np.testing.assert_allclose(runs["mean_bytes"] * runs["devices_in_use"], total)
    assert (runs["used_bytes"] > total).all()
    assert (runs["peak_bytes"] <= total * (1 + 1e-12)).all()


def test_layers_add_up() -> None:
    one, three = World(devices=2, tokens=2), World(devices=2, tokens=2, layers=3)
    assert model_bytes(three) == pytest.approx(3 * model_bytes(one))
    assert alone_seconds(three, draw(three, 1)) == pytest.approx(3 * alone_seconds(one, draw(one, 1)))


def test_the_tables_are_the_same_for_any_number_of_processes(tmp_path: Path) -> None:
    todo = [replace(case, seeds=(0, 1), choices=POLICIES[:4]) for case in cases("small", TINY)[:2]]
    written = []
    for workers in (1, 2):
        results = run_all(todo, workers=workers)
        page.write("small", results, tmp_path / f"{workers}")
        written.append({path.name: path.read_bytes() for path in (tmp_path / f"{workers}").iterdir()})
    assert written[0].keys() == written[1].keys()
    for name in written[0].keys() - {"small-timings.parquet"}:
        assert written[0][name] == written[1][name], name


def test_every_policy_meets_every_world(tiny: dict[str, Tables]) -> None:
    runs = tiny["small"].runs
    labels = {choice.label for choice in POLICIES}
    assert set(runs.groupby(["variant", "world"])["policy"].agg(set).map(frozenset)) == {frozenset(labels)}
    assert runs["variant"].nunique() == 3
    assert not runs.duplicated(["variant", "world", "policy"]).any()


def test_rows_of_a_run_agree_with_each_other(tiny: dict[str, Tables]) -> None:
    medium = tiny["medium"]
    assert (medium.runs["tokens"] == 4).all()
    total = medium.tokens.groupby(["world", "policy"])["delay_s"].sum()
    np.testing.assert_allclose(
        medium.runs.set_index(["world", "policy"])["delay_s"].sort_index(), total.sort_index()
    )
    parts = ["compute_s", "transfer_s", "disk_s", "migration_s"]
    np.testing.assert_allclose(medium.runs[parts].sum(axis=1), medium.runs["delay_s"])
    assert (medium.runs["peak_bytes"] <= medium.runs["total_bytes"] * (1 + 1e-12)).all()
    # What a model holds in all does not depend on where.
    assert np.ptp(medium.runs["total_bytes"]) <= 1e-9 * medium.runs["total_bytes"].max()


def test_the_optimum_is_no_further_from_the_optimum_than_nothing(tiny: dict[str, Tables]) -> None:
    gaps = tables.decision_gaps(tiny["small"].decisions)
    assert gaps["gap"].min() >= -1e-9
    assert gaps["gap"][gaps["policy"] == "exact"].abs().max() <= 1e-9
    assert (gaps["compared"] == gaps["all"]).all()


def test_runs_that_ended_are_counted_and_never_averaged() -> None:
    """Of three worlds the second ended early: it is in no ratio, and the cell and the table of endings say so."""
    runs = pd.DataFrame(
        {
            "variant": "v",
            "world": [0, 0, 1, 1, 2, 2],
            "policy": ["resource-aware", "greedy"] * 3,
            "status": ["complete", "complete", "complete", "out-of-memory", "complete", "complete"],
            "delay_s": [1.0, 2.0, 1.0, 0.1, 1.0, 2.0],
            "tokens": [5, 5, 5, 1, 5, 5],
            "decisions": 5,
            "infeasible_decisions": [0, 0, 0, 2, 0, 0],
        }
    )
    ratio = cells.ratios(runs, "resource-aware")
    greedy = ratio["ratio"][ratio["policy"] == "greedy"]
    assert greedy.isna().tolist() == [False, True, False]
    assert cells.cell(greedy, cells.times) == "2.00 (2.00–2.00), 2 of 3"
    assert cells.cell(greedy * np.nan, cells.times) == "none of 3"
    row = cells.ended(runs).to_dict("records")
    assert row == [
        {
            "world": "v",
            "policy": "greedy",
            "runs": "3",
            "ended early": "1 out-of-memory",
            "tokens made, median": "5",
            "infeasible decisions": "2 of 15",
        }
    ]
    assert "all 2 completed" in str(cells.ended(runs[:2]).iloc[0, 0])


def test_decisions_that_do_not_fit_are_in_no_gap() -> None:
    decisions = pd.DataFrame(
        {
            "variant": "v",
            "world": 0,
            "policy": "p",
            "token": [0, 1, 2],
            "predicted_s": [1.2, np.nan, 1.0],
            "optimum_s": [1.0, 1.0, np.inf],
            "moved": 0,
            "best_moved": 0,
        }
    )
    (row,) = tables.decision_gaps(decisions).to_dict("records")
    assert row["gap"] == pytest.approx(0.2)
    assert (row["compared"], row["all"]) == (1, 3)


def test_scarce_memory_ends_layer_wise_runs_and_is_shown(tiny: dict[str, Tables]) -> None:
    shown = tables.sensitivity(tiny["sensitivity"])["sensitivity-ended"]
    layered = shown[(shown["policy"] == "edgeshard") & shown["world"].str.startswith("memory half full")]
    assert layered["ended early"].str.contains("infeasible").all()
    assert len(layered)


def test_the_reported_intervals_hold_their_medians(tiny: dict[str, Tables]) -> None:
    shown = tables.small(tiny["small"])["small-decisions"]
    for text in shown.drop(columns="policy").to_numpy().ravel():
        found = re.fullmatch(r"(-?[\d.]+) % \((-?[\d.]+)–(-?[\d.]+)\)", text)
        assert found is not None, text
        value, low, high = map(float, found.groups())
        assert low <= value <= high


def test_a_page_gets_its_tables_and_figures_and_keeps_its_prose(
    tiny: dict[str, Tables], tmp_path: Path
) -> None:
    book = tmp_path / "book.md"
    book.write_text((DOCS / "paper.md").read_text(encoding="utf-8"), encoding="utf-8")
    written = [page.write(name, tiny[name], tmp_path / "out") for name in experiments.EXPERIMENTS]
    page.fill(book, written, tmp_path / "out")
    before, after = (DOCS / "paper.md").read_text(encoding="utf-8"), book.read_text(encoding="utf-8")
    assert page.regions(before) == {name for part in written for name in part.tables}
    for part in written:
        for text in part.tables.values():
            assert text in after
    prose = re.compile(r"(<!-- table:[\w-]+ -->).*?(<!-- end -->)", re.DOTALL)
    assert prose.sub(r"\1\2", before) == prose.sub(r"\1\2", after)
    drawn = {f"{name}.svg" for part in written for name in part.figures}
    assert {path.name for path in (tmp_path / "images").iterdir()} == drawn
    assert set(re.findall(r"images/(paper-[\w-]+\.svg)", before)) == drawn
    assert drawn <= {path.name for path in (DOCS / "images").iterdir()}


def headway(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [*map(str, arguments)])
    return done.exit_code, done.stderr if done.exit_code else done.stdout


def test_the_command_runs_an_experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiments, "QUICK", TINY)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep me")
    code, printed = headway("paper", "small", "--quick", "--workers", 1, "--out", tmp_path / "out")
    assert (code, printed) == (0, f"Results: {tmp_path / 'out'}\n")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"mine.txt", "small-runs.parquet", "small-decisions.md", "paper-small-gap.svg"} <= names
    assert not any(name.startswith("medium") for name in names)
    code, printed = headway("paper", "small", "--quick", "--workers", 1, "--out", tmp_path / "out")
    assert (code, "got a folder with results" in printed) == (2, True)


def test_results_of_the_same_experiment_are_replaced_only_on_demand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    default = Path("results/paper")
    for chosen, number in (("small", ""), ("medium", ""), ("all", "-2")):
        folder, replaced = page.choose_folder(None, experiments.chosen(chosen), replace=False)
        assert (folder, replaced) == (Path(f"results/paper{number}"), False)
        default.mkdir(parents=True, exist_ok=True)
        (default / f"{chosen}-runs.parquet").touch()
    assert page.choose_folder(None, ["small"], replace=True) == (default, True)
    with pytest.raises(InputError, match="a folder with results"):
        page.choose_folder(default, ["medium"], replace=False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["large"], ["large", "small"]),
        (["smal"], ["smal", "small"]),
        (["small", "--page", "nowhere.md"], ["--page", "nowhere.md"]),
        (["small", "--out", "file/below"], ["file"]),
    ],
)
def test_mistakes_are_told_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("headway.analysis.paper.runs.run_all", lambda *_, **__: pytest.fail("something ran"))
    code, told = headway("paper", "--quick", *arguments)
    assert code == 2
    assert told.startswith("headway: ")
    assert all(word in told for word in words)


def test_a_page_without_a_region_is_refused(tiny: dict[str, Tables], tmp_path: Path) -> None:
    (tmp_path / "empty.md").write_text("nothing here\n")
    written = page.write("small", tiny["small"], tmp_path / "out")
    with pytest.raises(InputError, match="small-decisions"):
        page.fill(tmp_path / "empty.md", [written], tmp_path / "out")


def test_progress_is_told_after_every_world() -> None:
    done: list[int] = []
    case = Case(
        variant="v",
        world=World(devices=2, shape="paper-8x512", tokens=2),
        seeds=(0, 1, 2),
        choices=POLICIES[1:2],
    )
    run_all([case], progress=lambda: done.append(1))
    assert len(done) == 3

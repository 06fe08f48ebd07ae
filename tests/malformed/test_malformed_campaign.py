"""Malformed campaigns and studies: each is planned and made, or refused in one sentence."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from campaigns import CAMPAIGN, LAB, make, planned, write
from fuzzing import Some, attempt, broken, clean, command, damaged, examine, refused, yaml_of
from hypothesis import given
from hypothesis import strategies as st

from headway.analysis.experiments import Store, read_campaign
from headway.analysis.whatif.runs import prepare
from headway.analysis.whatif.study import read_study
from headway.simcore.files.yaml_document import read_document

MOST_RUNS = 40
"""Of a campaign that is worth being made here."""
MOST_WORLDS = 200

CAMPAIGNS: Some[Any] = Some(
    [
        yaml.safe_load(CAMPAIGN),
        {
            "campaign": 1,
            "name": "other",
            "description": "text",
            "scenario": "lab.yaml",
            "changes": ["links.cable.bandwidth*0.5", "shift-trace 1 s"],
            "axes": {
                "product": {
                    "where": {"variants": {"near": [], "far": ["links.cable.latency=9 ms"]}},
                    "both": {"path": ["devices.desk.compute", "devices.shelf.compute"], "factors": [0.5, 2]},
                }
            },
            "policies": ["greedy", {"name": "resource-aware", "label": "ours", "parameters": {"deadline_s": 1}}],
            "seeds": [3, 5],
            "keep": ["runs", "tokens", "decisions"],
        },
        {"scenario": "home-cluster", "replications": 2, "seed": 7, "policies": ["static"]},
    ]
)  # fmt: skip
STUDIES: Some[Any] = Some(
    [
        {
            "base": "lab.yaml",
            "changes": ["links.cable.bandwidth*0.5"],
            "variants": {"slow": ["links.cable.bandwidth*0.5"], "alone": ["drop devices.shelf"]},
            "policies": ["greedy"],
            "replications": 2,
            "seed": 3,
        },
        {"base": "lab.yaml", "sweep": "links.cable.bandwidth*0.5,1,2", "replications": 2},
    ]
)


@pytest.mark.parametrize(
    "asked",
    [
        "replications: 1000000000000",
        "replications: 100000\naxes: {product: {a: {path: seed, values: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]}}}",
        "replications: 2\naxes:\n  product:\n"
        + "".join(
            f"    a{i}: {{path: seed, values: [{', '.join(map(str, range(99)))}]}}\n" for i in range(9)
        ),
    ],
)
def test_a_campaign_of_too_many_runs(asked: str, tmp_path: Path) -> None:
    write(tmp_path)
    path = write(tmp_path, f"scenario: lab.yaml\n{asked}\n")
    message = refused("sweep", "plan", path, "--store", tmp_path / "store")
    assert "1,000,000" in message or "1000000" in message


def test_a_study_of_too_many_worlds_and_a_command_of_too_many_processes(tmp_path: Path) -> None:
    write(tmp_path)
    path = tmp_path / "lab.yaml"
    change = ("--set", "workload.0.output=3")
    assert "10000" in refused("whatif", path, *change, "--replications", 10**12)
    for asked in (["whatif", path, *change], ["paper"], ["sweep", "run", "weaker-wifi"]):
        code, message = command(*asked, "--workers", 10**9)
        assert code == 2
        assert "--workers" in message


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("fuzz")
    write(place)
    return place


def encoded(tree: Any) -> bytes:
    return yaml_of(tree).encode("utf-8", "replace")


def files(trees: Some[Any]) -> st.SearchStrategy[bytes]:
    return damaged(trees, 1).map(encoded) | broken(Some([encoded(tree) for tree in trees]), 1)


def check_campaign(folder: Path, data: bytes, lab: bytes = LAB.encode()) -> int:
    """What can be read and planned can be made, and every run is in the store or has an error there: how many."""
    (folder / "lab.yaml").write_bytes(lab)
    path = folder / "campaign.yaml"
    path.write_bytes(data)
    with clean(folder, folder / "cases.parquet"):
        campaign = attempt(lambda: read_campaign(path), str(folder), "change", "axis", "axes", "keep", "seed")
        if campaign is None or campaign.points * len(campaign.seeds) > MOST_WORLDS:
            return 0
        plan = attempt(lambda: planned(campaign, folder))
    if plan is None or plan.runs > MOST_RUNS or campaign.scenario != folder / "lab.yaml":
        return 0
    store = Store(folder.parent / f"store-{len(list(folder.parent.iterdir()))}")
    tally = make(campaign, folder, store)
    assert tally.done + tally.failed == tally.total
    assert make(campaign, folder, store).done == 0
    return tally.total


def fuzz_campaign(folder: Path) -> Any:
    @given(data=files(CAMPAIGNS))
    def check(data: bytes) -> None:
        check_campaign(folder, data)

    return check


def fuzz_its_scenario(folder: Path) -> Any:
    """The scenario is damaged, and the campaign whole."""

    @given(number=st.integers(0, 1), data=files(Some([yaml.safe_load(LAB)])))
    def check(number: int, data: bytes) -> None:
        check_campaign(folder, encoded(CAMPAIGNS[number]), data)

    return check


def fuzz_study(folder: Path) -> Any:
    @given(data=files(STUDIES))
    def check(data: bytes) -> None:
        (folder / "lab.yaml").write_text(LAB)
        path = folder / "study.yaml"
        path.write_bytes(data)
        with clean(folder):
            study = attempt(lambda: read_study(read_document(path)), str(folder), "variants", "sweep", "seed")
            if study is not None and study.replications <= MOST_WORLDS:
                attempt(lambda: prepare(study))

    return check


FUZZ = {fuzz_campaign: 30, fuzz_its_scenario: 15, fuzz_study: 60}
"""Every kind of file, with the examples of a quick run."""


def test_undamaged_files_are_used(folder: Path) -> None:
    assert [check_campaign(folder, encoded(tree)) for tree in CAMPAIGNS] == [36, 16, 0]
    for tree in STUDIES:
        (folder / "study.yaml").write_bytes(encoded(tree))
        prepare(read_study(read_document(folder / "study.yaml")))


@pytest.mark.parametrize("times", [1, pytest.param(50, marks=pytest.mark.thorough)])
@pytest.mark.parametrize("fuzz", FUZZ, ids=lambda fuzz: fuzz.__name__)
def test_a_damaged_file_is_used_or_refused_in_one_message(fuzz: Any, times: int, folder: Path) -> None:
    examine(fuzz(folder), times * FUZZ[fuzz], at_random=times > 1)

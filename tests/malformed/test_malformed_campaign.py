"""Malformed campaigns, studies and questions of `headway whatif`: each is used, or refused in one sentence."""

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


CAMPAIGN_MISTAKES = [
    ("scenario: lab.yaml", "scenario: nowhere.yaml", ["asked.yaml:2: ", "scenario", "'nowhere.yaml'", "home-cluster"]),
    ("replications: 3", "replications: 0", ["asked.yaml:10: ", "replications", "0"]),
    ("replications: 3", "seeds: [1, 1]", ["seeds", "no seed twice"]),
    ("replications: 3", "", ["asked.yaml:1: ", "neither seeds nor replications"]),
    ("replications: 3", "replications: 3\nseeds: [1]", ["asked.yaml:1: ", "seeds and replications"]),
    ("replications: 3", "seeds: [1]\nseed: 3", ["asked.yaml:11: ", "seed"]),
    ("replications: 3", "repetitions: 3", ["asked.yaml:10: ", "'repetitions'", "replications"]),
    ("replications: 3", "replications: 3\nkeep: [token]", ["keep", "tokens"]),
    ("factors: [0.5, 1, 2]", "factors: [0.5, 0.5]", ["asked.yaml:5: ", "axes.product.cable", "no level twice"]),
    ("factors: [0.5, 1, 2]", "factors: [-1]", ["asked.yaml:5: ", "axes.product.cable.factors.0"]),
    ("factors: [0.5, 1, 2]", "steps: [1]", ["asked.yaml:5: ", "'steps'"]),
    ("factors: [0.5, 1, 2]", "factors: [1], values: [2]", ["asked.yaml:5: ", "factors, values", "variants"]),
    ("path: links.cable.bandwidth, ", "", ["asked.yaml:5: ", "path with factors"]),
    ("links.cable", "links.cabel", ["asked.yaml:5: ", "cable"]),
    ("values: [4, 8]", "values: [4, 8, 9]", ["zip", "3 in prompt, 2 in output"]),
    ("values: [4, 8]", "values: [4, none]", ["asked.yaml:7: ", "workload.0.prompt"]),
    ("cable: {", "policy: {", ["'policy'"]),
    ("[greedy, ", "[greedy, greedy, ", ["asked.yaml:9: ", "policies.1", "labelled"]),
    ("[greedy, ", "[gredy, ", ["asked.yaml:9: ", "policies.0", "greedy"]),
]  # fmt: skip
"""Texts in `CAMPAIGN`, other texts in their places, and parts of the message."""
PRODUCT = "replications: 2\naxes:\n  product:\n"
TOO_MANY = [
    ("replications: 1000000000000", ["1000000"]),
    (
        f"replications: 100000\naxes: {{product: {{a: {{path: seed, values: {[*range(1, 12)]}}}}}}}",
        ["1,000,000"],
    ),
    (
        PRODUCT + "".join(f"    a{i}: {{path: seed, values: {[*range(99)]}}}\n" for i in range(9)),
        ["1,000,000"],
    ),
]
"""What campaigns ask for, and parts of the message."""
STUDY_MISTAKES = [
    ("base: nowhere.yaml\nvariants: {a: [seed=1]}\n", ["nowhere.yaml", "no such file"]),
    ("base: lab.yaml\nvarants: {a: [seed=1]}\n", ["asked.yaml:2: varants", "did you mean 'variants'?"]),
    ("base: lab.yaml\nvariants:\n  a:\n  - sed=1\n", ["asked.yaml:4: variants.a.0: sed: got", "'seed'"]),
    ("base: lab.yaml\nvariants: {a: seed=1}\n", ["asked.yaml:2: variants.a", "a list"]),
    ("base: lab.yaml\nvariants: {a: []}\n", ["the variant 'a' without a change"]),
    ("base: lab.yaml\nsweep: seed\n", ["asked.yaml:2: sweep: got 'seed'"]),
    ("base: lab.yaml\nsweep: seed=1,2\nvariants: {a: [seed=1]}\n", ["sweep: got both variants and a sweep"]),
    ("base: lab.yaml\nsweep: seed=1,2\nreplications: 0\n", ["asked.yaml:3: replications: got 0"]),
    ("base: lab.yaml\nsmallest_difference: 2\n", ["asked.yaml:2: smallest_difference: got 2", "from 0 to 1"]),
    ("base: lab.yaml\nsweep: seed=1,2\npolicies: wizard\n", ["asked.yaml:3: policies", "a list"]),
]  # fmt: skip
"""Studies, and parts of the message."""
WHATIF_MISTAKES = [
    (["--set", "devices.dosk.memory=1 GB"], ["--set devices.dosk.memory=1 GB: got no key 'dosk'", "'desk'"]),
    (["--drop", "devices.desk"], ["--drop devices.desk: got 'desk', the source"]),
    (["--drop", "devices.desk=3"], ["--drop devices.desk=3: got"]),
    (["--shift-trace", "soon"], ["--shift-trace soon: got"]),
    (["--variant", "seed=3"], ["--variant: got 'seed=3'", "a label and changes"]),
    (["--variant", "a: sed=3"], ["--variant a: sed=3: sed: got the unknown key 'sed'", "did you mean 'seed'?"]),
    (["--variant", "a:"], ["--variant a:", "PATH=VALUE"]),
    (["--variant", "base: seed=3"], ["the label 'base'"]),
    (["--variant", "a: seed=3", "--variant", "a: seed=4"], ["--variant: got a second variant 'a'"]),
    (["--sweep", "seed=1,2", "--variant", "a: seed=3"], ["sweep: got both variants and a sweep"]),
    (["--sweep", "seed=1"], ["--sweep seed=1: got '1'", "two or more"]),
    (["--sweep", "drop seed"], ["--sweep drop seed: got", "PATH*FACTOR,FACTOR"]),
    (["--sweep", "links.cable.bandwidth*1,x"], ["a factor such as 0.5"]),
    (["--policy", "greedy"], ["whatif: got nothing to compare"]),
    (["--policy", "wizard", "--set", "seed=1"], ["wizard", "resource-aware"]),
    (["--set", "seed=1", "--smallest-difference", "big"], ["--smallest-difference: got 'big'", "a fraction"]),
    (["--set", "seed=1", "--smallest-difference", "2"], ["--smallest-difference: got '2'", "from 0 to 1"]),
    (["--set", "seed=1", "--replications", "1000000000000"], ["10000"]),
    (["--set", "seed=1", "--out", "mine"], ["mine: got a folder with thesis.tex"]),
]  # fmt: skip
"""Arguments of `headway whatif lab.yaml`, and parts of the message."""


PLAN = ["sweep", "plan", "asked.yaml", "--store", "store"]
MISTAKES = [
    *((PLAN, CAMPAIGN.replace(old, new), words) for old, new, words in CAMPAIGN_MISTAKES),
    *((PLAN, f"scenario: lab.yaml\n{asked}\n", words) for asked, words in TOO_MANY),
    *((["whatif", "asked.yaml"], study, words) for study, words in STUDY_MISTAKES),
    *((["whatif", "lab.yaml", *arguments], "", words) for arguments, words in WHATIF_MISTAKES),
]
"""A command, the text of `asked.yaml`, and parts of the message."""


@pytest.mark.parametrize(("arguments", "text", "words"), MISTAKES, ids=range(len(MISTAKES)))
def test_a_malformed_campaign_study_or_question_is_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], text: str, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    Path("asked.yaml").write_text(text)
    Path("mine").mkdir()
    Path("mine", "thesis.tex").write_text("mine")
    with clean(tmp_path):
        message = refused(*arguments)
    assert all(word in message for word in words), message


def test_texts_that_mistakes_replace_are_in_the_campaign() -> None:
    assert all(old in CAMPAIGN for old, *_ in CAMPAIGN_MISTAKES)


def test_a_command_of_too_many_processes_is_a_usage_error(tmp_path: Path) -> None:
    write(tmp_path)
    for asked in (
        ["whatif", tmp_path / "lab.yaml", "--set", "workload.0.output=3"],
        ["paper"],
        ["sweep", "run", "weaker-wifi"],
    ):
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
        path = folder / "asked.yaml"
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
        (folder / "asked.yaml").write_bytes(encoded(tree))
        prepare(read_study(read_document(folder / "asked.yaml")))


@pytest.mark.parametrize("times", [1, pytest.param(50, marks=pytest.mark.thorough)])
@pytest.mark.parametrize("fuzz", FUZZ, ids=lambda fuzz: fuzz.__name__)
def test_a_damaged_file_is_used_or_refused_in_one_message(fuzz: Any, times: int, folder: Path) -> None:
    examine(fuzz(folder), times * FUZZ[fuzz], at_random=times > 1)

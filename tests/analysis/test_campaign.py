"""Laws of campaign files, of the names of runs, of stores and their locks."""

import errno
import fcntl
import importlib
import os
import random
import re
import shutil
import signal
import socket
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from campaigns import LAB, ONE_SEED, RUNS, apart, fake, known, make, planned, rows, small, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from headway import policies
from headway.analysis.cli import app
from headway.analysis.experiments import (
    Campaign,
    Store,
    factors,
    identity,
    read_campaign,
    shipped_campaign,
    shipped_campaigns,
    values,
    variants,
)
from headway.analysis.experiments.campaign_file import AxesSection, AxisSection, CampaignFile
from headway.analysis.experiments.identity import digest, model_of, policy_digest, run_id
from headway.analysis.experiments.status import campaign_status, other_models
from headway.analysis.statistics.metrics import metrics
from headway.analysis.store import index, parts
from headway.analysis.store.lock import holder_of
from headway.analysis.store.tables import METRICS, STORED
from headway.simcore import (
    MODEL_VERSION,
    TABLES,
    DecodeCost,
    PolicyChoice,
    load_scenario,
    registry,
    shipped_scenario,
    simulate,
)
from headway.simcore.engine.network.network import SharingRule
from headway.simcore.files.load import open_scenario
from headway.traces import InputError

SHARED_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


# The file


def test_a_campaign_is_every_level_with_every_other_and_zipped_axes_advance_together(tmp_path: Path) -> None:
    campaign = small(tmp_path)
    plan = planned(campaign, tmp_path)
    cases = pq.read_table(plan.path).to_pandas()
    assert plan.runs == len(cases) == RUNS == len(set(cases["run"]))
    assert list(cases["number"]) == list(range(RUNS))
    assert set(zip(cases["prompt"], cases["output"], strict=True)) == {(4.0, 5.0), (8.0, 6.0)}
    for column, levels in {
        "cable": {0.5, 1.0, 2.0},
        "policy": {"greedy", "in-turn"},
        "seed": {3, 4, 5},
    }.items():
        assert set(cases[column]) == levels
        assert set(cases.groupby(column).size()) == {RUNS // len(levels)}
    assert cases["changes"][0] == "links.cable.bandwidth*0.5; workload.0.prompt=4; workload.0.output=5"


def test_a_campaign_from_python_is_the_one_from_a_file(tmp_path: Path) -> None:
    campaign = Campaign(
        name="small",
        scenario=write(tmp_path).with_name("lab.yaml"),
        seeds=(3, 4, 5),
        product={"cable": factors("links.cable.bandwidth", [0.5, 1, 2])},
        zipped={
            "prompt": values("workload.0.prompt", [4, 8]),
            "output": values("workload.0.output", [5, 6]),
        },
        policies=(
            PolicyChoice(name="greedy", label="greedy"),
            PolicyChoice(name="round-robin", label="in-turn"),
        ),
    )
    one = pq.read_table(planned(campaign, tmp_path).path)
    assert one.equals(pq.read_table(planned(small(tmp_path), tmp_path).path))


def test_several_paths_and_named_variants_make_one_axis_each(tmp_path: Path) -> None:
    write(tmp_path)
    campaign = Campaign(
        name="both",
        scenario=tmp_path / "lab.yaml",
        seeds=(1,),
        product={
            "speed": factors(["devices.desk.compute", "devices.shelf.compute"], [0.5, 2]),
            "machines": variants({"both": [], "one": ["drop devices.shelf"]}),
        },
    )
    points = list(campaign.at())
    assert [dict(point.labels) for point in points] == [
        {"speed": 0.5, "machines": "both"},
        {"speed": 0.5, "machines": "one"},
        {"speed": 2.0, "machines": "both"},
        {"speed": 2.0, "machines": "one"},
    ]
    assert [change.text for change in points[3].changes] == [
        "devices.desk.compute*2",
        "devices.shelf.compute*2",
        "drop devices.shelf",
    ]


@pytest.mark.parametrize("level", [0.125, 1.0])
def test_every_kind_of_link_carries_activations_in_the_shipped_campaign(level: float) -> None:
    """The campaign varies the bandwidth of all links, so each of them must matter under one of its policies."""
    campaign = read_campaign(shipped_campaign("weaker-wifi"))
    changes = [*campaign.product["wifi"].levels[level], "workload.0.output=100"]
    world = load_scenario(campaign.scenario, changes=changes)
    links = pd.concat(simulate(world, policies.from_choice(choice)).links for choice in campaign.policies)
    sizes = links["size_bytes"].groupby(links["link"].str.split(":").str[0]).sum()
    assert set(sizes.index) == {"near", "far", "fading"}
    assert sizes.min() > 200_000


def test_shipped_campaigns_can_be_planned_and_one_has_a_thousand_different_runs() -> None:
    sizes = []
    for name in shipped_campaigns():
        campaign = read_campaign(shipped_campaign(name))
        worlds = {
            digest(load_scenario(campaign.scenario, seed=campaign.seeds[0], changes=point.changes))
            for point in campaign.at()
        }
        assert len(worlds) == campaign.points
        sizes.append(campaign.points * len(campaign.seeds) * len(campaign.policies))
    assert max(sizes) >= 1000


def test_every_key_is_explained() -> None:
    page = (Path(__file__).parents[2] / "docs" / "campaigns.md").read_text()
    for section in (CampaignFile, AxesSection, AxisSection):
        for key in section.model_fields:
            assert re.search(rf"`(\w+\.)?{key}`|{{{key}:|, {key}:", page), key
    for name in set(STORED) - set(TABLES):
        assert f"| `{name}` |" in page


# The names of runs

Edit = Callable[[dict[str, Any], random.Random], None]


def put(path: str, value: object) -> Edit:
    def edit(document: dict[str, Any], _: random.Random) -> None:
        *above, last = path.split(".")
        at: Any = document
        for part in above:
            at = at[int(part)] if isinstance(at, list) else at[part]
        at[last] = value

    return edit


def shuffle(document: dict[str, Any], chance: random.Random) -> None:
    """Another order of keys, but of those that are names."""
    for section in (document, *document["devices"].values(), *document["links"].values()):
        items = list(section.items())
        chance.shuffle(items)
        section.clear()
        section.update(items)


def reverse_devices(document: dict[str, Any], _: random.Random) -> None:
    document["devices"] = dict(reversed(document["devices"].items()))


COSMETIC: dict[str, Edit] = {
    "order of keys": shuffle,
    "name": put("name", "another"),
    "description": put("description", "said better"),
    "policies": put("policies", ["static"]),
    "unit of a size": put("devices.desk.memory", "0.1 GB"),
    "unit of a speed": put("devices.desk.compute", "10000 MFLOP/s"),
    "unit of a mean": put("links.cable.bandwidth.walk_mean", "12.5 MB/s"),
    "a default": put("devices.desk.overhead", "0 s"),
    "a default section": put("controller", {"interval": 1, "window": "1 s"}),
    "a neutral scale": put("devices.shelf.availability.scale", 1.0),
    "version": put("headway", 1),
}
"""What changes nothing that is simulated."""

MEANT: dict[str, Edit] = {
    "seed": put("seed", 4),
    "memory": put("devices.desk.memory", "99 MB"),
    "compute": put("devices.shelf.compute", "5.1 GFLOP/s"),
    "overhead": put("devices.shelf.overhead", "1 us"),
    "discipline": put("devices.desk.discipline", "ps"),
    "trace": put("devices.shelf.availability.file", "other.csv"),
    "shift": put("devices.shelf.availability.shift", "1 s"),
    "order of devices": reverse_devices,
    "source": put("source", "shelf"),
    "latency": put("links.cable.latency", "1 ms"),
    "sigma": put("links.cable.bandwidth.sigma", 0.51),
    "layers": put("model.shape.layers", 3),
    "cost": put("cost", {"model": "paper"}),
    "prompt": put("workload.0.prompt", 5),
    "interval": put("controller", {"interval": 2}),
    "overflow": put("memory", {"overflow": "fail"}),
    "weights": put("model.bytes_per_weight", 1.0),
}
"""What may change a result. The overflow rule is the default one: it belongs to the others, and is here to be told."""
COSMETIC["the default rule"] = MEANT.pop("overflow")


def world_digest(folder: Path, document: dict[str, Any], comment: str = "") -> str:
    path = folder / "edited.yaml"
    path.write_text(f"# {comment}\n{yaml.safe_dump(document, sort_keys=False)}")
    return digest(load_scenario(path))


@SHARED_FOLDER
@given(
    cosmetic=st.lists(st.sampled_from(sorted(COSMETIC)), unique=True),
    meant=st.lists(st.sampled_from(sorted(MEANT)), unique=True, max_size=2),
    chance=st.randoms(use_true_random=False),
    comment=st.text("abc #:", max_size=10),
)
def test_the_name_of_a_run_changes_with_its_meaning_and_with_nothing_else(
    tmp_path: Path, cosmetic: list[str], meant: list[str], chance: random.Random, comment: str
) -> None:
    write(tmp_path)
    (tmp_path / "other.csv").write_text((tmp_path / "load.csv").read_text().replace("\n100,", "\n100.5,"))
    plain = world_digest(tmp_path, yaml.safe_load(LAB))
    document = yaml.safe_load(LAB)
    for name in [*cosmetic, *meant]:
        (MEANT | COSMETIC)[name](document, chance)
    assert (world_digest(tmp_path, document, comment) == plain) == (not meant)


def test_worlds_of_equal_digests_have_equal_results(tmp_path: Path) -> None:
    """The other direction: what is called cosmetic here is."""
    write(tmp_path)
    results = []
    for edits in ({}, COSMETIC):
        document = yaml.safe_load(LAB)
        for edit in edits.values():
            edit(document, random.Random(1))
        path = tmp_path / "edited.yaml"
        path.write_text(yaml.safe_dump(document, sort_keys=False))
        results.append(simulate(load_scenario(path), policies.create("greedy")))
    assert results[0].tokens.equals(results[1].tokens)
    assert results[0].devices.equals(results[1].devices)


def test_a_trace_counts_by_its_breakpoints_and_not_by_its_text(tmp_path: Path) -> None:
    write(tmp_path)
    path = tmp_path / "load.csv"
    plain = digest(load_scenario(tmp_path / "lab.yaml"))
    text = path.read_text()
    path.write_text("# measured on a Tuesday\n" + text.replace(",0.5\n", ",0.50\n"))
    assert digest(load_scenario(tmp_path / "lab.yaml")) == plain
    path.write_text(text.replace("\n50,", "\n50.5,"))
    assert digest(load_scenario(tmp_path / "lab.yaml")) != plain


def test_a_trace_that_changes_and_looks_as_it_did_is_read_anew(tmp_path: Path) -> None:
    """Traces are remembered from world to world, by what is in their files and not by time and size of these."""
    write(tmp_path)
    path = tmp_path / "load.csv"
    plain, text, told = digest(load_scenario(tmp_path / "lab.yaml")), path.read_text(), path.stat()
    for content in (text.replace("0.55", "0.56"), text):
        path.write_text(content)
        os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))
        assert path.stat().st_size == told.st_size
        assert (digest(load_scenario(tmp_path / "lab.yaml")) == plain) == (content == text)
    path.unlink()
    with pytest.raises(InputError, match=r"load\.csv"):
        load_scenario(tmp_path / "lab.yaml")


def test_a_scenario_that_is_opened_once_is_the_same_for_every_seed(tmp_path: Path) -> None:
    path = write(tmp_path).with_name("lab.yaml")
    world = open_scenario(path, changes=["links.cable.bandwidth*0.5"])
    for seed in (3, None, 4, 3):
        alone = load_scenario(path, seed=seed, changes=["links.cable.bandwidth*0.5"])
        assert digest(world(seed)) == digest(alone)
        assert world(seed).changes == alone.changes


def test_a_policy_counts_by_class_and_parameters_with_their_defaults() -> None:
    plain = policy_digest(policies.create("resource-aware"))
    default = policies.create("resource-aware").deadline_s  # type: ignore[attr-defined]
    assert policy_digest(policies.create("resource-aware", deadline_s=default)) == plain
    assert policy_digest(policies.create("resource-aware", deadline_s=0.05)) != plain
    assert policy_digest(policies.create("greedy")) != policy_digest(policies.create("static"))
    assert run_id("world", plain) != run_id("other world", plain)


@pytest.fixture
def lab_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """Writes and imports a package that is not Headway's, anew each time."""
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "campaign_test_lab"
    package.mkdir()
    (package / "__init__.py").write_text("")

    def forget() -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == package.name]:
            del sys.modules[name]
        identity.forget_code()

    def load(text: str) -> Any:
        forget()
        importlib.invalidate_caches()
        shutil.rmtree(package / "__pycache__", ignore_errors=True)
        (package / "mine.py").write_text(text)
        return importlib.import_module(f"{package.name}.mine")

    yield load
    forget()


LAB_CODE = """
from dataclasses import dataclass
from headway.simcore import DecodeCost

@dataclass(frozen=True)
class Mine:
    name = "mine"
    deadline_s: float = {deadline}

    def decide(self, seen):
        return None

def shared(*arguments):
    return {deadline}

@dataclass(frozen=True, kw_only=True)
class LabCost(DecodeCost):
    name = "lab"
"""


def test_code_of_another_package_counts_by_its_source(lab_package: Callable[[str], Any]) -> None:
    """The version alone would stay the same while somebody works on a policy."""

    def digests(text: str) -> list[str]:
        lab = lab_package(text)
        cost = load_scenario(shipped_scenario("home-cluster")).cost
        assert isinstance(cost, DecodeCost)
        costs = {field.name: getattr(cost, field.name) for field in fields(cost) if field.init}
        rule = SharingRule("lab", lab.shared)
        return [policy_digest(lab.Mine(deadline_s=1.0)), digest(rule), digest(lab.LabCost(**costs))]

    first = digests(LAB_CODE.format(deadline=1))
    assert digests(LAB_CODE.format(deadline=1)) == first
    edited = digests(LAB_CODE.format(deadline=2))
    assert all(one != other for one, other in zip(first, edited, strict=True))


def test_a_part_that_a_scenario_names_counts_by_the_code_of_its_package(
    tmp_path: Path, lab_package: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path)
    scenario = load_scenario(tmp_path / "lab.yaml")
    shipped = digest(scenario)
    entry = EntryPoint("lab", "campaign_test_lab.mine:shared", "headway.sharing")
    monkeypatch.setattr(
        registry,
        "entry_points",
        lambda group: EntryPoints([entry] if group == "headway.sharing" else []),
    )
    assert digest(scenario) == shipped
    named = replace(scenario, network=replace(scenario.network, sharing="lab"))
    digests = []
    for deadline in (1, 2):
        lab_package(LAB_CODE.format(deadline=deadline))
        digests.append(digest(named))
    assert len({shipped, *digests}) == 3


def test_code_of_headway_counts_by_the_version_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment orphans no stored run; figures that change do, and the store can tell."""
    policy = policy_digest(policies.create("resource-aware"))
    name = run_id("world", policy)
    identity.forget_code()
    monkeypatch.setattr(identity, "code", lambda _: ("another version", "another source"))
    assert run_id("world", policy_digest(policies.create("resource-aware"))) == name
    monkeypatch.setattr(identity, "MODEL_VERSION", MODEL_VERSION + 1)
    raised = run_id("world", policy)
    assert raised != name
    assert (model_of(name), model_of(raised)) == (str(MODEL_VERSION), str(MODEL_VERSION + 1))
    assert model_of("0123456789abcdef") == ""


def test_runs_of_another_version_of_the_model_are_told_and_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path)
    file, folder = str(tmp_path / "small.yaml"), tmp_path / "store"
    store = Store(folder)
    monkeypatch.setattr(identity, "MODEL_VERSION", 0)
    make(small(tmp_path), tmp_path, store)
    monkeypatch.undo()
    assert campaign_status(planned(small(tmp_path), tmp_path), store.view()).present == 0
    for command in ("plan", "status"):
        told = CliRunner().invoke(app, ["sweep", command, file, "--store", str(folder)]).stdout
        assert f"old model: {RUNS} of version 0 in the store; not used" in told, told
    make(small(tmp_path), tmp_path, store)
    assert other_models(store.view()) == {"0": RUNS}
    assert campaign_status(planned(small(tmp_path), tmp_path), store.view()).present == RUNS


def test_what_cannot_be_told_apart_has_no_digest() -> None:
    with pytest.raises(TypeError, match="cannot tell"):
        digest((1, object()))
    assert digest(("ab", "c")) != digest(("a", "bc"))
    assert digest(1) != digest(True) != digest("1") != digest(1.0)
    assert digest(0.0) == digest(-0.0)


# The store


def files(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*.parquet"))


def test_many_runs_are_few_files(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with store.writer() as writer:
        for i in range(60):
            writer.add(fake(f"run-{i:03}"))
            writer.commit()
        assert known(store, "runs", "tokens") == {f"run-{i:03}" for i in range(60)}
        assert files(store.folder) == 3 * 60
        writer.fold()
    assert files(store.folder) == 3
    assert list(rows(store, "tokens")["run"]) == [f"run-{i:03}" for i in range(60)]
    assert known(store, "runs", "tokens", "devices") == set()


def test_the_journal_is_folded_by_itself(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", commit_s=0.0, fold_runs=10)
    with store.writer() as writer:
        for i in range(35):
            writer.add(fake(f"run-{i}"))
            writer.turn()
    assert len(list((store.folder / "parts").iterdir())) == 3
    assert len(list((store.folder / "journal").iterdir())) == 5
    assert len(rows(store, "runs")) == 35


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 7)), max_size=30), st.integers(1, 9))
def test_an_index_is_a_dictionary(pairs: list[tuple[str, int]], size: int) -> None:
    """Whatever batches its names come in."""
    batches = [pairs[i : i + size] for i in range(0, len(pairs), size)]
    columns = [([name for name, _ in batch], [number for _, number in batch]) for batch in batches]
    firsts, lasts = dict(reversed(pairs)), dict(pairs)
    unions = {name: 0 for name, _ in pairs}
    for name, number in pairs:
        unions[name] |= number
    for join, expected in ((index.first, firsts), (index.last, lasts), (index.union, unions)):
        made = index.Index.of(columns, np.uint16, join)
        assert len(made) == len(expected)
        names = list("abcdefghij")
        assert made.find(names, 99).tolist() == [expected.get(name, 99) for name in names]


def test_comparing_a_campaign_with_a_store_takes_few_bytes_per_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headway.analysis.store.view.BATCH_ROWS", 1000)
    plan = planned(small(tmp_path), tmp_path)

    def peak(runs: int) -> int:
        names, numbers = [f"{i:032x}" for i in range(runs)], range(runs)
        cases, store = tmp_path / f"{runs}.parquet", Store(tmp_path / f"{runs}")
        pq.write_table(pa.table({"number": numbers, "run": names}), cases, row_group_size=1000)
        with store.writer() as writer:
            kept = {"run": names[: runs // 2] * 2, "table": ["runs"] * (runs // 2) + ["tokens"] * (runs // 2)}
            writer.add({"kept": pa.table(kept, STORED["kept"])})
            writer.commit()
        large = replace(plan, path=cases, runs=runs)
        tracemalloc.start()
        state = campaign_status(large, store.view())
        assert sum(1 for _ in state.todo(large)) == sum(state.missing.values()) == runs // 2
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(40)
    assert peak(24_000) - peak(8_000) < 64 * 16_000


def test_a_runner_that_dies_between_folding_and_clearing_leaves_every_run_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "store")

    def die(_: Path) -> None:
        raise RuntimeError("killed")

    with store.writer() as writer:
        for i in range(3):
            writer.add(fake(f"run-{i}"))
            writer.commit()
        monkeypatch.setattr(parts, "remove", die)
        with pytest.raises(RuntimeError, match="killed"):
            writer.fold()
    monkeypatch.undo()
    assert len(list((store.folder / "parts").iterdir())) == 1
    assert len(list((store.folder / "journal").iterdir())) == 3
    assert sorted(rows(store, "runs")["run"]) == ["run-0", "run-1", "run-2"]
    with store.writer() as writer:
        assert list((store.folder / "journal").iterdir()) == []
        writer.add(fake("run-3"))
        writer.commit()
        writer.fold()
    assert sorted(rows(store, "runs")["run"]) == ["run-0", "run-1", "run-2", "run-3"]


def test_what_was_being_written_when_a_runner_died_is_invisible_and_goes(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with store.writer() as writer:
        writer.add(fake("run"))
        writer.commit()
    (half,) = (store.folder / "journal").iterdir()
    half.rename(store.folder / ".unfinished" / "half")
    assert known(store) == set()
    assert rows(store, "runs").empty
    with store.writer():
        assert list((store.folder / ".unfinished").iterdir()) == []


def test_metrics_of_a_store_are_those_of_a_run(tmp_path: Path) -> None:
    """Except percentiles over requests, which reports compute from the table of requests."""
    write(tmp_path)
    result = simulate(load_scenario(tmp_path / "lab.yaml"), policies.create("greedy"))
    over_requests = {f"{name}_p{p}_s" for name in ("ttft", "e2e") for p in (50, 95, 99)}
    columns = metrics(result).columns
    assert METRICS.names == [name for name in columns if name not in over_requests]


def test_other_folders_and_other_versions_are_refused(tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("dear diary")
    with pytest.raises(InputError, match="not a store"):
        Store(tmp_path)
    with pytest.raises(InputError, match="not a store"):
        Store(tmp_path / "diary.txt")
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "store.json").write_text('{"headway store": 99}')
    with pytest.raises(InputError, match="another version"):
        Store(tmp_path / "store")


# Disks that take no more


def test_a_full_disk_is_told_and_the_store_stays_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every file that is written, one after the other."""
    campaign = small(tmp_path, ONE_SEED)
    whole = Store(tmp_path / "whole")
    make(campaign, tmp_path, whole)
    for last in (0, 2, 5, 9):
        store = Store(tmp_path / f"store-{last}", commit_s=0.0)
        left = [last]

        def full(*_: Any, left: list[int] = left) -> None:
            if not left[0]:
                raise OSError(errno.ENOSPC, "No space left on device")
            left[0] -= 1

        with monkeypatch.context() as patch:
            patch.setattr(parts, "sync", full)
            with pytest.raises(InputError, match="No space left on device"):
                make(campaign, tmp_path, store)
        assert len(rows(store, "runs")) == len(known(store)) < RUNS // 3
        assert holder_of(store.folder) is None
        make(campaign, tmp_path, Store(store.folder))
        assert rows(store, "tokens").equals(rows(whole, "tokens"))


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(InputError, match="Read-only file system"), Store(tmp_path / "store").writer():
        pass


# The lock


def test_two_runners_are_kept_apart(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with store.writer():
        with (
            pytest.raises(InputError, match=re.escape(f"process {os.getpid()}")),
            Store(store.folder).writer(),
        ):
            pass
        assert holder_of(store.folder) == f"process {os.getpid()} on {socket.gethostname()}"
    assert holder_of(store.folder) is None
    with store.writer():
        pass


def hold(folder: Path, host: str, pid: int) -> None:
    """Be at work in a store until somebody ends this process, under a name of its container's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "gethostname", lambda: host)
        patch.setattr(os, "getpid", lambda: pid)
        with Store(folder).writer() as writer:
            writer.add(fake("run"))
            writer.commit()
            while True:
                time.sleep(1.0)


@pytest.mark.parametrize("host", ["here", "elsewhere"])
def test_a_runner_in_another_container_is_kept_apart_until_it_is_killed(tmp_path: Path, host: str) -> None:
    """Whatever it calls itself: no process here has its number."""
    store = Store(tmp_path / "store")
    process = apart(hold, store.folder, socket.gethostname() if host == "here" else host, DEAD)
    while not store.exists or not known(store):
        assert process.is_alive()
        time.sleep(0.01)
    with pytest.raises(InputError, match=f"the lock of process {DEAD} on .*still running"), store.writer():
        pass
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with store.writer() as writer:
        writer.add(fake("another"))
        writer.commit()
    assert known(store) == {"run", "another"}


DEAD = 2**22 + 1  # above the largest number that Linux gives a process


def test_who_looks_for_a_moment_keeps_no_runner_away(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with store.writer():
        pass
    with (store.folder / "lock").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        assert holder_of(store.folder) is None  # nor is it taken for one
        threading.Timer(0.05, file.close).start()
        with store.writer():
            pass


@pytest.mark.parametrize("left", [b"", b"\xff\x1b[31m", b"{}", b"x" * 5000])
def test_what_a_lock_file_says_counts_for_nothing(tmp_path: Path, left: bytes) -> None:
    store = Store(tmp_path / "store")
    with store.writer():
        (store.folder / "lock").write_bytes(left)
        assert len(str(holder_of(store.folder))) <= 100
    assert holder_of(store.folder) is None
    (store.folder / "lock").write_bytes(left)
    with store.writer():
        pass


@pytest.mark.parametrize("other", [False, True])
@pytest.mark.parametrize("act", ["commit", "fold"])
def test_a_runner_whose_lock_is_gone_writes_nothing(tmp_path: Path, act: str, other: bool) -> None:
    store = Store(tmp_path / "store")
    with store.writer() as writer:
        writer.add(fake("run"))
        if act == "fold":
            writer.commit()
        before = set(store.folder.rglob("*.*"))
        (store.folder / "lock").unlink()
        if other:
            (store.folder / "lock").touch()
        with pytest.raises(InputError, match="a lock that another process has replaced"):
            getattr(writer, act)()
    assert set(store.folder.rglob("*.*")) == before

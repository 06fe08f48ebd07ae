"""Laws of damaged tables: damage is noticed in one sentence, and repair loses nothing else, and doubles nothing."""

import errno
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from campaigns import ONE_SEED, assert_same, fake, headway, make, rows, small, write
from fuzzing import attempt, invoke

from headway import policies
from headway.analysis.experiments import Store
from headway.analysis.experiments.worker import failure
from headway.analysis.store import parts
from headway.analysis.store.verify import damages, repair
from headway.simcore import TABLES, load_result, load_scenario, simulate
from headway.traces import InputError

FLIPS = 300
STORED_NAMES = ("runs", "tokens", "failures", "kept")


def flipped(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :]


def cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def zeroed(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(max(1, len(data) - 512))
    return data[:place] + bytes(len(data[place : place + 512])) + data[place + 512 :]


def deleted(_: bytes, __: random.Random) -> None:
    return None


KINDS: tuple[Callable[[bytes, random.Random], bytes | None], ...] = (flipped, cut, zeroed, deleted)


def strike(path: Path, data: bytes | None) -> None:
    if data is None:
        path.unlink()
    else:
        path.write_bytes(data)


def strikes(folder: Path, seed: int) -> Iterator[tuple[Path, bytes, bytes | None]]:
    """Every file with its content, and what is in it instead, again and again; flips are most."""
    chance = random.Random(seed)
    paths = sorted(path for path in folder.glob("*/*/*") if path.is_file()) or sorted(folder.glob("*.*"))
    for path in paths:
        data = path.read_bytes()
        for kind in (cut, zeroed, deleted, *(flipped,) * (FLIPS // len(paths))):
            struck = kind(data, chance)
            if struck != data:
                yield path, data, struck


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "sync", lambda _: None)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two parts and two entries of its journal."""
    store = Store(tmp_path_factory.mktemp("tiny") / "store")
    with store.writer() as writer:
        for i in range(4):
            writer.add(fake(f"run-{i}", tokens=3))
            writer.add(failure(f"lost-{i}", "no"))
            writer.commit()
            if i < 2:
                writer.fold()
    return store.folder


@pytest.fixture
def store(tiny: Path, tmp_path: Path) -> Store:
    return Store(shutil.copytree(tiny, tmp_path / "store"))


def read(store: Store) -> dict[str, pa.Table]:
    view = store.view()
    return {name: view.read(name) for name in STORED_NAMES}


def same(one: dict[str, pa.Table], other: dict[str, pa.Table]) -> bool:
    return all(one[name].equals(other[name]) for name in one)


def test_any_damage_to_a_store_is_noticed_or_changes_nothing(store: Store) -> None:
    whole, noticed = read(store), 0
    for path, data, struck in strikes(store.folder, 1):
        strike(path, struck)
        back = attempt(lambda: read(store), f"{path}: got", f"headway sweep verify {store.folder} --repair")
        assert back is None or same(back, whole), path
        assert [set(one.files) for one in damages(store)] == ([{path}] if back is None else [])
        noticed += back is None
        path.write_bytes(data)
    assert noticed > FLIPS - 100  # A flip of a blank in a manifest is none.
    assert damages(store) == []


def test_a_missing_file_or_another_size_is_noticed_without_reading_it(store: Store) -> None:
    for path in (store.folder / "parts").glob("*/*.parquet"):
        data = path.read_bytes()
        for struck in (None, data[:-1], data + b"\0"):
            strike(path, struck)
            with pytest.raises(InputError, match=str(path)):
                store.view()
            path.write_bytes(data)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_repair_loses_no_other_rows_and_doubles_none(
    tiny: Path, tmp_path: Path, kind: Callable[[bytes, random.Random], bytes | None]
) -> None:
    whole = {name: table.to_pandas() for name, table in read(Store(tiny)).items()}
    paths = sorted(path.relative_to(tiny) for path in tiny.glob("*/*/*"))
    assert len(paths) == 4 * 5
    for number, path in enumerate(paths):
        store = Store(shutil.copytree(tiny, tmp_path / str(number)))
        strike(store.folder / path, kind((tiny / path).read_bytes(), random.Random(number)))
        if not damages(store):
            continue
        assert [one.path for one in repair(store)] == [(store.folder / path).parent]
        assert damages(store) == repair(store) == []
        left = {name: table.to_pandas() for name, table in read(store).items()}
        assert not pd.concat(left.values()).duplicated(["run", "token", "table", "error"]).any()
        for name, table in left.items():
            merged = whole[name].merge(table, "left", indicator=True)
            lost = merged[merged["_merge"] == "left_only"]
            assert len(lost) == len(whole[name]) - len(table)
            if path.stem not in ("kept", "manifest"):
                assert name in (path.stem, "kept") or lost.empty
        kept = left["kept"]
        for name in ("runs", "tokens"):
            assert set(kept["run"][kept["table"] == name]) == set(left[name]["run"])
        there = {one.name for one in (tiny / path).parent.iterdir()}
        aside = {one.name for one in (store.folder / "damaged" / path.parts[1]).iterdir()}
        assert aside >= there - {path.name}


def test_a_store_is_repaired_only_while_nobody_is_at_work(store: Store) -> None:
    with store.writer(), pytest.raises(InputError, match="still running"):
        repair(store)


@pytest.mark.parametrize(("step", "left"), [("write_tables", 2), ("publish", 1)])
def test_a_repair_that_is_cut_short_doubles_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, step: str, left: int
) -> None:
    """Before the damaged part is moved it is still there, and afterwards its runs are to be made again."""
    (path,) = store.folder.glob("parts/000001-*/tokens.parquet")
    path.unlink()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(parts, step, full)
        with pytest.raises(InputError, match="No space left on device"):
            repair(store)
    assert len(list((store.folder / "parts").iterdir())) == left
    assert len(damages(store)) == left - 1
    repair(store)
    runs = store.view().read("runs")["run"].to_pylist()
    assert sorted(runs) == [f"run-{i}" for i in range(2 - left, 4)]


def test_a_missing_folder_is_damage_too(store: Store) -> None:
    shutil.rmtree(store.folder / "parts")
    with pytest.raises(InputError, match="without its folder parts"):
        store.view()
    assert [one.path.name for one in repair(store)] == ["parts"]
    assert sorted(store.view().read("runs")["run"].to_pylist()) == ["run-2", "run-3"]


# The command


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a campaign and its store."""
    folder = tmp_path_factory.mktemp("made")
    make(small(folder, ONE_SEED), folder, Store(folder / "store"))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [f"{name}.parquet" for name in ("kept", "runs", "tokens", "metrics", "effort")]
)
def test_a_lost_table_is_told_repaired_and_made_again(tmp_path: Path, made: Path, name: str) -> None:
    folder = shutil.copytree(made, tmp_path / "all")
    store, campaign = Store(folder / "store"), folder / "small.yaml"
    (path,) = store.folder.glob(f"parts/*/{name}")
    path.unlink()
    for arguments in (("status", campaign), ("run", campaign), ("export", campaign, "--out", folder / "out")):
        told = invoke("sweep", *arguments, "--store", store.folder)
        assert (
            told
            == f"headway: {path}: got no such file; expected the file as headway wrote it (to repair: `headway sweep "
            + (f"verify {store.folder} --repair`)\n")
        )
    code, told = headway("verify", store.folder)
    assert (code, told.splitlines()) == (
        3,
        [f"Damaged: {path}: no such file", f"To repair: headway sweep verify {store.folder} --repair"],
    )
    code, told = headway("verify", store.folder, "--repair")
    assert (code, told.splitlines()[1].split(":")[0]) == (0, "Repaired")
    assert headway("verify", store.folder) == (0, f"No damage: {store.folder}\n")
    tally = make(small(folder, ONE_SEED), folder, store)
    assert (tally.before, tally.done) == (0, 12)
    assert_same(store, Store(made / "store"))
    for table in ("metrics", "effort"):
        assert len(rows(store, table)) == 12


def test_the_cases_of_a_campaign_are_looked_at_too(tmp_path: Path, made: Path) -> None:
    folder = shutil.copytree(made, tmp_path / "all")
    store, cases = Store(folder / "store"), folder / "store" / "campaigns" / "small.parquet"
    data, chance, noticed = cases.read_bytes(), random.Random(2), 0
    for _ in range(30):
        cases.write_bytes(flipped(data, chance))
        noticed += bool(damages(store))
    assert noticed
    cases.write_bytes(data[:-8])
    assert [one.path for one in repair(store)] == [cases]
    assert not cases.exists()
    make(small(folder, ONE_SEED), folder, store)
    assert damages(store) == []
    assert cases.exists()


def test_verify_refuses_what_is_no_store(tmp_path: Path) -> None:
    assert "not a campaign store" in invoke("sweep", "verify", tmp_path / "nowhere")
    (tmp_path / "store.json").write_text('{"headway store": 1}')
    assert "another version" in invoke("sweep", "verify", tmp_path)


# Results of a run, and an export


def test_any_damage_to_results_is_noticed_or_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path)
    whole = simulate(load_scenario(tmp_path / "lab.yaml"), policies.create("greedy"))
    out, noticed = tmp_path / "out", 0
    whole.save(out)
    for path, data, struck in strikes(out, 3):
        strike(path, struck)
        back = attempt(lambda: load_result(out), f"{path}: got")
        assert back is None or all(getattr(back, name).equals(getattr(whole, name)) for name in TABLES), path
        noticed += back is None
        path.write_bytes(data)
    assert noticed > FLIPS - 100
    (out / "manifest.json").unlink()
    assert load_result(out).tokens.equals(whole.tokens)


def test_a_damaged_export_is_told(tmp_path: Path, made: Path) -> None:
    folder = shutil.copytree(made, tmp_path / "all")
    out = tmp_path / "out"
    invoke("sweep", "export", folder / "small.yaml", "--store", folder / "store", "--out", out)
    (out / "tokens.parquet").unlink()
    told = invoke("report", out, "-o", tmp_path / "out.html")
    assert told.startswith(f"headway: {out / 'tokens.parquet'}: got no such file; expected ")
    assert not (tmp_path / "out.html").exists()

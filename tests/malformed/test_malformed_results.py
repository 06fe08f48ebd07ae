"""Malformed results and stores, which are damaged or of another origin: each is shown or refused in one sentence."""

import math
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from campaigns import LAB, make, write
from fuzzing import NUMBERS, TEXTS, Some, any_of, attempt, broken, clean, examine, invoke
from hypothesis import given
from hypothesis import strategies as st

from headway.analysis.experiments import Store, read_campaign
from headway.analysis.report import rank_policies, read_results, verdict
from headway.analysis.report.data import after_warm_up, described
from headway.analysis.results import write_results
from headway.analysis.statistics.metrics import METRICS
from headway.policies import create
from headway.simcore import combine, load_scenario, simulate
from headway.simcore.table_files import read_table
from headway.traces import InputError

SMALL = """\
name: small
scenario: lab.yaml
axes:
  product:
    cable: {path: links.cable.bandwidth, factors: [0.5, 1]}
policies: [greedy, round-robin]
replications: 2
"""
VALUES = [*NUMBERS, *TEXTS, None, "nan", "greedy", "[]", "{}", '{"a": 1}', "x; y"]
JSON = Some(
    [
        *(b"", b"{", b"[]", b"null", b"5", b'"x"', b"{}", b"[" * 100_000, b"\xff", b"9" * 5000),
        *(b'["x"]', b"[[]]", b"[null]", b'{"headway store": 1}', b'{"headway store": 2}'),
        *(b'{"scenario": 5}', b'{"scenario": "/nowhere/\\u0000x"}'),
        *(b'{"files": {}, "replaces": [], "sha256": ""}', b'{"files": {"runs.parquet": {}}, "sha256": 5}'),
    ]
)
YAML = Some(
    [
        *(
            b"",
            b"a: [",
            b"- x",
            b"5",
            b"\xff\xfe",
            b"a: " + b"[" * 5000,
            b"when: 2024-13-45",
            b"x" * 1_000_001,
        ),
        *(b"policies: 7", b"policies: [7]", b"policies: {a: b}", b"description: [x]", b"name: {a: b}"),
        *(b"x: !!python/name:os.system", b"name: " + b"9" * 5000, b"a: &a [x, x]\ndescription: [*a, *a]"),
    ]
)


def test_a_description_of_aliases_is_not_unfolded(tmp_path: Path) -> None:
    lines = [
        "a0: &a0 [x, x]",
        *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60)),
        "description: *a59",
    ]
    assert described("\n".join(lines)) == {}


@pytest.mark.parametrize("text", ["a: " + "[" * 5000, "a: 2024-13-45", "a: !!python/name:os.system", "\x00"])
def test_a_text_beside_results_that_is_no_yaml_of_ours_says_nothing(text: str) -> None:
    assert described(text).keys() <= {"a"}


def test_a_table_of_very_many_rows_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "runs.parquet"
    pq.write_table(pa.table({"run": ["x"] * 1001}), path)
    monkeypatch.setattr("headway.simcore.table_files.MOST_ROWS", 1000)
    with pytest.raises(InputError, match="1,001 rows"):
        read_table(path)


@pytest.mark.parametrize("value", [math.inf, -math.inf, 1e308, 1e-320])
def test_a_number_that_no_run_comes_to_is_refused(value: float, tmp_path: Path) -> None:
    pq.write_table(pa.table({"run": ["x"], "latency_s": [value]}), tmp_path / "tokens.parquet")
    with pytest.raises(InputError, match="latency_s"):
        read_table(tmp_path / "tokens.parquet")


@pytest.fixture(scope="module")
def undamaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with results of a run, a store, and an export."""
    place = tmp_path_factory.mktemp("results")
    write(place, SMALL)
    (place / "scenario.yaml").write_text(LAB)
    scenario = load_scenario(place / "scenario.yaml")
    (place / "run").mkdir()
    result = combine([simulate(scenario, create(name)) for name in ("greedy", "round-robin")])
    write_results(place / "run", result, scenario, place / "scenario.yaml")
    make(read_campaign(place / "small.yaml"), place, Store(place / "store"))
    invoke("sweep", "export", place / "small.yaml", "--store", place / "store", "--out", place / "export")
    return place


@pytest.fixture(scope="module")
def folder(undamaged: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("fuzz") / "all"
    shutil.copytree(undamaged, place)
    return place


@st.composite
def damage(draw: st.DrawFn, files: Some[tuple[str, bytes]]) -> tuple[str, bytes | None]:
    """A file, and what it holds instead; None if it is gone."""
    name, data = draw(any_of(files))
    if draw(st.integers(0, 9)) == 0:
        return name, None
    if name.endswith(".parquet"):
        kind = draw(st.sampled_from(["cells", "cells", "cells", "columns", "bytes", "other"]))
        if kind == "other":
            return name, draw(any_of(Some(one for path, one in files if path.endswith(".parquet"))))
        return name, draw(broken(Some([data]))) if kind == "bytes" else _table(draw, data, kind)
    made = JSON if name.endswith((".json", "lock")) else YAML
    return name, draw(any_of(made) | broken(Some([data])))


def _table(draw: st.DrawFn, data: bytes, kind: str) -> bytes:
    table = pq.read_table(pa.BufferReader(data))
    number = draw(st.integers(0, table.num_columns - 1))
    name, cells = table.column_names[number], table.column(number).to_pylist()
    if kind == "columns":
        match draw(st.sampled_from(["drop", "rename", "retype", "none", "empty", "twice"])):
            case "drop":
                table = table.drop_columns([name])
            case "rename":
                names = table.column_names
                table = table.rename_columns([*names[:number], "../../x", *names[number + 1 :]])
            case "retype":
                field = pa.field(name, pa.list_(pa.int64()))
                table = table.set_column(number, field, pa.array([[1]] * len(cells), field.type))
            case "none":
                nothing = pa.nulls(len(cells), table.field(number).type)
                table = table.set_column(number, table.field(number), nothing)
            case "empty":
                table = table.slice(0, 0)
            case _:
                table = pa.concat_tables([table, table])
    elif cells:
        cells[draw(st.integers(0, len(cells) - 1))] = draw(st.sampled_from(VALUES))
        try:
            column = pa.array(cells, table.field(number).type)
        except (pa.ArrowException, TypeError, OverflowError, ValueError):
            column = pa.nulls(len(cells), table.field(number).type)
        table = table.set_column(number, table.field(number), column)
    target = pa.BufferOutputStream()
    pq.write_table(table, target)
    done: bytes = target.getvalue().to_pybytes()
    return done


def files_in(place: Path) -> Some[tuple[str, bytes]]:
    kept = (".parquet", ".json", ".yaml", "lock")
    paths = [path for path in sorted(place.rglob("*")) if path.is_file() and path.name.endswith(kept)]
    return Some((str(path.relative_to(place)), path.read_bytes()) for path in paths)


def restored(place: Path, origin: Path) -> None:
    shutil.rmtree(place)
    shutil.copytree(origin, place)


def fuzz_run(folder: Path, undamaged: Path) -> Any:
    @given(
        damages=st.lists(damage(files_in(undamaged / "run")), min_size=1, max_size=2),
        what=st.sampled_from(["weigh", "weigh", "weigh", "report", "explain", "timeline"]),
    )
    def check_run(damages: list[tuple[str, bytes | None]], what: str) -> None:
        place, out = folder / "run", folder / "out.html"
        restored(place, undamaged / "run")
        hit(place, damages)
        out.unlink(missing_ok=True)
        with clean(folder, out):
            if what == "weigh":
                attempt(lambda: weighed(place), str(place))
            else:
                invoke(what, place, *(() if what == "explain" else ("-o", out)))

    return check_run


def fuzz_store(folder: Path, undamaged: Path) -> Any:
    """Also what the folders in a store hold beside parts, and what is left of a lock."""
    odd = (
        "parts/.DS_Store",
        "journal/x",
        "journal/.x",
        "campaigns/x.parquet",
        "parts/x.txt",
        "parts/000001-abcdef01/x",
    )
    pq_bytes = (undamaged / "run" / "runs.parquet").read_bytes()
    files = Some(
        [
            *files_in(undamaged / "store"),
            *(("lock", b"{}"), ("store.json", b"{}"), ("parts/000001-abcdef01/manifest.json", b"[]")),
            *((name, pq_bytes) for name in odd),
        ]
    )

    @given(
        damages=st.lists(damage(files), min_size=1, max_size=2),
        what=st.sampled_from(["weigh", "weigh", "status", "plan", "export", "write", "write"]),
    )
    def check_store(damages: list[tuple[str, bytes | None]], what: str) -> None:
        place, out = folder / "store", folder / "out"
        restored(place, undamaged / "store")
        hit(place, damages)
        if what == "weigh":
            attempt(lambda: weighed(place))
        elif what == "export":
            invoke("sweep", "export", folder / "small.yaml", "--store", place, "--out", out)
            shutil.rmtree(out, ignore_errors=True)
        elif what == "write":
            attempt(lambda: taken(place), str(place))
        else:
            invoke("sweep", what, folder / "small.yaml", "--store", place)

    return check_store


def fuzz_export(folder: Path, undamaged: Path) -> Any:
    @given(
        damages=st.lists(damage(files_in(undamaged / "export")), min_size=1, max_size=2),
        page=st.integers(0, 7).map(lambda number: number == 7),
    )
    def check_export(damages: list[tuple[str, bytes | None]], page: bool) -> None:
        place, out = folder / "export", folder / "out.html"
        restored(place, undamaged / "export")
        hit(place, damages)
        if attempt(lambda: weighed(place)) and page:
            out.unlink(missing_ok=True)
            with clean(folder, out):
                invoke("report", place, "-o", out)

    return check_export


def weighed(place: Path) -> str:
    """What a report says first, without its figures, which take a second."""
    return verdict(rank_policies(after_warm_up(read_results(place), 1), METRICS["tpot_p50_s"]))


def taken(place: Path) -> None:
    with Store(place).writer() as writer:
        writer.fold()


def hit(place: Path, damages: list[tuple[str, bytes | None]]) -> None:
    for name, data in damages:
        path = place / name
        if data is None:
            path.unlink(missing_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


FUZZ = {fuzz_run: 25, fuzz_store: 30, fuzz_export: 20}
"""Every kind of folder, with the examples of a quick run."""


@pytest.mark.parametrize("times", [1, pytest.param(20, marks=pytest.mark.thorough)])
@pytest.mark.parametrize("fuzz", FUZZ, ids=lambda fuzz: fuzz.__name__)
def test_damaged_results_are_shown_or_refused(fuzz: Any, times: int, folder: Path, undamaged: Path) -> None:
    examine(fuzz(folder, undamaged), times * FUZZ[fuzz], at_random=times > 1)

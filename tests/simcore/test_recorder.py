"""The recorder: rows in any form become the same tables, in memory or in files, and memory does not grow with them."""

import gc
import pickle
import subprocess
import sys
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway import policies
from headway.simcore import (
    TABLES,
    Keep,
    Observation,
    PolicyError,
    Result,
    Scenario,
    combine,
    load_result,
    load_scenario,
    shipped_scenario,
    simulate,
)
from headway.simcore.recorder import Labels, Recorder, every_label
from headway.traces import InputError

NAMES = ("pi", "nuc", "desk")

Call = tuple[str, list[tuple[Any, ...]]]

texts = st.sampled_from(NAMES)
reals = st.none() | st.floats(allow_nan=False)
devices = st.tuples(st.integers(0, 9), st.integers(0, 9), texts, reals, reals, reals, reals)
calls = st.lists(
    st.tuples(
        st.sampled_from(["row", "lists", "arrays", "constant"]), st.lists(devices, min_size=1, max_size=5)
    )
)


def append(recorder: Recorder, form: str, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Append rows in some form, and return them as a reader expects them."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    if form == "row":
        for row in rows:
            recorder.add("devices", *row)
    elif form == "lists":
        recorder.add_many("devices", len(rows), *columns)
    elif form == "arrays":
        request, token, names, *numbers = columns
        labels = Labels(NAMES, np.array([NAMES.index(name) for name in names]))
        arrays = [np.array(column, float) for column in numbers]
        recorder.add_many("devices", len(rows), np.array(request), np.array(token), labels, *arrays)
    else:
        recorder.add_many("devices", len(rows), *rows[0])
        return [rows[0]] * len(rows)
    return rows


@given(calls, st.integers(1, 7), st.booleans())
def test_rows_in_any_form_become_the_same_table(forms: list[Call], chunk_rows: int, in_files: bool) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("headway.simcore.recorder._CHUNK_ROWS", chunk_rows)
        with Recorder("one", Path(folder) / "out" if in_files else None) as recorder:
            expected = [row for form, rows in forms for row in append(recorder, form, rows)]
            result = recorder.result()
        table = result.table("devices")
    assert table.schema.equals(TABLES["devices"], check_metadata=True)
    assert [tuple(row.values()) for row in table.to_pylist()] == [("one", *row) for row in expected]


integers = st.integers(-(2**63), 2**63 - 1)
words = st.none() | st.text(max_size=5)
decisions = st.tuples(integers, integers, reals, words, words, words, integers, reals, reals, st.booleans())


@given(st.lists(decisions, max_size=20))
def test_any_text_and_truth_comes_back_and_missing_values_are_null(rows: list[tuple[Any, ...]]) -> None:
    with Recorder("läuft") as recorder:
        for row in rows:
            recorder.add("decisions", *row)
        table = recorder.result().table("decisions")
    table.validate(full=True)
    assert [tuple(row.values()) for row in table.to_pylist()] == [("läuft", *row) for row in rows]


def test_labels_are_repeated_over_a_multiple_of_their_rows() -> None:
    with Recorder("one") as recorder:
        recorder.add_many("devices", 6, 0, np.repeat([4, 5], 3), every_label(NAMES), 1.0, 2.0, 0.0, 0.5)
        table = recorder.result().devices
    assert list(table["device"]) == [*NAMES, *NAMES]
    assert list(table["token"]) == [4, 4, 4, 5, 5, 5]


@pytest.fixture(scope="module")
def world() -> Scenario:
    return load_scenario(shipped_scenario("wifi-home"), changes=["workload=[{prompt: 64, output: 6}]"])


def same_tables(one: Result, other: Result) -> bool:
    """Whether all tables are equal, except those with wall-clock times."""
    return all(one.table(name).equals(other.table(name)) for name in TABLES if name != "timings")


def test_a_run_into_a_folder_has_the_tables_of_a_run_in_memory(world: Scenario, tmp_path: Path) -> None:
    policy = policies.create("resource-aware")
    in_memory, in_files = simulate(world, policy), simulate(world, policy, out=tmp_path / "out")
    assert same_tables(in_memory, in_files)
    assert same_tables(in_memory, load_result(tmp_path / "out"))
    in_files.save(tmp_path / "copy")
    assert same_tables(in_memory, load_result(tmp_path / "copy"))
    other = simulate(world, policy, run="other")
    both = combine([in_files, other])
    assert same_tables(both, combine([in_memory, other]))
    assert list(both.runs["run"]) == ["resource-aware", "other"]


class Failing:
    """A policy that fails at its second decision."""

    name = "failing"

    def decide(self, observation: Observation) -> Keep:
        raise ValueError("no idea")


def test_a_run_that_raises_leaves_no_folder(world: Scenario, tmp_path: Path) -> None:
    with pytest.raises(PolicyError):
        simulate(world, Failing(), out=tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("step", ["NewTables.write", "write_manifest"])
def test_a_full_disk_leaves_no_folder(
    world: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("headway.simcore.recorder._CHUNK_ROWS", 4)
    monkeypatch.setattr(f"headway.simcore.table_files.{step}", full)
    with pytest.raises(OSError, match="No space"):
        simulate(world, policies.create("static"), out=tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_folder_in_use_is_refused_before_the_run(world: Scenario, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="in use; expected a new or an empty folder"):
        simulate(world, Failing(), out=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_data_frames_are_built_when_they_are_first_read(world: Scenario) -> None:
    result = simulate(world, policies.create("static"))
    assert not TABLES.keys() & vars(result).keys()
    assert len(result.tokens) == 6
    assert TABLES.keys() & vars(result).keys() == {"tokens"}
    result.tokens["latency_s"] = 1.0
    assert result.table("tokens", ["latency_s"])["latency_s"].to_pylist() == [1.0] * 6
    assert same_tables(result, pickle.loads(pickle.dumps(result)))
    with pytest.raises(AttributeError, match="no attribute 'token'"):
        _ = result.token  # type: ignore[attr-defined]


def peak_bytes(tokens: int, out: Path) -> int:
    """The peak memory that Python and NumPy take to record so many tokens into files."""
    labels = every_label([f"device-{number}" for number in range(8)])
    gc.collect()
    tracemalloc.start()
    with Recorder("one", out) as recorder:
        for token in range(tokens):
            recorder.add("tokens", 0, token, *[float(token)] * 9)
            recorder.add_many("devices", 8, 0, token, labels, *np.full((4, 8), float(token)))
        recorder.result()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_does_not_grow_with_the_number_of_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headway.simcore.recorder._CHUNK_ROWS", 128)
    peak_bytes(150, tmp_path / "warm-up")
    assert peak_bytes(1500, tmp_path / "long") < 1.2 * peak_bytes(150, tmp_path / "short")


PEAK = """
import resource, sys
from headway import policies
from headway.simcore import build_scenario, simulate
device = {"memory": "100 GB", "compute": "5 GFLOP/s", "memory_bandwidth": "1 GB/s"}
world = build_scenario(
    {
        "model": {"shape": {"layers": 1, "width": 8, "heads": 1, "vocabulary": 8}},
        "devices": {f"pi-{number}": device for number in range(2)},
        "links": {"cable": {"connect": "all", "bandwidth": "100 Mbit/s"}},
        "workload": [{"prompt": 4, "output": int(sys.argv[1])}],
        "controller": {"interval": 1000},
        "executor": "events",
    }
)
result = simulate(world, policies.create("static"), out=sys.argv[2])
assert result.runs["status"][0] == "complete"
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_the_peak_memory_of_a_process_does_not_grow_with_the_number_of_tokens(tmp_path: Path) -> None:
    def peak(tokens: int) -> int:
        command = [sys.executable, "-c", PEAK, str(tokens), str(tmp_path / str(tokens))]
        return int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)

    assert peak(40_000) < 1.2 * peak(4_000)

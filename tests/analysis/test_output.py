"""A results folder is written whole or not at all, and nothing of somebody else's is replaced."""

import dataclasses
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from headway.analysis.files.atomic import scratch, writing
from headway.analysis.files.locked_folder import exchange
from headway.analysis.files.results_folder import results_folder
from headway.analysis.results import write_findings, write_results
from headway.simcore import TABLES, Result, load_result, load_scenario, shipped_scenario
from headway.traces import InputError


def empty_result() -> Result:
    return Result(**{name: schema.empty_table().to_pandas() for name, schema in TABLES.items()})


def save(target: Path, text: str = "", *, replace: bool = False, numbered: bool = False) -> str:
    scenario = load_scenario(shipped_scenario("home-cluster"))
    with results_folder(target, replace=replace, numbered=numbered) as new, writing(target):
        write_results(new.path, empty_result(), dataclasses.replace(scenario, text=text))
    return str(new)


def begin_and_fail(target: Path, failure: type[BaseException]) -> None:
    with results_folder(target, replace=True) as new:
        (new.path / "scenario.yaml").write_text("new")
        raise failure


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {name: (folder / name).read_bytes() for name in below(folder) if (folder / name).is_file()}


def below(folder: Path) -> list[str]:
    """Everything in a folder, hidden or not."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_complete_folder_holds_tables_scenario_and_figure(tmp_path: Path) -> None:
    save(tmp_path / "out")
    files = ["manifest.json", "scenario.yaml", "placements.yaml", "latency_cdf.svg", "latency_cdf.png"]
    names = [f"{name}.parquet" for name in TABLES] + files
    assert sorted(os.listdir(tmp_path / "out")) == sorted(names)
    assert below(tmp_path) == sorted(["out", *(f"out/{name}" for name in names)])
    assert load_result(tmp_path / "out").runs.empty


def test_tables_are_saved_and_loaded_by_a_path_written_as_text(tmp_path: Path) -> None:
    folder = str(tmp_path / "new" / "out")
    empty_result().save(folder)
    assert load_result(folder).runs.empty


def test_a_result_names_its_runs_in_one_line() -> None:
    runs = pd.DataFrame({"run": ["a", "b"] * 10, "status": "complete", "tokens": 1200})
    assert repr(empty_result()) == "<Result: no runs>"
    one = dataclasses.replace(empty_result(), runs=runs[:2])
    assert repr(one) == "<Result: a (complete, 1,200 tokens), b (complete, 1,200 tokens)>"
    assert repr(dataclasses.replace(one, runs=runs)).endswith(", 20 runs in all>")


def test_the_scenario_is_copied_byte_for_byte(tmp_path: Path) -> None:
    save(tmp_path / "out", "name: Küche\r\nseed: 1\n")
    assert (tmp_path / "out" / "scenario.yaml").read_bytes() == "name: Küche\r\nseed: 1\n".encode()


def test_the_folder_has_the_permissions_of_any_new_folder(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    save(tmp_path / "out")
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_nothing_is_at_the_target_before_the_block_has_ended(tmp_path: Path) -> None:
    with results_folder(tmp_path / "out") as new:
        (new.path / "runs.parquet").touch()
        assert not (tmp_path / "out").exists()
    assert below(tmp_path / "out") == ["runs.parquet"]


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_nothing_not_even_the_folders_above(
    tmp_path: Path, failure: type[BaseException]
) -> None:
    with pytest.raises(failure):
        begin_and_fail(tmp_path / "a" / "b" / "out", failure)
    assert below(tmp_path) == []


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_older_results_survive_a_failure_unchanged(tmp_path: Path, failure: type[BaseException]) -> None:
    save(tmp_path / "out", "old")
    before = contents(tmp_path)
    with pytest.raises(failure):
        begin_and_fail(tmp_path / "out", failure)
    assert contents(tmp_path) == before


def test_older_results_are_replaced_as_a_whole(tmp_path: Path) -> None:
    save(tmp_path / "out", "old")
    with results_folder(tmp_path / "out", replace=True) as new:
        assert (tmp_path / "out" / "scenario.yaml").read_text() == "old"
        (new.path / "runs.parquet").touch()
    assert below(tmp_path) == ["out", "out/runs.parquet"]
    assert str(new) == f"{tmp_path / 'out'} (replaced)"


def test_older_results_are_not_replaced_unless_that_is_asked_for(tmp_path: Path) -> None:
    save(tmp_path / "out", "old")
    before = contents(tmp_path)
    with pytest.raises(
        InputError,
        match=r"got a folder with results; expected .* --force",
    ):
        save(tmp_path / "out", "new")
    assert contents(tmp_path) == before


def test_numbered_results_go_to_the_first_folder_that_is_not_in_use(tmp_path: Path) -> None:
    (tmp_path / "out-3").write_text("a file of the user")
    (tmp_path / "out-4").mkdir()
    written = [save(tmp_path / "out", str(number), numbered=True) for number in range(4)]
    names = ["out", "out-2", "out-4", "out-5"]
    assert written == [str(tmp_path / name) for name in names]
    assert [(tmp_path / name / "scenario.yaml").read_text() for name in names] == ["0", "1", "2", "3"]


def test_numbered_results_of_two_runs_at_the_same_time_are_both_kept(tmp_path: Path) -> None:
    with results_folder(tmp_path / "out", numbered=True) as new:
        save(tmp_path / "out", "the faster run", numbered=True)
        (new.path / "runs.parquet").touch()
    assert str(new) == str(tmp_path / "out-2")
    assert (tmp_path / "out" / "scenario.yaml").read_text() == "the faster run"


def test_older_results_come_back_when_the_new_ones_cannot_take_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system cannot exchange two folders in one step."""
    save(tmp_path / "out", "old")
    monkeypatch.setattr("headway.analysis.files.atomic.exchange", lambda one, other: False)
    rename = Path.rename

    def refuse_new(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse_new)
    with pytest.raises(InputError, match=os.strerror(errno.EIO)):
        save(tmp_path / "out", "new", replace=True)
    assert (tmp_path / "out" / "scenario.yaml").read_text() == "old"
    assert os.listdir(tmp_path) == ["out"]


def test_there_is_always_a_whole_folder_at_the_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill can come after every single change of names."""
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    if not exchange(tmp_path / "one", tmp_path / "other"):
        pytest.skip("this system cannot exchange two folders in one step")
    for name in ("one", "other"):
        (tmp_path / name).rmdir()
    save(tmp_path / "out", "old")
    rename = Path.rename

    def checked(self: Path, target: Path) -> Path:
        rename(self, target)
        assert (tmp_path / "out" / "scenario.yaml").exists()
        return target

    monkeypatch.setattr(Path, "rename", checked)
    save(tmp_path / "out", "new", replace=True)
    assert (tmp_path / "out" / "scenario.yaml").read_text() == "new"
    assert os.listdir(tmp_path) == ["out"]


KILLED = """
import os, sys, signal
from pathlib import Path
from headway.analysis.files.atomic import scratch
from headway.analysis.files.results_folder import results_folder
with scratch("headway-test-") as temporary, results_folder(Path(sys.argv[1]), replace=True) as new:
    (temporary / "trace").touch()
    (new.path / "runs.parquet").touch()
    if sys.argv[2] == "wait":
        print("ready", flush=True)
        sys.stdin.read()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def begun(target: Path, then: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", KILLED, str(target), then]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_what_a_killed_process_left_goes_with_the_next_write_and_not_what_a_living_one_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr("tempfile.tempdir", None)
    with begun(tmp_path / "out", "die") as process:
        process.wait()
    assert len(os.listdir(tmp_path)) == 2
    assert len(os.listdir(temporary)) == 1
    (tmp_path / ".out.kept.partial").mkdir()
    (tmp_path / ".outer.abcdefgh.partial").mkdir()
    with begun(tmp_path / "out", "wait") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        with scratch("headway-test-"):
            assert len(os.listdir(temporary)) == 2
        save(tmp_path / "out", "ours")
        kept = {".out.kept.partial", ".outer.abcdefgh.partial", "out", "temporary"}
        others = set(os.listdir(tmp_path)) - kept
        assert len(others) == len(os.listdir(temporary)) == 1
        process.kill()
    with scratch("headway-test-"):
        assert len(os.listdir(temporary)) == 1
    save(tmp_path / "out", "again", replace=True)
    assert set(os.listdir(tmp_path)) == kept


def test_older_results_that_a_killed_process_had_put_aside_come_back(tmp_path: Path) -> None:
    """Where the system cannot exchange two folders in one step, the kill may come between two renames."""
    save(tmp_path / "out", "old")
    (tmp_path / ".out.abcdefgh.partial").mkdir()
    (tmp_path / "out").rename(tmp_path / ".out.abcdefgh.partial" / "old")
    with pytest.raises(RuntimeError):
        begin_and_fail(tmp_path / "out", RuntimeError)
    assert (tmp_path / "out" / "scenario.yaml").read_text() == "old"
    assert os.listdir(tmp_path) == ["out"]


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    save(tmp_path / "out")
    assert (tmp_path / "out" / "runs.parquet").exists()


@pytest.mark.parametrize(
    "names",
    [
        ["thesis.tex"],
        ["runs.parquet", "notes.md"],
        ["tokens.parquet"],
        ["runs.parquet", ".git"],
        ["export", "export/notes.md", "runs.parquet"],
    ],
)
def test_a_folder_with_anything_that_headway_did_not_write_is_refused_at_once(
    tmp_path: Path, names: list[str]
) -> None:
    (tmp_path / "out").mkdir()
    for name in names:
        if name == "export":
            (tmp_path / "out" / name).mkdir()
        else:
            (tmp_path / "out" / name).write_text("mine")
    with pytest.raises(InputError, match="headway did not write"):
        save(tmp_path / "out", replace=True)
    assert below(tmp_path) == sorted(["out", *(f"out/{name}" for name in names)])


def test_a_folder_that_became_foreign_during_the_run_is_not_replaced(tmp_path: Path) -> None:
    def run_while_somebody_writes_there() -> None:
        with results_folder(tmp_path / "out"):
            (tmp_path / "out").mkdir()
            (tmp_path / "out" / "thesis.tex").write_text("mine")

    with pytest.raises(InputError, match="thesis"):
        run_while_somebody_writes_there()
    assert below(tmp_path) == ["out", "out/thesis.tex"]


def test_a_file_at_the_target_or_above_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="not a folder"):
        save(tmp_path / "file")
    with pytest.raises(InputError, match="file/out"):
        save(tmp_path / "file" / "out")
    assert below(tmp_path) == ["file"]


def test_the_current_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="current folder"):
        save(Path())


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    save(tmp_path / "out")
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "disk" / "runs.parquet").exists()


def test_a_refusal_by_the_system_names_path_and_reason() -> None:
    with pytest.raises(InputError) as caught, writing("some/path"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.where == "some/path"
    assert caught.value.got == "No space left on device"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 KiB, which holds less than a result."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("this system does not let the test mount a small file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_told_with_its_path_and_leaves_nothing(small_disk: Path) -> None:
    with pytest.raises(InputError, match="No space left") as caught:
        save(small_disk / "out")
    assert caught.value.where.startswith(str(small_disk / "out"))
    assert below(small_disk) == []


def test_the_root_of_all_folders_is_refused_before_the_run() -> None:
    with pytest.raises(InputError, match="mount point"), results_folder(Path("/")):
        pytest.fail("there is nothing to wait for")


def test_a_mount_point_is_refused_before_the_run(small_disk: Path) -> None:
    with pytest.raises(InputError, match="mount point"):
        save(small_disk)


@pytest.mark.parametrize(
    ("path", "found"), [("", "a folder"), ("missing/a.csv", "a folder that does not exist")]
)
def test_a_place_where_no_file_can_be_is_told_as_what_it_is(path: str, found: str, tmp_path: Path) -> None:
    place = tmp_path / path
    with pytest.raises(InputError) as caught, writing(place):
        place.write_text("")
    assert (caught.value.where, caught.value.got) == (str(place), found)


def test_no_label_in_a_csv_file_is_a_formula_and_numbers_stay(tmp_path: Path) -> None:
    labels = ["=1+2", "+a", "-b", "@c", "\td", "slow=1", "'f"]
    frame = pd.DataFrame({"variant": labels, "mean": [-1.5, 2.0, -0.0, 1e-9, 1.0, 1.0, np.nan]})
    frame["policy"] = frame["variant"].astype("category")
    write_findings(tmp_path, {"levels": frame}, {}, {})
    read = pd.read_csv(tmp_path / "levels.csv")
    expected = ["'=1+2", "'+a", "'-b", "'@c", "'\td", "slow=1", "'f"]
    assert list(read["variant"]) == list(read["policy"]) == expected
    pd.testing.assert_series_equal(read["mean"], frame["mean"])
    assert list(pd.read_parquet(tmp_path / "levels.parquet")["variant"]) == labels

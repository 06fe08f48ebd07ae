"""Laws of reading a store while a runner adds to it: each run is seen once, with all its tables, or not at all."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from campaigns import fake

from headway.analysis.experiments import Store
from headway.analysis.store import parts
from headway.analysis.store.store import Writer
from headway.analysis.store.view import View

BEGUN = 4
LOOKS = ("iterdir", "is_dir", "read_bytes", "read_text", "stat", "open")
"""How a folder is looked at: a runner can do something before any of these."""


def begun(folder: Path) -> Store:
    """A store with runs in a part and in its journal."""
    store = Store(folder)
    with store.writer() as writer:
        for i in range(BEGUN):
            commit(writer, i)
            if i == 1:
                writer.fold()
    return store


def commit(writer: Writer, number: int) -> None:
    writer.add(fake(f"run-{number}", tokens=3))
    writer.commit()


def before_look(patch: pytest.MonkeyPatch, number: int, act: Callable[[], None]) -> list[int]:
    """Let something happen before a look at the disk; gives the looks there are left until then."""
    left = [number]

    def wrapped(look: Callable[..., Any]) -> Callable[..., Any]:
        def first(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == -1:
                with patch.context() as paused:
                    for name, plain in looks.items():
                        paused.setattr(Path, name, plain)
                    act()
            return look(*arguments, **named)

        return first

    looks = {name: getattr(Path, name) for name in LOOKS}
    for name, look in looks.items():
        patch.setattr(Path, name, wrapped(look))
    return left


def assert_whole(view: View) -> int:
    """Each run is there once, with all its tables; how many there are."""
    runs = view.read("runs")["run"].to_pylist()
    assert sorted(runs) == [f"run-{i}" for i in range(len(runs))]
    assert len(runs) >= BEGUN
    for table, each in (("tokens", 3), ("kept", 2)):
        found = view.read(table)["run"].to_pylist()
        assert sorted(found) == sorted(runs * each)
        assert view.rows(table) == len(found)
    return len(runs)


def test_a_store_that_is_folded_at_any_moment_shows_every_run_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every look at the disk of a reader, one after the other."""
    monkeypatch.setattr(parts, "sync", lambda _: None)
    moment, happened = 0, True
    while happened:
        store = begun(tmp_path / str(moment))
        with store.writer() as writer:

            def act(writer: Writer = writer) -> None:
                commit(writer, BEGUN)
                writer.fold()

            with monkeypatch.context() as patch:
                left = before_look(patch, moment, act)
                view = store.view()
                happened = left[0] < 0
            if not happened:
                act()
            assert_whole(view)
            assert view.size_bytes() > 0
            assert assert_whole(store.view()) == BEGUN + 1
        moment += 1
    assert moment > 2 * BEGUN


def test_a_reader_goes_on_with_what_it_saw_first(tmp_path: Path) -> None:
    """Also half-way through a table."""
    store = begun(tmp_path / "store")
    with store.writer() as writer:
        view = store.view()
        batches = view.batches("tokens", ("run",))
        seen = next(batches)["run"].to_pylist()
        commit(writer, BEGUN)
        writer.fold()
        for batch in batches:
            seen += batch["run"].to_pylist()
    assert sorted(seen) == sorted([f"run-{i}" for i in range(BEGUN)] * 3)
    assert assert_whole(view) == BEGUN


def test_what_is_not_finished_is_nowhere_where_parts_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in hidden folders either: DuckDB and polars look into these."""
    store = begun(tmp_path / "store")
    folders, sync, moments = [store.folder / "parts", store.folder / "journal"], parts.sync, []

    def look(path: Path) -> None:
        visible = {part for folder in folders for part in parts.parts_in(folder)}
        moments.append((visible, {found for folder in folders for found in folder.rglob("*")}))
        sync(path)

    with store.writer() as writer:
        monkeypatch.setattr(parts, "sync", look)
        commit(writer, BEGUN)
        writer.fold()
    for visible, found in moments:
        assert all(path in visible or path.parent in visible for path in found)
        for name in ("tokens.parquet", "kept.parquet"):
            assert {path.parent for path in found if path.name == name} == visible


@pytest.mark.parametrize("library", ["duckdb", "polars"])
def test_other_libraries_do_not_see_what_a_killed_runner_left(tmp_path: Path, library: str) -> None:
    reader: Any = pytest.importorskip(library)
    store = begun(tmp_path / "store")
    with store.writer() as writer:
        writer.fold()
    with parts.temporary_folder(store.folder / ".unfinished") as left:
        (left / "runs.parquet").write_bytes(b"PAR1 and so on")
        where = f"{store.folder}/parts/*/runs.parquet"
        if library == "duckdb":
            found = [run for (run,) in reader.sql(f"SELECT run FROM '{where}'").fetchall()]
        else:
            found = reader.scan_parquet(where).collect()["run"].to_list()
    assert sorted(found) == [f"run-{i}" for i in range(BEGUN)]

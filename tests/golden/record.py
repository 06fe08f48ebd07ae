"""The file `golden.json`: what is kept of every run."""

import json
import pickle
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from headway.simcore import MODEL_VERSION

from .digests import Columns, bytes_hash, columns_of, differences, digest
from .runs import Tables, names, tables_of

PATH = Path(__file__).with_name("golden.json")


@cache
def load() -> Mapping[str, Any]:
    """The file: the `model_version` that made the runs, `columns` by table, and in `runs` digests by run and table."""
    record: Mapping[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    return record


def unlike(name: str, tables: Tables) -> list[str]:
    """Where the tables of a run are not what is kept of them; tables beside those are ignored."""
    return list(_unlike(load()["columns"], load()["runs"][name], tables))


def same_bytes(name: str, tables: Tables) -> bool:
    """Whether the tables of a run, which differ in nothing else, are what they were to the last bit."""
    columns = load()["columns"]
    return all(
        not kept["rows"] or bytes_hash(tables[table], columns[table]) == kept["bytes"]
        for table, kept in load()["runs"][name].items()
    )


def _unlike(columns: Columns, kept: Mapping[str, Any], tables: Tables) -> Iterator[str]:
    for table, one in kept.items():
        if table not in tables:
            yield f"no table {table}"
        else:
            yield from (f"{table}: {told}" for told in differences(tables[table], columns[table], one))


def outdated(version: int, recorded: int, changed: Collection[str]) -> str:
    """Why runs cannot be recorded as those of a version of the model; empty where they can.

    Args:
        version: of the model that made them.
        recorded: with which the record was made.
        changed: recorded runs that come out otherwise now.
    """
    if changed and version <= recorded:
        return (
            f"{len(changed)} recorded runs have other figures now, such as {sorted(changed)[0]}. If that is meant, "
            f"raise MODEL_VERSION in simcore/results.py above {recorded}, then record again."
        )
    return ""


def rewrite(made: Mapping[str, Tables]) -> None:
    """Record all runs of today. Of a run that is what it was to 1e-12, what was kept stays.

    Raises:
        ValueError: figures changed and `MODEL_VERSION` did not.
    """
    before = load()
    known = made.keys() & before["runs"].keys()
    changed = {name for name in known if unlike(name, made[name])}
    if why_not := outdated(MODEL_VERSION, before["model_version"], changed):
        raise ValueError(why_not)
    columns: dict[str, dict[str, list[str]]] = {}
    for tables in made.values():
        for table, found in columns_of(tables).items():
            if columns.setdefault(table, found) != found:
                raise ValueError(f"table {table!r} has other columns in some runs than in others")
    same = known - changed if columns == before["columns"] else set()
    lines = {
        name: before["runs"][name]
        if name in same
        else {table: digest(frame, columns[table]) for table, frame in tables.items()}
        for name, tables in made.items()
    }
    texts = [f"{json.dumps(name)}:{_compact(digests)}" for name, digests in lines.items()]
    head = f'"model_version":{MODEL_VERSION},\n"columns":{_compact(columns)}'
    PATH.write_text(f'{{{head},\n"runs":{{\n' + ",\n".join(texts) + "\n}}\n", encoding="utf-8")


def make_all() -> Iterator[tuple[str, Tables]]:
    """Every run with its tables."""
    for name in names():
        yield name, tables_of(name)


def save(name: str, tables: Tables, folder: Path) -> None:
    """Write the tables of a run into a folder, as a pickle of data frames by table."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name.replace('/', '-')}.pickle").write_bytes(pickle.dumps(dict(tables)))


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)

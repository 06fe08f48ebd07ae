"""Whether a store is as it was written, and what to do where it is not.

Repair sets a damaged part aside and puts a new one in its place, with the tables that are sound. Runs of which tables
are lost then lack these, so that the next runner makes them again.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from headway.analysis.files.atomic import writing
from headway.analysis.store import parts
from headway.analysis.store.lock import locked
from headway.analysis.store.store import CAMPAIGNS, FOLDERS, JOURNAL, PARTS, UNFINISHED, Store
from headway.analysis.store.tables import STORED, Tables, told_of
from headway.simcore.manifest import MANIFEST, Manifest
from headway.simcore.results import read_table
from headway.traces.errors import InputError

DAMAGED = "damaged"
"""Name of the folder of a store for what is set aside."""

_TOGETHER = frozenset({"runs", "metrics", "effort"})
"""Tables that are always made together."""


@dataclass(frozen=True)
class Damage:
    """A damaged part of a store, or the damaged table of a campaign's cases.

    Attributes:
        path: of the part, or of the table.
        files: what is wrong, by path of the damaged file.
    """

    path: Path
    files: Mapping[Path, str]


def damages(store: Store) -> list[Damage]:
    """Everything that is damaged in a store; all tables are read.

    Raises:
        InputError: the store cannot be read.
    """
    missing = [store.folder / name for name in (JOURNAL, PARTS) if not (store.folder / name).is_dir()]
    found = [Damage(path, {path: "no such folder"}) for path in missing]
    with told_of(store.folder):
        # Entries of the journal first: a runner may put them into a part meanwhile, which then replaces them.
        entries = _parts(store.folder / JOURNAL)
        waiting = [_damage_of(entry) for entry in entries]
        done = _parts(store.folder / PARTS)
        replaced = parts.folded(entries, (manifest for part in done if (manifest := _manifest_of(part))))
        found += [one for one in waiting if one.path.name not in replaced]
        found += map(_damage_of, done)
        found += map(_damage_of_cases, sorted((store.folder / CAMPAIGNS).glob("*.parquet")))
    return [one for one in found if one.files]


def repair(store: Store) -> list[Damage]:
    """Set aside all that is damaged, and keep the tables beside it that are not.

    Returns:
        What was damaged.

    Raises:
        InputError: somebody is at work in the store, or it cannot be written.
    """
    with writing(store.folder), locked(store.folder):
        found = damages(store)
        for name in (*FOLDERS, DAMAGED) if found else ():
            (store.folder / name).mkdir(exist_ok=True)
        for one in found:
            if one.path.parent.name in (JOURNAL, PARTS):
                _renew(one, store.folder)
            elif one.path.parent.name == CAMPAIGNS:
                one.path.replace(store.folder / DAMAGED / one.path.name)
        return found


def _parts(folder: Path) -> list[Path]:
    return parts.parts_in(folder) if folder.is_dir() else []


def _manifest_of(part: Path) -> Manifest | None:
    """The manifest of a part; None if that is damaged."""
    try:
        return parts.manifest_of(part)
    except InputError:
        return None


def _damage_of(part: Path) -> Damage:
    try:
        manifest = parts.manifest_of(part)
    except InputError as error:
        return Damage(part, {part / MANIFEST: error.got})
    found = {part / name: record.damage(part / name) for name, record in manifest.files.items()}
    return Damage(part, {path: words for path, words in found.items() if words})


def _damage_of_cases(path: Path) -> Damage:
    try:
        read_table(path)
    except InputError as error:
        return Damage(path, {path: error.got})
    return Damage(path, {})


def _renew(damage: Damage, folder: Path) -> None:
    """Put a part with what is sound of a damaged one in its place."""
    part, aside = damage.path, folder / DAMAGED / damage.path.name
    manifest = _manifest_of(part)
    tables = {} if manifest is None else _sound(part, manifest, {path.stem for path in damage.files})
    with parts.hidden(folder / UNFINISHED) as new:
        parts.write_tables(new, tables, manifest.replaces if manifest else ())
        # A runner that is killed between these two steps leaves runs to be made again, and none twice.
        part.rename(aside)
        parts.sync(part.parent)
        if any(table.num_rows for table in tables.values()):
            parts.show(new, part.parent)


def _sound(part: Path, manifest: Manifest, lost: Set[str]) -> Tables:
    """The tables of a part that are not lost, without what they say about those that are."""
    if "kept" in lost:
        # Nothing says any more which runs the others have.
        lost = set(STORED) - {"failures"}
    elif lost & _TOGETHER:
        lost = lost | _TOGETHER
    names = [name for name in STORED if f"{name}.parquet" in manifest.files and name not in lost]
    tables = {name: pq.read_table(part / f"{name}.parquet") for name in names}
    if "kept" in tables:
        is_lost = pc.is_in(tables["kept"]["table"], pa.array(sorted(lost), pa.string()))
        tables["kept"] = tables["kept"].filter(pc.invert(is_lost))
    return tables

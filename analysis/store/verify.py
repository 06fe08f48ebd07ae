"""Find and repair damage in a store.

Repair moves a damaged part into the folder `damaged` and replaces it with a part that contains its undamaged tables.
Runs with lost tables are then incomplete, so the next campaign makes them again.
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
from headway.analysis.store.parts import CAMPAIGNS, FOLDERS, JOURNAL, PARTS, UNFINISHED
from headway.analysis.store.store import Store
from headway.analysis.store.tables import STORED, Tables
from headway.simcore.manifest import MANIFEST, Manifest
from headway.simcore.table_files import read_table, reading
from headway.traces.errors import InputError

DAMAGED = "damaged"
"""Name of the folder to which repair moves damaged files."""

_TOGETHER = frozenset({"runs", "metrics", "effort"})
"""Tables that a run adds together: if one is lost, all are made again."""


@dataclass(frozen=True)
class Damage:
    """A damaged part, or a campaign's damaged table of cases.

    Attributes:
        path: of the part or table.
        files: a description of the damage, by path of the file.
    """

    path: Path
    files: Mapping[Path, str]


def damages(store: Store) -> list[Damage]:
    """Read all tables of a store and list the damage.

    Raises:
        InputError: the store cannot be read.
    """
    missing = [store.folder / name for name in (JOURNAL, PARTS) if not (store.folder / name).is_dir()]
    damage = [Damage(path, {path: "no such folder"}) for path in missing]
    with reading(store.folder):
        # Read the journal first: a writer may fold entries meanwhile, and the new part then lists them.
        entries = _parts(store.folder / JOURNAL)
        in_journal = [_damage_of(entry) for entry in entries]
        done = _parts(store.folder / PARTS)
        folded = parts.folded(entries, (manifest for part in done if (manifest := _manifest_of(part))))
        damage += [one for one in in_journal if one.path.name not in folded]
        damage += map(_damage_of, done)
        damage += map(_damage_of_cases, sorted((store.folder / CAMPAIGNS).glob("*.parquet")))
    return [one for one in damage if one.files]


def repair(store: Store) -> list[Damage]:
    """Move damaged files into the folder `damaged`, and keep the undamaged tables of their parts.

    Returns:
        The damage.

    Raises:
        InputError: another process writes to the store, or the store cannot be written.
    """
    with writing(store.folder), locked(store.folder):
        damage = damages(store)
        for name in (*FOLDERS, DAMAGED) if damage else ():
            (store.folder / name).mkdir(exist_ok=True)
        for one in damage:
            if one.path.parent.name in (JOURNAL, PARTS):
                _replace(one, store.folder)
            elif one.path.parent.name == CAMPAIGNS:
                one.path.replace(store.folder / DAMAGED / one.path.name)
        return damage


def _parts(folder: Path) -> list[Path]:
    return parts.parts_in(folder) if folder.is_dir() else []


def _manifest_of(part: Path) -> Manifest | None:
    """The manifest of a part; None if it is damaged."""
    try:
        return parts.manifest_of(part)
    except InputError:
        return None


def _damage_of(part: Path) -> Damage:
    try:
        manifest = parts.manifest_of(part)
    except InputError as error:
        return Damage(part, {part / MANIFEST: error.got})
    files = {part / name: record.damage(part / name) for name, record in manifest.files.items()}
    return Damage(part, {path: damage for path, damage in files.items() if damage})


def _damage_of_cases(path: Path) -> Damage:
    try:
        read_table(path)
    except InputError as error:
        return Damage(path, {path: error.got})
    return Damage(path, {})


def _replace(damage: Damage, folder: Path) -> None:
    """Replace a damaged part with a part that contains its undamaged tables."""
    part = damage.path
    manifest = _manifest_of(part)
    tables = {} if manifest is None else _undamaged(part, manifest, {path.stem for path in damage.files})
    with parts.temporary_folder(folder / UNFINISHED) as new:
        parts.write_tables(new, tables, manifest.replaces if manifest else ())
        # If this process is killed between the rename and `publish`, the runs of the part are made again.
        part.rename(folder / DAMAGED / part.name)
        parts.sync(part.parent)
        if any(table.num_rows for table in tables.values()):
            parts.publish(new, part.parent)


def _undamaged(part: Path, manifest: Manifest, lost: Set[str]) -> Tables:
    """The tables of a part that are not lost, without the rows of `kept` that refer to lost tables."""
    if "kept" in lost:
        # Only `kept` says which runs the other tables contain.
        lost = set(STORED) - {"failures"}
    elif lost & _TOGETHER:
        lost = lost | _TOGETHER
    names = [name for name in STORED if f"{name}.parquet" in manifest.files and name not in lost]
    tables = {name: pq.read_table(part / f"{name}.parquet") for name in names}
    if "kept" in tables:
        is_lost = pc.is_in(tables["kept"]["table"], pa.array(sorted(lost), pa.string()))
        tables["kept"] = tables["kept"].filter(pc.invert(is_lost))
    return tables

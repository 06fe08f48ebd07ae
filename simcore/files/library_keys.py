"""Fill in the values of the library where a scenario file names a device (`device: NAME`) or a link (`link: NAME`)."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from headway.simcore.files.library import (
    DEVICE_QUANTITIES,
    LINK_QUANTITIES,
    Measured,
    overlaid,
    quantity_text,
    shipped_library,
)
from headway.simcore.files.yaml_document import Document, KeyPath, key_text
from headway.simcore.world.library import Entry, Library, LibraryUse, LinkEntry
from headway.traces.errors import InputError, quoted

_OF_DEVICE = {key: one for key, one in DEVICE_QUANTITIES.items() if not key.startswith("power")}
_OF_MEDIUM = {"bandwidth": LINK_QUANTITIES["bandwidth"]}


def with_library(document: Document, only: KeyPath | None = None) -> tuple[Document, tuple[LibraryUse, ...]]:
    """The document with the values that it takes from the library, and the list of these values.

    Keys of the file precede those of the library. A link of a shared medium, such as Wi-Fi, without `medium` and
    without `bandwidth` gets a medium of its own, with the name of its section.

    Args:
        document: a scenario file.
        only: key path of the only value to fill in; None for all values.

    Raises:
        InputError: the library has no such device or link, or the file of the key `library` cannot be used.
    """
    sections = [*_sections(document)]
    if not sections and "library" not in document.values:
        return document, ()
    filled = _Filled(document, library_of(document), only)
    for key, section in sections:
        filled.add(key, section)
    return replace(document, values=filled.values), tuple(filled.uses)


def library_of(document: Document) -> Library:
    """The library of a scenario file: the shipped one, with the changes of the file that its key `library` names.

    Raises:
        InputError: that file cannot be used.
    """
    name = document.values.get("library")
    if not isinstance(name, str):  # A value of another type is refused when the document is validated.
        return shipped_library()
    with document.naming(("library",)):
        return overlaid(shipped_library(), Path(document.path).parent / name)


def _sections(document: Document) -> Iterator[tuple[KeyPath, Mapping[str, Any]]]:
    """The sections that name a device or a link."""
    for kind, name in (("devices", "device"), ("media", "link"), ("topology", "link"), ("links", "link")):
        group = document.values.get(kind)
        for key, section in group.items() if isinstance(group, dict) else ():
            if isinstance(section, dict) and name in section:
                yield (kind, key), section
            backbone = section.get("backbone") if isinstance(section, dict) else None
            if kind == "topology" and isinstance(backbone, dict) and name in backbone:
                yield (kind, key, "backbone"), backbone


class _Filled:
    """The values of a document with those of the library."""

    def __init__(self, document: Document, library: Library, only: KeyPath | None) -> None:
        self.values = dict(document.values)
        self.uses: list[LibraryUse] = []
        self._document = document
        self._library = library
        self._only = only

    def add(self, key: KeyPath, section: Mapping[str, Any]) -> None:
        """Fill in the missing keys of one section."""
        kind = "device" if key[0] == "devices" else "link"
        name, where = section[kind], self._document.where((*key, kind))
        if not isinstance(name, str):
            raise InputError(where, quoted(name), f"the name of a {kind}; `headway devices list` shows them")
        if kind == "device":
            device = self._library.devices.find(name, where)
            self._fill(key, section, device, _OF_DEVICE)
            return
        link = self._library.links.find(name, where)
        shares_medium = self._shares_medium(key, section, link)
        if shares_medium and self._only is None:
            section = {**section, "medium": self._add_medium(key, link)}
        quantities = dict(_OF_MEDIUM if key[0] == "media" else LINK_QUANTITIES)
        if shares_medium or "medium" in section:
            del quantities["bandwidth"]
        self._fill(key, section, link, quantities)

    def _fill(
        self, key: KeyPath, section: Mapping[str, Any], entry: Entry, quantities: Mapping[str, Measured]
    ) -> None:
        """Fill in the missing keys of some quantities."""
        uses = {
            name: value
            for name, value in entry.values.items()
            if name in quantities and name not in section and self._only in (None, (*key, name))
        }
        texts = {name: quantity_text(quantities[name], value.amount) for name, value in uses.items()}
        self.uses += [LibraryUse(key_text((*key, name)), entry.name, value) for name, value in uses.items()]
        self._set(key, {**section, **texts})

    def _set(self, key: KeyPath, section: dict[str, Any]) -> None:
        """Set a section in a copy of its group. The document does not change."""
        kind, name = str(key[0]), key[1]
        group = dict(self.values.get(kind, {}))
        group[name] = section if len(key) == 2 else {**group[name], key[2]: section}
        self.values[kind] = group

    def _shares_medium(self, key: KeyPath, section: Mapping[str, Any], link: LinkEntry) -> bool:
        """Whether the links of a section share a medium that the file does not name."""
        plain = len(key) == 2 and key[0] in ("links", "topology") and section.get("kind") != "cells"
        return link.shared and plain and not {"medium", "bandwidth", "file"} & section.keys()

    def _add_medium(self, key: KeyPath, link: LinkEntry) -> str:
        name = str(key[1]).replace(":", "-")
        if name in self.values.get("media", {}):
            got = f"no medium, and a medium called {quoted(name)} in `media`"
            raise InputError(
                self._document.where(key), got, f"medium: {name} here, or another name of the links"
            )
        self._fill(("media", name), {}, link, _OF_MEDIUM)
        return name

"""Named devices and links: measured and estimated speeds of real hardware, each with its source.

`simcore.files.library` reads the library that comes with Headway; `Library` finds its entries by name, or by the text
in which a user or a table names a machine.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Generic, Literal, TypeAlias, TypeVar

from headway.simcore.world.profile import Profile
from headway.traces.errors import InputError, did_you_mean, quoted

Quality: TypeAlias = Literal["measured", "derived", "specified", "guessed"]
"""How far a value can be trusted: a measurement of this quantity on this device; computed from measurements of the
device or of its class; from the data sheet of the manufacturer; or an estimate without any of these."""


@dataclass(frozen=True)
class Value:
    """A quantity of a device or a link.

    Attributes:
        amount: in SI units: bytes, FLOP/s, bytes/s, s or W.
        quality: how far it can be trusted.
        source: the measurement, data sheet or rule that gives it.
    """

    amount: float
    quality: Quality
    source: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A named device or link.

    Attributes:
        name: in scenario files, in kebab case.
        title: full name.
        also: fragments of text that name it, in any case.
    """

    name: str
    title: str
    also: tuple[str, ...] = ()

    @property
    def values(self) -> dict[str, Value]:
        """The known quantities by name."""
        items = ((one.name, getattr(self, one.name)) for one in fields(self))
        return {name: item for name, item in items if isinstance(item, Value)}


@dataclass(frozen=True, kw_only=True)
class DeviceEntry(Entry):
    """A device as it performs when it runs a language model.

    Attributes:
        memory: capacity [bytes]; other programs use a part of it.
        compute: achieved speed in the prefill of a prompt [FLOP/s].
        memory_bandwidth: achieved rate of reading weights when tokens are generated [bytes/s].
        kv_bandwidth: achieved rate of reading keys and values [bytes/s]; None: as `memory_bandwidth`.
        sync: time of the inference engine per message [s].
        overhead: fixed time per task [s].
        kv_context: largest number of positions in the measurements of `kv_bandwidth`; None: it was not measured.
        disk: rate of reading its disk [bytes/s].
        power_idle: electrical power without work [W]; no simulation uses it yet.
        power_busy: electrical power while it generates tokens [W]; no simulation uses it yet.
    """

    memory: Value
    compute: Value
    memory_bandwidth: Value
    kv_bandwidth: Value | None = None
    kv_context: int | None = None
    sync: Value | None = None
    overhead: Value | None = None
    disk: Value | None = None
    power_idle: Value | None = None
    power_busy: Value | None = None


@dataclass(frozen=True, kw_only=True)
class LinkEntry(Entry):
    """A kind of link.

    Attributes:
        bandwidth: achieved rate in each direction, or of the whole medium [bytes/s].
        latency: one way [s].
        overhead: fixed time per message [s].
        shared: whether it is a half-duplex medium, such as a Wi-Fi channel, that all links in it share.
    """

    bandwidth: Value
    latency: Value
    overhead: Value | None = None
    shared: bool = False


@dataclass(frozen=True)
class LibraryUse:
    """A value of a scenario that comes from the library.

    Attributes:
        key: path of the key in the scenario file that has the value.
        entry: name of the device or link in the library.
        value: the value with its source.
    """

    key: str
    entry: str
    value: Value


AnEntry = TypeVar("AnEntry", bound=Entry)


class Names(Generic[AnEntry]):
    """Entries of one kind by their names, and by the texts that name them."""

    def __init__(self, noun: str, entries: Mapping[str, AnEntry]) -> None:
        self._noun = noun
        self.entries: Mapping[str, AnEntry] = entries

    def find(self, name: str, where: str = "") -> AnEntry:
        """The entry of a name; `where` is the place of the name, for the message.

        Raises:
            InputError: there is no such entry; the message has the most similar name.
        """
        if name not in self.entries:
            option = " --links" if self._noun == "link" else ""
            hint = did_you_mean(name, self.entries)
            expected = f"a {self._noun} of `headway devices list{option}`{hint}"
            raise InputError(where or self._noun, quoted(name), expected)
        return self.entries[name]

    def named(self, text: str) -> AnEntry | None:
        """The entry with the longest name or fragment in a text; None if the text has none of them."""
        compact = _compact(text)
        return next((entry for fragment, entry in self._fragments if _has(compact, fragment)), None)

    @cached_property
    def _fragments(self) -> list[tuple[str, AnEntry]]:
        """All fragments, the longest first. The order of the file decides between equally long ones."""
        entries = self.entries.values()
        pairs = [(_compact(part), entry) for entry in entries for part in (entry.name, *entry.also)]
        return sorted(pairs, key=lambda pair: -len(pair[0]))


@dataclass(frozen=True)
class Library:
    """All known devices, links and engine profiles by name."""

    devices: Names[DeviceEntry]
    links: Names[LinkEntry]
    profiles: Mapping[str, Profile] = field(default_factory=dict)


def _compact(text: str) -> str:
    return " ".join(text.casefold().split())


def _has(text: str, fragment: str) -> bool:
    """Whether a text has a fragment that is not a part of a longer word; "2x" may precede it without a space."""
    if fragment not in text:  # nearly always; compiling hundreds of patterns takes longer than all searches
        return False
    pattern = rf"(?:(?<![a-z0-9])|(?<=\dx)){re.escape(fragment)}(?![a-z0-9])"
    return re.search(pattern, text) is not None

"""Library entries for hardware that only a user's own measurements name."""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from headway.analysis.fidelity.interpret import interpret
from headway.analysis.fidelity.known import Known
from headway.analysis.fidelity.predict_row import measured_quantities, predicted_quantities
from headway.analysis.fidelity.rows import Row
from headway.simcore.world.library import DeviceEntry, LinkEntry, Names, Value
from headway.traces.errors import InputError, quoted


def with_device(known: Known, name: str, rows: Sequence[Row], memory_bytes: float | None = None) -> Known:
    """A library with an entry for the only device of some rows.

    Its first values are those of the device whose predictions are nearest to the measured times and rates.

    Args:
        known: the library.
        name: of the new entry.
        rows: measurements; those of single devices define the entry.
        memory_bytes: capacity; None: as the nearest device.

    Raises:
        InputError: the name is in use or has other characters, or the rows have no device, or several.
    """
    if _entry_name(name) != name.casefold():
        raise InputError("--device", quoted(name), 'letters, digits and hyphens, such as "my-pc"')
    if name in known.devices.entries:
        raise InputError("--device", quoted(name), "a name that no device of the library has")
    single = [row for row in rows if row.device_count == 1 and measured_quantities(row)]
    texts = {part.name for row in single for part in interpret(row).devices.parts}
    if len(texts) != 1:
        names = " and ".join(map(quoted, sorted(texts)))
        got = f"rows of {names}" if texts else "no measured row of a single device"
        raise InputError("--device", got, "rows of one device")
    (text,) = texts
    best = min(
        known.devices.entries.values(),
        key=lambda entry: (_distance(known, _like(entry, name, text), single), entry.name),
    )
    entry = _like(best, name, text)
    if memory_bytes is not None:
        entry = replace(entry, memory=Value(memory_bytes, "specified", "the option --memory"))
    return replace(known, devices=Names("device", {**known.devices.entries, name: entry}))


def _like(entry: DeviceEntry, name: str, text: str) -> DeviceEntry:
    """A new entry with the values of another one, as guesses."""
    values: Any = {
        key: None if key.startswith("power") else Value(one.amount, "guessed", f"as {entry.name}")
        for key, one in entry.values.items()
    }
    return replace(entry, **values, name=name, title=text, also=(text,))


def _distance(known: Known, entry: DeviceEntry, rows: Sequence[Row]) -> float:
    """Root of the mean square of the errors in logarithms; infinite if no row can be predicted."""
    alone = replace(known, devices=Names("device", {entry.name: entry}))
    errors = []
    for row in rows:
        predicted = predicted_quantities(row, alone)
        errors += [
            math.log(predicted[key] / value)
            for key, value in measured_quantities(row).items()
            if value > 0.0 and predicted.get(key, 0.0) > 0.0
        ]
    return math.sqrt(sum(error**2 for error in errors) / len(errors)) if errors else math.inf


def measured_links(rows: Sequence[Row], known: Known) -> list[LinkEntry]:
    """The links that tests of iperf3 measured, each with the name of its row, which is that of the file.

    A test without a round trip gives the link the delay of the shipped link with the nearest rate.
    """
    return [_link(row, known) for row in rows if row.system == "iperf3"]


def _link(row: Row, known: Known) -> LinkEntry:
    network = interpret(row).network
    assert network.rate_bit_s is not None
    rate = network.rate_bit_s / 8.0
    near = min(known.links.entries.values(), key=lambda link: abs(math.log(link.bandwidth.amount / rate)))
    latency = Value(near.latency.amount, "guessed", f"as {near.name}")
    if network.delay_s is not None:
        latency = Value(network.delay_s, "measured", f"half of the shortest round trip of iperf3 in {row.id}")
    return LinkEntry(
        name=_entry_name(row.id),
        title=f"Link measured in {row.id}",
        bandwidth=Value(rate, "measured", f"iperf3 in {row.id}"),
        latency=latency,
    )


def _entry_name(text: str) -> str:
    """A text as the name of a library entry: letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9.]+", "-", text.casefold()).strip("-.") or "link"

"""`headway devices`: the library of devices and links."""

# ruff: noqa: PLC0415

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headway.analysis.console.terminal import reported, show

if TYPE_CHECKING:
    from rich.table import Table

    from headway.simcore.world.library import DeviceEntry, Library, LinkEntry

devices = typer.Typer(
    help="Show the library of devices and links, with sources.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

OtherLibrary = Annotated[
    Path | None,
    typer.Option("--library", metavar="FILE", help="A file that changes or adds devices and links."),
]


@devices.command("list")
def list_(
    links: Annotated[bool, typer.Option("--links", help="List links, not devices.")] = False,
    library: OtherLibrary = None,
) -> None:
    """List the devices that scenario files can name with `device: NAME`, or the links (`link: NAME`).

    Example: headway devices list
    """
    with reported():
        known = _library(library)
        show(_links(known.links.entries.values()) if links else _devices(known.devices.entries.values()))


@devices.command("show")
def show_(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A device or link of `headway devices list`.")],
    library: OtherLibrary = None,
) -> None:
    """Print all values of a device or a link, with their qualities and sources.

    Example: headway devices show raspberry-pi-5-8gb
    """
    with reported():
        from headway.analysis.formatting import value_text
        from headway.simcore.world.library import Names

        known = _library(library)
        entry = Names("device or link", {**known.devices.entries, **known.links.entries}).find(name, "NAME")
        show(f"{name}: {entry.title}")
        for key, value in entry.values.items():
            show(
                f"  {key + ':':<17} {value_text(key, value.amount):<14} {value.quality + ':':<10} {value.source}"
            )
        if entry.also:
            show(f"  also named: {', '.join(entry.also)}")


def _library(path: Path | None) -> "Library":
    from headway.simcore.files.library import overlaid, shipped_library

    return shipped_library() if path is None else overlaid(shipped_library(), path)


def _devices(entries: "Iterable[DeviceEntry]") -> "Table":
    from headway.analysis.console.grid import grid
    from headway.analysis.formatting import number

    table = grid(
        None, ["Device", "Quality"], ["Memory\n[GB]", "Weights\n[GB/s]", "K/V\n[GB/s]", "Compute\n[GFLOP/s]"]
    )
    for entry in entries:
        kv = entry.kv_bandwidth or entry.memory_bandwidth
        qualities = dict.fromkeys((entry.memory_bandwidth.quality, entry.compute.quality))
        table.add_row(
            entry.name,
            ", ".join(qualities),
            number(entry.memory.amount / 1e9),
            number(entry.memory_bandwidth.amount / 1e9),
            number(kv.amount / 1e9),
            number(entry.compute.amount / 1e9),
        )
    return table


def _links(entries: "Iterable[LinkEntry]") -> "Table":
    from headway.analysis.console.grid import grid
    from headway.analysis.formatting import number

    table = grid(
        None, ["Link", "Quality", "Medium"], ["Rate\n[Mbit/s]", "Latency\n[ms]", "Per message\n[ms]"]
    )
    for entry in entries:
        qualities = dict.fromkeys((entry.bandwidth.quality, entry.latency.quality))
        table.add_row(
            entry.name,
            ", ".join(qualities),
            "shared" if entry.shared else "",
            number(8.0 * entry.bandwidth.amount / 1e6),
            number(1e3 * entry.latency.amount),
            number(0.0 if entry.overhead is None else 1e3 * entry.overhead.amount),
        )
    return table

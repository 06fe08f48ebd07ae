"""`headway calibrate`."""

# ruff: noqa: PLC0415

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headway.analysis.console.terminal import reported, show

if TYPE_CHECKING:
    from headway.analysis.fidelity.calibrate import Calibration
    from headway.analysis.fidelity.known import Known
    from headway.analysis.fidelity.rows import Row
    from headway.simcore.world.library import LinkEntry

_Rows = Annotated[
    list[Path],
    typer.Argument(
        metavar="ROWS...",
        help="Files of measurements: CSV with one per row, or the output of `llama-bench -o json` or `iperf3 -J`.",
    ),
]
_Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FILE.yaml",
        help="Write the fitted values, for `headway fidelity --calibration` and the key `library` of scenarios.",
    ),
]
_Start = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Start from the values of this file, not the shipped ones."),
]
_Plot = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Plot predicted over measured values as SVG or PNG.")
]
_Only = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TEXT", help="Fit only parameters whose name contains a TEXT, such as exo or compute."
    ),
]
_Device = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Add a device of this name for the machine of the rows, and fit its values."
    ),
]
_Memory = Annotated[str | None, typer.Option(metavar="SIZE", help="Memory of that device, such as 16 GiB.")]
_Force = Annotated[bool, typer.Option("--force", help="Replace existing files.")]


def calibrate(
    rows: _Rows,
    out: _Out = None,
    start: _Start = None,
    plot: _Plot = None,
    only: _Only = None,
    device: _Device = None,
    memory: _Memory = None,
    force: _Force = False,
) -> None:
    """Fit numbers of devices and engines to measurements.

    A parameter that the measurements cannot identify keeps its value and is listed with the reason.

    Example: headway calibrate my-lab.csv --out my-lab.yaml
    """
    with reported():
        from headway.analysis.console.progress import spinner
        from headway.analysis.fidelity.calibrate import calibrate as fit
        from headway.analysis.fidelity.known import load_known
        from headway.analysis.fidelity.own_devices import measured_links, with_device
        from headway.analysis.formatting import value_text
        from headway.traces.errors import InputError
        from headway.traces.units import parse

        _check_targets(out, plot, force=force)
        files = _read(rows)
        table = [row for of_file in files.values() for row in of_file]
        known = load_known(start)
        links = measured_links(table, known)
        if memory is not None and device is None:
            raise InputError("--memory", "no option --device", "--memory together with --device NAME")
        if device is not None:
            size = None if memory is None else parse(memory, "size", "--memory")
            known = with_device(known, device, table, size)
        with spinner("fitting"):
            texts = only or [""]
            result = fit(table, known, lambda one: any(text in str(one) for text in texts))
        if not result.before and not links:
            expected = "measured rows that can be predicted, or --device NAME to add their device"
            raise InputError(_names(rows), _no_rows(table, known), expected)
        if result.before:
            _show(result)
        for link in links:
            rate, delay = (value_text(key, link.values[key].amount) for key in ("bandwidth", "latency"))
            show(f"Link {link.name}: {rate}, {delay} one way ({link.latency.quality}).", "")
        fitted_to = (
            path for path, of_file in files.items() if any(row.system != "iperf3" for row in of_file)
        )
        _write(out, plot, result, table, links, _names(fitted_to))


def _check_targets(out: Path | None, plot: Path | None, *, force: bool) -> None:
    from headway.analysis.figures.saving import METADATA
    from headway.analysis.files.suffix import check_suffix
    from headway.analysis.files.whole_file import check_new

    if plot is not None:
        check_suffix(plot, METADATA)
        check_new(plot, replace=force)
    if out is not None:
        check_suffix(out, (".yaml", ".yml"))
        check_new(out, replace=force)


def _read(paths: "Sequence[Path]") -> "dict[Path, list[Row]]":
    """The rows of all files; their ids are unique."""
    from headway.analysis.fidelity.own_measurements import read_measurements
    from headway.traces.errors import InputError, quoted

    files: dict[Path, list[Row]] = {}
    ids: set[str] = set()
    for path in paths:
        files[path] = read_measurements(path)
        for row in files[path]:
            if row.id in ids:
                raise InputError(str(path), f"the id {quoted(row.id)} of another file", "unique ids")
            ids.add(row.id)
    return files


def _names(paths: "Iterable[Path]") -> str:
    return ", ".join(path.name for path in paths)


def _no_rows(table: "Sequence[Row]", known: "Known") -> str:
    """The reason why no row can be used: that of the first row with a measured time or rate."""
    from headway.analysis.fidelity.predict_row import measured_quantities, predict_row

    measured = next((row for row in table if measured_quantities(row)), None)
    if measured is None:
        return "no row with a measured time or rate"
    return f"no usable row ({measured.id}: {predict_row(measured, known)[0].note})"


def _show(result: "Calibration") -> None:
    from headway.analysis.fidelity.tables import (
        errors_table,
        fitted_table,
        unidentified_table,
        without_effect,
    )

    if result.fitted:
        show(fitted_table(result.fitted), "")
    else:
        show("The rows identify no parameter, so nothing is fitted.", "")
    others = unidentified_table(result.unidentified)
    if others is not None:
        show(others, "")
    text = without_effect(result.unidentified)
    if text:
        show(text, "")
    show(errors_table(result), "")


def _write(
    out: Path | None,
    plot: Path | None,
    result: "Calibration",
    table: "Sequence[Row]",
    links: "Sequence[LinkEntry]",
    source: str,
) -> None:
    from headway.analysis.fidelity.plots import residual_plot
    from headway.analysis.fidelity.tables import calibration_text
    from headway.analysis.figures.saving import save_as
    from headway.analysis.files.whole_file import write_whole

    figure = None if plot is None else residual_plot(result, table)
    if plot is not None and figure is not None:
        drawn = figure
        write_whole(plot, lambda path: save_as(drawn, path))
        show(f"Plot: {plot}")
    if out is not None:
        text = calibration_text(result, links, source)
        write_whole(out, lambda path: path.write_text(text, encoding="utf-8", newline="\n"))
        show(f"Values: {out}")

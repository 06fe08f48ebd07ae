"""`headway trace convert`."""

# ruff: noqa: PLC0415

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headway.analysis.commands.trace.options import (
    As,
    File,
    Format,
    Given,
    reading,
    recording,
    with_reading,
)
from headway.analysis.console.terminal import reported, show

if TYPE_CHECKING:
    from headway.traces import Recording


@with_reading
def convert(
    file: File,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="File to write: .csv, .parquet or .mahimahi.")],
    format: Format = None,  # noqa: A002
    quantity: As = None,
    *,
    given: Given,
) -> None:
    """Write a recorded trace, repaired, to another file.

    CSV and Parquet have SI units; files for Mahimahi have packets.

    Example: headway trace convert ride.log --out ride.csv
    """
    with reported():
        from headway.analysis.files.atomic import writing
        from headway.analysis.files.suffix import check_suffix
        from headway.traces import InputError, write_csv, write_mahimahi, write_parquet

        check_suffix(out, (".csv", ".parquet", ".mahimahi"))
        options = reading(**given)
        recorded = recording(file, quantity, format, options)
        with writing(out):
            if out.suffix == ".mahimahi":
                if recorded.quantity != "rate":
                    raise InputError(
                        file,
                        f"a trace of a {recorded.quantity}",
                        "a trace of a rate (a .mahimahi file holds nothing else)",
                    )
                write_mahimahi(recorded.trace, out, recorded.length_s)
            else:
                write = {".csv": write_csv, ".parquet": write_parquet}[out.suffix]
                write(recorded.trace, out, recorded.quantity)
        ending = () if out.suffix == ".mahimahi" else _ending(recorded)
        show(f"{out}: {recorded.length_s:.10g} s", *ending, *recorded.notes)


def _ending(recorded: "Recording") -> list[str]:
    """Notes on the end of a recording that a file of rows does not contain."""
    import numpy as np

    times, end, length = recorded.trace.times, recorded.trace.end, recorded.trace.duration
    if length is None:
        return []
    if len(times) == 1:
        return ["One row has no end; it holds for ever."]
    last, median = length - float(times[-1]), float(np.median(np.diff(times)))
    longer = (
        ""
        if abs(last - median) <= 1e-9 * length
        else f"; its last value then holds {median:.4g} s, not {last:.4g} s"
    )
    return [f"The file does not say that it ends with {end!r}: say `end: {end}` where it is used{longer}."]

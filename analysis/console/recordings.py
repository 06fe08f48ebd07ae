"""Tables of statistics of recorded traces."""

from collections.abc import Iterator, Mapping

from rich.table import Table
from rich.text import Text

from headway.analysis.console.grid import grid
from headway.analysis.formatting import number, seconds
from headway.analysis.statistics.recordings import KINDS, UNITS, summary
from headway.traces import Recording


def recordings_tables(
    recordings: Mapping[str, Recording], *, by_row: bool = False, step_s: float | None = None
) -> Iterator[Table]:
    """One table for each quantity, with one row for each file."""
    for quantity, load, title in KINDS:
        chosen = {
            name: recording
            for name, recording in recordings.items()
            if recording.quantity == quantity and recording.is_load == load
        }
        if chosen:
            yield _table(f"{title} [{UNITS[quantity][1]}]", chosen, by_row, step_s)


def _table(title: str, recordings: Mapping[str, Recording], by_row: bool, step_s: float | None) -> Table:
    heads = [
        "Rows",
        "Length\n[s]",
        "Mean",
        "Least",
        "p5",
        "p50",
        "p95",
        "Most",
        "Zeros",
        "Gaps",
        "Longest\nstep [s]",
    ]
    table = grid(title, ["File", "Format"], heads)
    for name, recording in recordings.items():
        figures = summary(recording, by_row=by_row, step_s=step_s)
        factor, _ = UNITS[recording.quantity]
        levels = (figures.mean, figures.least, figures.p5, figures.p50, figures.p95, figures.most)
        table.add_row(
            Text(name),
            recording.format,
            f"{recording.rows:,}",
            seconds(recording.length_s),
            *(number(level / factor) for level in levels),
            f"{figures.zeros:,}",
            f"{recording.gaps:,}",
            seconds(recording.longest_step_s),
        )
    return table


def remarks(recordings: Mapping[str, Recording]) -> list[str]:
    """An empty line, then the repairs and the reader's notes of each file; nothing if there are none."""
    lines: list[str] = []
    for name, recording in recordings.items():
        if recording.repairs:
            counts = ", ".join(f"{count:,} {kind}" for kind, count in recording.repairs.items())
            lines.append(f"{name}: {counts}")
        lines += [f"{name}: {note}" for note in recording.notes]
    return ["", *lines] if lines else []

"""Tables of statistics of logs of requests."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from rich.table import Table
from rich.text import Text

from headway.analysis.console.grid import grid
from headway.analysis.formatting import number, seconds
from headway.traces.readers import FORMATS as TRACE_FORMATS
from headway.traces.readers.lines import head
from headway.traces.readers.parquet import is_parquet
from headway.traces.requests import FORMATS, RequestLog


def is_request_log(path: str, format: str | None) -> bool:  # noqa: A002 (as in `read_requests`)
    """Whether a file is a log of requests, by its format or, if several kinds have that format, by its first line.

    Raises:
        InputError: the file cannot be read, or is not text.
    """
    if format is not None and (format not in FORMATS or format not in TRACE_FORMATS):
        return format in FORMATS
    if is_parquet(path):
        return False
    first = head(path)[:1]
    return any(form.recognises(line) for line in first for form in FORMATS.values())


def requests_table(logs: Mapping[str, RequestLog]) -> Table:
    """One row for each log: the number of requests, and the lengths of prompts and outputs."""
    lengths = ["mean", "p5", "p50", "p95", "most"]
    heads = ["Requests", "Length\n[s]", "Per s", *(f"Prompt\n{name}" for name in lengths)]
    table = grid("Requests [tokens]", ["File", "Format"], [*heads, *(f"Output\n{name}" for name in lengths)])
    for name, log in logs.items():
        length = float(log.arrival_s[-1])
        table.add_row(
            Text(name),
            log.format,
            f"{len(log.prompt):,}",
            seconds(length),
            number(len(log.prompt) / length if length > 0 else np.inf),
            *(number(figure) for tokens in (log.prompt, log.output) for figure in _lengths(tokens)),
        )
    return table


def _lengths(tokens: npt.NDArray[np.int64]) -> list[float]:
    return [float(tokens.mean()), *np.quantile(tokens, (0.05, 0.5, 0.95)).tolist(), float(tokens.max())]


def left_out(logs: Mapping[str, RequestLog]) -> list[str]:
    """An empty line, then the numbers of failed and reordered requests of each log; nothing if there are none."""
    lines = []
    for name, log in logs.items():
        counts = {"failed requests": log.failed, "rows out of order": log.out_of_order}
        parts = [f"{count:,} {kind}" for kind, count in counts.items() if count]
        lines += [f"{name}: {', '.join(parts)}"] if parts else []
    return ["", *lines] if lines else []

"""The input of the auditor: spans and rows of the tables."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from headway.simcore.instrument import Span
from headway.simcore.recorder import Labels, Recorder
from headway.simcore.results import TABLES

_COLUMNS = {name: schema.names[1:] for name, schema in TABLES.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One or more rows were written.

    Attributes:
        table: its name.
        values: by column, without `run`; for several rows, some are lists with one value per row.
    """

    table: str
    values: dict[str, Any]

    def __getitem__(self, column: str) -> Any:
        return self.values[column]


Record: TypeAlias = Span | Row


class ReportingRecorder(Recorder):
    """A recorder that also calls `report` with every row after it was written."""

    def __init__(
        self, run: str, report: Callable[[Row], None], out: str | os.PathLike[str] | None = None
    ) -> None:
        super().__init__(run, out)
        self._report = report

    def add_many(self, table: str, count: int, *columns: object) -> None:
        """See `Recorder.add_many`."""
        super().add_many(table, count, *columns)
        lists = [one.tolist() if isinstance(one, np.ndarray | Labels) else one for one in columns]
        self._report(Row(table, dict(zip(_COLUMNS[table], lists, strict=True))))

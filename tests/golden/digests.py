"""What is kept of a table, and how a table is compared with it.

Text, whole numbers and truth values must be what they were: of each such column a hash is kept. Of a column of floats
two sums are kept, one plain and one with weights that tell the rows apart; each must be what it was to 1e-12 of the sum
of absolute values. Rows with a missing or an infinite number are counted, and a hash tells where they are.

A time is a difference of clock readings and is off by what they are rounded by, however short it is: a wait of nothing
may be recorded as 6e-17 s. So each row of a column of seconds may be off by 1e-15 s beside that.

The hash of all bytes of a table is kept beside these. It is told to a developer and asserted by no test: another
processor or another release of numpy may round the last bit of a sum in another way, which is no other result.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_float_dtype, is_integer_dtype

from headway.simcore import FloatArray

TOLERANCE = 1e-12

CLOCK_S = 1e-15

Columns: TypeAlias = Mapping[str, Mapping[str, Sequence[str]]]
"""By table: the names of the columns of floats (`float`) and of all others (`exact`)."""

Digest: TypeAlias = Mapping[str, Any]
"""Of one table: `rows`; unless there are none also `bytes`, and an entry per column in `exact` and `float`."""

_GOLDEN_RATIO = 0.6180339887498949


def columns_of(tables: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, list[str]]]:
    """The columns of each table by what is kept of them."""
    found: dict[str, dict[str, list[str]]] = {}
    for name, frame in tables.items():
        floats = [column for column in frame.columns if is_float_dtype(frame[column].dtype)]
        exact = [column for column in frame.columns if column not in floats]
        found[name] = {"exact": exact, "float": floats}
    return found


def digest(frame: pd.DataFrame, columns: Mapping[str, Sequence[str]]) -> Digest:
    """What is kept of a table."""
    if not len(frame):
        return {"rows": 0}
    return {
        "rows": len(frame),
        "bytes": bytes_hash(frame, columns),
        "exact": [_hash(_exact(frame[column])) for column in columns["exact"]],
        "float": [_sums(_floats(frame[column])) for column in columns["float"]],
    }


def bytes_hash(frame: pd.DataFrame, columns: Mapping[str, Sequence[str]]) -> str:
    """Of all values of the recorded columns, to the last bit."""
    exact = [_exact(frame[column]) for column in columns["exact"]]
    floats = [_floats(frame[column]) for column in columns["float"]]
    nothing = [np.where(np.isnan(values), np.nan, values).astype("<f8").tobytes() for values in floats]
    return _hash(b"".join([*exact, *nothing]))


def differences(frame: pd.DataFrame, columns: Mapping[str, Sequence[str]], kept: Digest) -> Iterator[str]:
    """Where a table is not what is kept of it, column by column; columns that it has beside those are ignored."""
    missing = [name for name in (*columns["exact"], *columns["float"]) if name not in frame.columns]
    if missing:
        yield f"no column {missing}"
        return
    if len(frame) != kept["rows"]:
        yield f"{len(frame)} rows, not {kept['rows']}"
        return
    if not len(frame):
        return
    for column, hashed in zip(columns["exact"], kept["exact"], strict=True):
        if _hash(_exact(frame[column])) != hashed:
            yield f"{column}: other values"
    for column, sums in zip(columns["float"], kept["float"], strict=True):
        rounding = CLOCK_S * len(frame) if column.endswith("_s") else 0.0
        if told := _unlike(_floats(frame[column]), sums, rounding):
            yield f"{column}: {told}"


def _unlike(values: FloatArray, kept: Sequence[Any], rounding: float) -> str:
    """How a column of floats differs from what is kept of it by more than rounding; empty where it does not."""
    found = _sums(values)
    if found[2:] != kept[2:]:
        return f"missing and infinite numbers {found[2:]}, not {kept[2:]}"
    finite = np.isfinite(values)
    sizes = np.abs(values[finite])
    for what, now, then, weights in zip(
        ("sum", "weighted sum"),
        found,
        kept,
        (np.ones(len(sizes)), _weights(len(values))[finite]),
        strict=False,
    ):
        if abs(now - then) > TOLERANCE * math.fsum(sizes * weights) + rounding:
            return f"{what} {now!r}, not {then!r}"
    return ""


def _sums(values: FloatArray) -> list[Any]:
    """The two sums; unless all numbers are finite also how many are missing, inf and -inf, and a hash of where."""
    finite = np.isfinite(values)
    weights = _weights(len(values))
    sums: list[Any] = [math.fsum(values[finite]), math.fsum(values[finite] * weights[finite])]
    if finite.all():
        return sums
    masks = [np.isnan(values), np.isposinf(values), np.isneginf(values)]
    counts = [int(mask.sum()) for mask in masks]
    return [*sums, *counts, _hash(b"".join(mask.astype(np.uint8).tobytes() for mask in masks))]


def _weights(count: int) -> FloatArray:
    """From 1 to 2, another one for every row."""
    return (1.0 + (np.arange(count) * _GOLDEN_RATIO) % 1.0).astype(np.float64)


def _floats(column: "pd.Series[Any]") -> FloatArray:
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def _exact(column: "pd.Series[Any]") -> bytes:
    """The values of a column in bytes that depend on no library."""
    missing = column.isna()
    if (is_bool_dtype(column.dtype) or is_integer_dtype(column.dtype)) and not missing.any():
        return column.to_numpy(dtype=np.int64).astype("<i8").tobytes()
    values = [None if gone else value for value, gone in zip(column.tolist(), missing, strict=True)]
    return json.dumps(values).encode()


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]

"""Malformed recordings of traces: each is refused with one sentence that names the file and the line.

A recording that Hypothesis damages is read or refused, and a recording that was read can be described, drawn, fitted
and converted.
"""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzzing import EXTREMES, NUMBERS, Some, attempt, broken, clean, command, examine, invoke, refused
from hypothesis import given
from hypothesis import strategies as st
from test_trace_formats import (
    BITBRAINS_HEADER,
    COMPRESSED,
    FILES,
    GNETTRACK_HEADER,
    PODS_HEADER,
    iperf3,
    tarred,
    zipped,
)

from headway.traces import InputError, Options, Trace, read, record
from headway.traces.fit import fit_all
from headway.traces.readers import FORMATS, parquet
from headway.traces.readers.lines import LONGEST_LINE
from headway.traces.units import Quantity


def parquet_of(columns: Mapping[str, Any]) -> bytes:
    """The bytes of a Parquet file with these columns."""
    target = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), target)
    data: bytes = target.getvalue().to_pybytes()
    return data


COLUMNS = {
    "empty": ("", None, "empty"),
    "only a mark": ("\ufeff", None, "no line of data"),
    "only comments": ("# a\n\n# b\n", None, "no line of data"),
    "only a header": ("time [s],rate [Mbit/s]\n", None, "header without rows"),
    "one column": ("rate\n0\n1\n", 1, "a trace as one of"),
    "one column with a unit": ("time [s]\n0\n1\n", 1, "header of 1 columns"),
    "three columns": ("a [s],b [Mbit/s],c [B]\n0,1,2\n", 1, "header of 3 columns"),
    "no unit for time": ("time,rate [Mbit/s]\n0,1\n", 1, "time_unit="),
    "no unit for value": ("time [s],rate\n0,1\n", 1, 'option unit="Mbit/s"'),
    "no header": ("0,1\n1,2\n", None, "no unit for the time"),
    "ambiguous unit": ("time [s],rate [Mbps]\n0,1\n", 1, "Mbps"),
    "unit of another thing": ("time [s],rate [MiB]\n0,1\n", 1, "MiB"),
    "time in bytes": ("time [B],rate [Mbit/s]\n0,1\n", 1, "'B'"),
    "empty unit": ("time [s],rate []\n0,1\n", 1, "no unit"),
    "missing field": ("time [s],rate [Mbit/s]\n0,1\n1\n", 3, "1 columns"),
    "blank field": ("time [s],rate [Mbit/s]\n0,1\n1,\n", 3, "''"),
    "extra field": ("time [s],rate [Mbit/s]\n0,1\n1,2,3\n", 3, "3 columns"),
    "text": ("time [s],rate [Mbit/s]\n0,1\n1,fast\n", 3, "fast"),
    "second header": ("time [s],rate [Mbit/s]\n0,1\ntime [s],rate [Mbit/s]\n", 3, "time"),
    "nan": ("time [s],rate [Mbit/s]\n0,1\n1,nan\n", 3, "nan"),
    "nan time": ("time [s],rate [Mbit/s]\n0,1\nnan,1\n", 3, "nan"),
    "infinite": ("time [s],rate [Mbit/s]\n0,inf\n", 2, "inf"),
    "overflowing": ("time [s],rate [Mbit/s]\n0,1e999\n", 2, "1e999"),
    "huge": ("time [s],rate [Mbit/s]\n0,1e300\n1e200,0\n", 2, "1e300"),
    "negative": ("time [s],rate [Mbit/s]\n0,1\n1,-2\n", 3, "-2"),
    "negative time": ("time [s],rate [Mbit/s]\n-1,1\n1,2\n", 2, "-1"),
    "backward": ("time [s],rate [Mbit/s]\n0,1\n2,1\n1,1\n", 4, "the time 1"),
    "twice": ("time [s],rate [Mbit/s]\n0,1\n2,1\n2,1\n", 4, "the time 2"),
    "twice when scaled": ("time [ns],rate [Mbit/s]\n0,1\n1e-320,1\n", 3, "time after"),
    "decimal comma": ("time [s];rate [Mbit/s]\n0;1,5\n", 2, "1,5"),
    "underscore": ("time [s],rate [Mbit/s]\n0,1_000\n", 2, "1_000"),
    "digits of another script": ("time [s],rate [Mbit/s]\n0,٣\n", 2, "٣"),
    "hexadecimal": ("time [s],rate [Mbit/s]\n0,0x10\n", 2, "0x10"),
    "date of another order": ("time,rate [Mbit/s]\n01/03/2024 10:00,1\n", 2, "the time '01/03/2024 10:00'"),
    "date with semicolons": ("t;rate [Mbit/s]\n01.03.2024;1\n", 2, 'a date such as "2023-11-16 18:17:03"'),
    "another separator": ("time [s],rate [Mbit/s]\n0;1\n", 2, "1 columns"),
    "long line": ("time [s],rate [Mbit/s]\n0,1\n" + "1" * 5000 + "\n", 3, "very long line"),
    "zero byte": ("time [s],rate [Mbit/s]\n0,1\n1,\0\n", 3, "zero byte"),
}
"""Files of two columns: content, line of the mistake, and a part of the message."""

STAMPS = {
    "empty": ("", None, "empty"),
    "decreasing": ("1\n5\n4\n", 3, "4 after 5"),
    "ends at 0": ("0\n0\n", 2, "0 as the last"),
    "blank line": ("1\n\n2\n", 2, "an empty line"),
    "blank end": ("1\n2\n\n", 3, "an empty line"),
    "fraction": ("1\n2.5\n", 2, "2.5"),
    "negative": ("-1\n2\n", 1, "-1"),
    "signed": ("1\n+2\n", 2, "+2"),
    "two numbers": ("1\n2 3\n", 2, "2 3"),
    "comment": ("1\n# 2\n", 2, "# 2"),
    "underscore": ("1\n1_0\n", 2, "1_0"),
    "digits of another script": ("1\n٣\n", 2, "٣"),
    "superscript": ("1\n²\n", 2, "²"),
    "huge": ("1\n" + "9" * 30 + "\n", 2, "999"),
    "long line": ("1\n" + "2" * (LONGEST_LINE + 1), 2, "very long line"),
}
"""Files of Mahimahi: content, line of the mistake, and a part of the message."""

OTHER_FORMATS: dict[str, list[tuple[str, int | None, str]]] = {
    "pensieve": [("0.0\t1.0\n2.0\t1.0\n1.0\t2.0\n", 3, ""), ("0.0\t1.0\n", None, "")],
    "cellular": [
        (FILES["cellular"][0] + "1 2 3\n", 6, ""),
        ("1300000001 0 0 0 1000 1e-320\n1300000002 0 0 0 1000 1000\n", None, "must be finite"),
    ],
    "gnettrack": [
        ("a,b\n1,2\n", 1, ""),
        *(
            (f"{GNETTRACK_HEADER}{time},1,1,5G,-,1,1,D\n", 2, "")
            for time in (
                "2020.02.32_23.59.58",
                "2020.02.30_23.59.58",
                "2021.02.29_23.59.58",
                "2021.02.28_23.59.60",
            )
        ),
    ],
    "cloudwatch": [
        ("timestamp,value\n2014-02-29 14:30:00,1\n", 2, ""),
        ('timestamp,value\n"2014-02-28 14:30:00\r,1\n', 2, ""),
        ("timestamp,value\n2014-02-14 14:30:00,1e6\n", None, ""),
        ("timestamp,value\n2014-02-14 25:30:00,1\n", 2, ""),
    ],
    "mecperf": [("2020-01-24 15:37:25.000000\n", 1, "")],
    "bitbrains": [(BITBRAINS_HEADER + "1;\t2\n", 2, "")],
    "planetlab": [("1\n2.x\n", 2, ""), ("1\n200\n", None, "")],
    "alibaba-pods": [(PODS_HEADER + "a,1,1,1,1000,,BE,Pending,6,90,\n", None, "")],
    "churn": [("anna 1 1400000000000 2 1000 x\n", 1, "")],
    "intervals": [
        ("start [s],end [s]\n3,3\n", None, ""),
        ("start [s],end [s]\n3,x\n", 2, ""),
        ("start,end\n3,4\n", 1, ""),
    ],
    "iperf3": [
        ("[1]", None, ""),
        (iperf3(error="unable to connect to server"), None, "a test that failed: 'unable to connect"),
        (iperf3((0, 1, 8.0))[:-60], 0, "invalid JSON"),
        (iperf3((0, 1, 8.0), (0.5, 2, 8.0), (0.5, 3, 8.0)), 0, "intervals.2"),
    ],
    "jsonl": [
        ('[{"t [s]": 0, "rate [B/s]": 1}]', 1, "expected one JSON object a line"),
        ('{\n"t": [1, 2]}', 1, "got '{', no whole JSON object; expected one JSON object a line"),
        ('{"t [s]": 0, "rate [B/s]": 1}\n{"t [s]": 1}', 2, "got None"),
        ('{"t [s]": 0, "rate [B/s]": 1}\n{"t [s]": 1, "rate [B/s]": true}', 2, "got True"),
        ('{"t [s]": 0, "rate [B/s]": 1}\n{"t [s]": 0, "rate [B/s]": 1}', 2, "got the time 0"),
        ('{"t [s]": "2024-01-01", "rate [B/s]": 1}\n{"t [s]": 0, "rate [B/s]": 1}', 2, "got the time 0"),
        ('{"t": 0, "rate [B/s]": 1}', 1, "got no unit for the time"),
    ],
}
"""Files of the other text formats, read as that format: content, line of the mistake, and a part of the message."""

TABLES: dict[str, tuple[dict[str, Any], str]] = {
    "one column": ({"time [s]": [0, 1]}, "1 columns"),
    "three columns": ({"time [s]": [0, 1], "a": [1, 1], "b": [2, 2]}, "3 columns"),
    "time twice": ({"time [s]": [0, 0], "rate [B/s]": [1, 1]}, "row 2): got the time 0"),
    "no value": ({"time [s]": [0, 1], "rate [B/s]": [1, None]}, "row 2): got the value nan"),
    "negative": ({"time [s]": [0, 1], "rate [B/s]": [1, -1]}, "row 2): got the value -1"),
    "no unit": ({"time [s]": [0, 1], "rate": [1, 1]}, "no unit for the rate"),
    "texts": ({"time [s]": ["a", "b"], "rate [B/s]": [1, 1]}, "of type string"),
    "lists": ({"time [s]": [[0], [1]], "rate [B/s]": [1, 1]}, "of type list"),
    "no rows": ({"time [s]": [], "rate [B/s]": []}, "of type null"),
}
"""Columns of Parquet files, and a part of the message."""

ROWS = parquet_of({"time [s]": [0, 1], "rate [B/s]": [1, 2]})
ARCHIVES = {
    "names that are no text": (ROWS.replace(b"rate [", b"rat\xff ["), "cannot be read"),
    "compressed Parquet": (
        gzip.compress(ROWS, mtime=0),
        "Parquet file that is compressed as a whole; expected it decompressed",
    ),
    "tar": (tarred(b"1\n"), "a tar archive; expected one file out of it (tar -xf)"),
    "compressed tar": (gzip.compress(tarred(b"1\n"), mtime=0), "a tar archive"),
    "zip of two": (zipped(b"1\n", "a", "b"), "a zip file with 2 files in it; expected a zip file with one"),
    "zip of none": (zipped(b"1\n", "__MACOSX/._a"), "a zip file with 0 files in it"),
    "cut off": (gzip.compress(b"1\n" * 99, mtime=0)[:-9], "compressed data are damaged or cut off"),
    "compressed nothing": (gzip.compress(b"", mtime=0), "an empty file"),
}
"""Binary files, and a part of the message."""

LOADS = ("bitbrains", "planetlab", "cloudwatch", "alibaba-pods")
RUN = {"column": "rate", "time_column": "time", "where": {"run": 1}}
PINGS = "PING pi (192.0.2.7) 56(84) bytes of data.\n\n4 packets transmitted, 0 received\n"
BINARY = {
    "PNG": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "ELF": b"\x7fELF\x02\x01\x01" + bytes(100),
    "UTF-16": "0,1\n".encode("utf-16"),
    "UTF-16 without a mark": "0,1\n".encode("utf-16-le"),
    "Latin-1": b"time [\xb5s],rate [Mbit/s]\n",
    "zeros": b"\0" * 100_000,
}
"""Files that are no text, in whatever format they are read: the message names line 1."""

FILE_OPTIONS: list[tuple[str, Quantity | None, dict[str, Any], str]] = [
    ("1\n", "fraction", {"format": "mahimahi"}, "a file with a fraction"),
    ("1\n", "rate", {"unit": "Mbit/s"}, "Mbit/s"),
    ("1\n", "rate", {"time_unit": "s"}, "'s'"),
    ("1\n", "rate", {"end": "hold"}, "hold"),
    ("1\n", "rate", {"format": "pcap"}, "csv"),
    ("1\n", "rate", {"end": "stop"}, "stop"),
    ("1\n", "rate", {"format": "csv", "unit": "B/s", "time_unit": "s"}, "1 columns"),
    ("0 1\n", "rate", {"unit": "Mb", "time_unit": "s"}, "Mb"),
    ("0 1\n", "rate", {"unit": "B/s"}, "time_unit"),
    ("0 1\n", "rate", {"time_unit": "s"}, "unit="),
    ("0 1\n", "rate", {"unit": "B/s", "time_unit": "s", "end": "loop"}, "single row"),
    ("0 1\n", "rate", {"unit": "B/s", "time_unit": "s", "end": "zero"}, "single row"),
    (FILES["pensieve"][0], "rate", {"unit": "Mbps"}, "the unit 'Mbps'"),
    (FILES["gnettrack"][0], "rate", {"column": "bitrate"}, "no column 'bitrate'"),
    (FILES["churn"][0], "fraction", {"select": "4"}, "option select"),
    (FILES["churn"][0], "fraction", {"select": "carl"}, "option select"),
    (FILES["churn"][0], "fraction", {"select": ""}, "option select"),
    *((FILES[name][0], "fraction", {}, "true for the share that they leave") for name in LOADS),
    *((FILES[name][0], "rate", {"format": name}, "holds a fraction") for name in LOADS),
    ("time [s],cpu\n0,25\n1,100\n", "fraction", {"load": True}, "perhaps the unit is %"),
    ("time [s],rate [B/s]\n0,1\n2,1\n1,1\n", "rate", {}, "the time 1"),
    ("time [s],rate [B/s]\n0,10\n1,3\n", "rate", {"merge": "mean"}, "option merge"),
    ("time [s],rate [B/s]\n0,10\n1,3\n", "rate", {"merge": "max", "repair": True}, "option merge"),
    ("8\n0\n", "rate", {"step_s": 0.5, "time_unit": "s"}, "a step beside a column or a unit of times"),
    ("run,rate [MB/s]\n1,8\n", "rate", {"step_s": 0.5}, "header of 2 columns"),
    ("time [s],rate [B/s]\n0,\n1,\n", None, {"repair": True}, "no row with a value"),
    ("run,time [s],rate [B/s]\n1,0,5\n2\n", "rate", RUN, "1 columns"),
    (PINGS, "time", {}, "no answer to a ping"),
]
"""Files, the quantity as which they are read, options that do not fit them, and a part of the message."""

NO_RATES = ("planetlab", "cloudwatch", "bitbrains", "alibaba-pods", "churn", "intervals")
"""Formats that hold no rates."""


@dataclass(frozen=True)
class Case:
    """A malformed file: its content, the format as which it is read, and the line and a part of the message.

    Line None: the message names the whole file; line 0: it names some place in the file.
    """

    content: bytes
    says: str
    line: int | None = None
    format: str | None = None
    quantity: Quantity | None = "rate"
    options: dict[str, Any] = field(default_factory=dict)

    def read(self, file: Path) -> None:
        if self.quantity is None:
            record(file, format=self.format, options=Options(**self.options))
        else:
            read(file, self.quantity, **{"format": self.format} | self.options)


CASES = {
    **{f"columns, {name}": Case(text.encode(), says, line) for name, (text, line, says) in COLUMNS.items()},
    **{
        f"mahimahi, {name}": Case(text.encode(), says, line, "mahimahi")
        for name, (text, line, says) in STAMPS.items()
    },
    **{
        f"{name}, {number}": Case(text.encode(), says, line, name, None if name in NO_RATES else "rate")
        for name, cases in OTHER_FORMATS.items()
        for number, (text, line, says) in enumerate(cases)
    },
    **{f"parquet, {name}": Case(parquet_of(columns), says, 0) for name, (columns, says) in TABLES.items()},
    **{f"archive, {name}": Case(content, says, 0) for name, (content, says) in ARCHIVES.items()},
    **{
        f"options, {number}": Case(text.encode(), says, 0, None, quantity, options)
        for number, (text, quantity, options, says) in enumerate(FILE_OPTIONS)
    },
    **{
        f"binary, {name} as {format_}": Case(content, "", 1, format_)
        for name, content in BINARY.items()
        for format_ in (None, "csv", "mahimahi")
    },
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "log.txt"


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_malformed_trace_is_refused_with_file_and_line(case: Case, file: Path) -> None:
    file.write_bytes(case.content)
    with pytest.raises(InputError) as caught:
        case.read(file)
    assert caught.value.where.startswith(str(file))
    if case.line != 0:
        assert caught.value.where == (str(file) if case.line is None else f"{file}:{case.line}")
    assert case.says in str(caught.value)


def test_the_line_of_a_wrong_byte_is_counted_across_blocks(file: Path) -> None:
    rows = 200_000
    file.write_bytes(b"time [s],rate [B/s]\n" + b"".join(b"%d,1\n" % i for i in range(rows)) + b"\xff,1\n")
    with pytest.raises(InputError, match=rf"log\.txt:{rows + 2}: .*0xff"):
        read(file, "rate")


def test_an_endless_line_is_refused_without_reading_it_all(file: Path) -> None:
    with file.open("wb") as out:
        out.write(b"1\n")
        out.truncate(4 << 30)
    with pytest.raises(InputError, match=r"log\.txt:2: got a very long line"):
        read(file, "rate")


def test_a_small_parquet_file_of_very_many_rows_is_refused_unread(tmp_path: Path) -> None:
    path, rows = tmp_path / "bomb.parquet", np.zeros(parquet.MOST_ROWS // 4)
    table = pa.table({"time [s]": rows, "rate [B/s]": rows})
    with pq.ParquetWriter(path, table.schema) as file:
        for _ in range(5):
            file.write_table(table)
    assert path.stat().st_size < 1_000_000
    with pytest.raises(InputError, match=r"25,000,000 rows; expected at most 20,000,000"):
        read(path, "rate")


def test_texts_in_parquet_are_refused_before_they_are_unfolded(tmp_path: Path) -> None:
    texts = pa.DictionaryArray.from_arrays(pa.array(np.zeros(60_000, np.int32)), pa.array(["1" * 100_000]))
    path = tmp_path / "bomb.parquet"
    pq.write_table(pa.table({"time [s]": np.arange(60_000.0), "rate [B/s]": texts}), path)
    with pytest.raises(InputError, match=r"the column 'rate \[B/s\]' of type dictionary"):
        read(path, "rate")


def test_an_error_of_a_library_becomes_one_printable_line(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    pq.write_table(pa.table({"time [s]": pa.array([], pa.duration("s"))}), path)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"\x19\x1c\x19\x1c", b"\x19,nan\x00", 1))
    with pytest.raises(InputError) as caught:
        read(path, "rate")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("rows", "options"),
    [
        ("1\n999999999999999\n", []),
        ("time [s],rate [Mbit/s]\n0,1\n1000,2\n", ["--step", "1 ns"]),
        ("time [s],rate [Mbit/s]\n0,1\n1e99,2\n", ["--step", "1 s"]),
    ],
    ids=["two packets 30,000 years apart", "steps of a nanosecond", "a log of 1e99 seconds"],
)
def test_steps_are_counted_before_a_recording_is_averaged(
    rows: str, options: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "log.mahimahi"
    path.write_text(rows)
    assert "a step long enough for at most 10,000,000" in refused("trace", "info", path, *options)
    assert "np.float64" not in refused("trace", "fit", path, *options)
    if not options:
        assert command("trace", "plot", path, "-o", tmp_path / "figure.png") == (0, "")


def test_a_trace_of_numbers_beyond_measure_is_fitted_by_nothing() -> None:
    values = [5.6e16, 1e99, 1.8e98, 0.0, 1.8e98, 2.0] * 3
    with pytest.raises(InputError, match=r"values of 1e\+99"):
        fit_all(Trace(np.arange(float(len(values))), values))


COLUMNS_SAMPLES = (
    b"time [s],rate [Mbit/s]\n0,310.5\n0.5,287\n1,12e1\n2.5,0\n",
    "\ufeff# log\r\ntime [\u00b5s]\trate (kB/s)\r\n10\t1\r\n20\t2\r\n".encode(),
    b"time [s],rate [B/s]\n0,1e99\n1e99,1e99\n2e99,1\n",
)
TRACES = Some(
    [
        *(text.encode() for text, *_ in FILES.values()),
        *COLUMNS_SAMPLES,
        *(compress(COLUMNS_SAMPLES[0]) for compress in COMPRESSED.values()),
    ]
)
UNITS = st.sampled_from(["Mbit/s", "B", "%", "s", "ms", "x", ""])
OPTIONS = st.builds(
    Options,
    unit=st.none() | UNITS,
    time_unit=st.none() | UNITS,
    end=st.sampled_from([None, "hold", "loop", "zero", "stop"]),
    column=st.sampled_from([None, "1", "2", "99", "0", "-1", "rate", "", "9" * 5000, "²"]),
    time_column=st.sampled_from([None, "1", "2", "²"]),
    load=st.sampled_from([None, True, False]),
    repair=st.sampled_from([None, True]),
    max_gap_s=st.sampled_from([None, 0.0, 1e-320, 1.0, 1e308, float("nan"), -1.0]),
    select=st.sampled_from([None, "1", "off", "DL", "UL", "memory", "x", "²", "9" * 5000, "anna"]),
    where=st.sampled_from([None, {}, {"1": 0}, {"2": "x"}, {"rate": "0"}, {"": 1e400}, {"²": "²"}]),
    merge=st.sampled_from([None, "sum", "first", "x"]),
    step_s=st.sampled_from([None, None, None, 0.5, 0.0, 1e-320, 1e308, float("nan")]),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def use(path: Path, quantity: Any, name: str | None, options: Options) -> None:
    found = attempt(lambda: record(path, quantity, format=name, options=options), str(path))
    if found is not None:
        assert found.trace.times[0] == 0
        assert found.length_s >= found.trace.times[-1]
        assert np.isfinite(found.trace.values).all()
        assert (np.diff(found.trace.times) > 0).all()
        assert np.isfinite(found.trace.integral(0.0, found.length_s))


def fuzz_readers(folder: Path) -> Any:
    @given(
        data=broken(TRACES),
        quantity=st.sampled_from([None, None, "rate", "fraction", "size"]),
        name=st.sampled_from([None, None, None, *FORMATS]),
        options=st.just(Options()) | OPTIONS,
    )
    def check_reader(data: bytes, quantity: Any, name: str | None, options: Options) -> None:
        (folder / "log").write_bytes(data)
        use(folder / "log", quantity, name, options)

    return check_reader


def fuzz_commands(folder: Path) -> Any:
    out = folder / "out"
    out.mkdir(exist_ok=True)

    @given(
        data=broken(TRACES, most=1),
        what=st.sampled_from(["info", "info", "info", "plot", "fit", ".csv", ".parquet", ".mahimahi"]),
        step=st.sampled_from([None, "1 s", "1 ns", "1e18 s", "1e-320 s"]),
    )
    def check_command(data: bytes, what: str, step: str | None) -> None:
        path = folder / "log"
        path.write_bytes(data)
        stepped = [] if step is None else ["--step", step]
        if what in ("info", "fit"):
            with clean(folder):
                invoke("trace", what, path, *stepped, usage=True)
        elif what == "plot":
            invoke("trace", "plot", path, "-o", out / "figure.png", usage=True)
        else:
            invoke("trace", "convert", path, out / f"log{what}", usage=True)

    return check_command


TYPES = st.sampled_from(
    [
        *(pa.float64(), pa.float32(), pa.int64(), pa.uint64(), pa.int8(), pa.bool_(), pa.string()),
        *(pa.timestamp("s"), pa.timestamp("ns"), pa.timestamp("us", "UTC"), pa.date32(), pa.duration("s")),
        *(pa.large_binary(), pa.null(), pa.decimal128(38, 5), pa.list_(pa.float64())),
        *(pa.struct([("a", pa.int64())]), pa.dictionary(pa.int32(), pa.string())),
    ]
)
NAMES = st.sampled_from(["time [s]", "rate [Mbit/s]", "rate", "", "é", "time [x]", "a.b"])


@st.composite
def parquet_bytes(draw: st.DrawFn) -> bytes:
    """A file of columns of any types, perhaps damaged."""
    size = draw(st.integers(0, 4))
    names = draw(st.lists(NAMES, min_size=1, max_size=3))
    columns = []
    for _ in names:
        kind = draw(TYPES)
        values = draw(st.lists(st.sampled_from([*NUMBERS, None, "1", "x"]), min_size=size, max_size=size))
        try:
            columns.append(pa.array(values, kind))
        except (pa.ArrowException, TypeError, OverflowError, ValueError):
            columns.append(pa.array([*range(size)], pa.int64()))
    target = pa.BufferOutputStream()
    try:
        pq.write_table(pa.Table.from_arrays(columns, names=names), target)
    except pa.ArrowException:
        target = pa.BufferOutputStream()  # the other may have got the beginning of a file
        pq.write_table(pa.table({"a": [1.0]}), target)
    data: bytes = target.getvalue().to_pybytes()
    return draw(broken(Some([data]))) if draw(st.booleans()) else data


def fuzz_parquet(folder: Path) -> Any:
    @given(
        data=parquet_bytes(),
        quantity=st.sampled_from([None, "rate", "fraction"]),
        options=st.just(Options()) | OPTIONS,
    )
    def check_parquet(data: bytes, quantity: Any, options: Options) -> None:
        (folder / "log.parquet").write_bytes(data)
        use(folder / "log.parquet", quantity, None, options)

    return check_parquet


def fuzz_generate(folder: Path) -> Any:
    kinds = ["walk", "ornstein-uhlenbeck", "gilbert-elliott", "diurnal", "fading", "x"]
    names = [
        "mean",
        "sigma",
        "correlation",
        "deviation",
        "relaxation",
        "good",
        "bad",
        "good-time",
        "bad-time",
    ]
    names += ["amplitude", "period", "peak", "coherence", "rice-factor", "unit", "as"]
    own = {
        "walk": {"mean": "5 Mbit/s", "sigma": "0.3"},
        "ornstein-uhlenbeck": {"mean": "5 Mbit/s", "deviation": "1 Mbit/s", "relaxation": "2 s"},
        "gilbert-elliott": {"good": "5 Mbit/s", "bad": "1 Mbit/s", "good-time": "1 s", "bad-time": "1 s"},
        "diurnal": {"mean": "5 Mbit/s", "amplitude": "1 Mbit/s", "period": "9 s"},
        "fading": {"mean": "5 Mbit/s", "coherence": "2 s"},
    }
    values = st.sampled_from([str(value) for value in EXTREMES if "\0" not in str(value)])

    @given(data=st.data(), kind=st.sampled_from(kinds))
    def check_generate(data: st.DataObject, kind: str) -> None:
        given_ = {
            "duration": "20 s",
            **({} if kind == "gilbert-elliott" else {"step": "1 s"}),
            **own.get(kind, {}),
        }
        for _ in range(data.draw(st.integers(0, 2))):
            given_[data.draw(st.sampled_from([*given_, *given_, *names]))] = data.draw(values)
        options = [f"--{name}={value}" for name, value in given_.items()]
        path = folder / "made.csv"
        path.unlink(missing_ok=True)
        invoke("trace", "generate", kind, "-o", path, *options, usage=True)
        if path.exists() and given_.get("as", "rate") == "rate":
            use(path, "rate", "csv", Options())

    return check_generate


def fuzz_fit(folder: Path) -> Any:
    levels = st.sampled_from([0.0, 1.0, 5e-324, 1e-300, 1e99, 2.0, 3.0]) | st.floats(0, 1e99)
    gaps = st.sampled_from([1.0, 1e-9, 1e-300, 1e99, 0.5]) | st.floats(1e-300, 1e90)

    @given(
        rows=st.lists(st.tuples(gaps, levels), min_size=1, max_size=40),
        step_s=st.sampled_from([None, 1.0, 1e-9]),
    )
    def check_fit(rows: list[tuple[float, float]], step_s: float | None) -> None:
        times = np.concatenate(([0.0], np.cumsum([gap for gap, _ in rows])[:-1]))
        try:
            trace = Trace(times, [level for _, level in rows])
        except ValueError:
            return
        attempt(lambda: fit_all(trace, step_s=step_s))

    return check_fit


FUZZ = {
    fuzz_readers: 400,
    fuzz_commands: 20,
    fuzz_parquet: 200,
    fuzz_generate: 50,
    fuzz_fit: 30,
}
"""Every kind of damage, with the examples of a quick run."""


@pytest.mark.parametrize("times", [1, pytest.param(50, marks=pytest.mark.thorough)])
@pytest.mark.parametrize("fuzz", FUZZ, ids=lambda fuzz: fuzz.__name__)
def test_a_damaged_trace_is_read_or_refused(fuzz: Any, times: int, folder: Path) -> None:
    examine(fuzz(folder), times * FUZZ[fuzz], at_random=times > 1)

"""Files of measurements: each row is read whole, or the message names the file, the line and the mistake."""

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.analysis.fidelity.rows import LARGEST_FILE, NUMBERS, Row, read_rows
from headway.traces.errors import InputError

HEADER = "id,system,devices,model,phase,n_devices,tokens_per_s,colour\n"
LINE = "a,engine,2 x Board,Model 1B,decode,2,12.5,green\n"


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "rows.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_row_has_texts_numbers_and_no_unknown_column(tmp_path: Path) -> None:
    (row,) = read_rows(written(tmp_path, HEADER + LINE))
    assert row == Row(
        id="a",
        line=2,
        system="engine",
        devices="2 x Board",
        model="Model 1B",
        phase="decode",
        n_devices="2",
        tokens_per_s=12.5,
    )
    assert [getattr(row, name) for name in NUMBERS if name != "tokens_per_s"] == [None] * 5


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("4", 4),
        ("1 (single device)", 1),
        ("10 (9 usable)", 10),
        ("2-4 (not stated)", None),
        ("", None),
        ("0", None),
    ],
)
def test_the_number_of_devices_is_known_where_it_is_one_number(text: str, count: int | None) -> None:
    row = Row(id="a", line=2, system="s", devices="d", model="m", phase="decode", n_devices=text)
    assert (row.n_devices, row.device_count) == (text, count)


def test_cells_may_have_quotes_commas_and_line_breaks(tmp_path: Path) -> None:
    quoted = 'b,"engine, ""fast""","one\ntwo",m,decode,1,,\n'
    rows = read_rows(written(tmp_path, "\ufeff" + HEADER + "\n" + quoted + LINE))
    assert [(row.id, row.line) for row in rows] == [("b", 3), ("a", 5)]
    assert rows[0].system == 'engine, "fast"'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", ": got an empty file;"),
        (HEADER, ": got a header without rows;"),
        ("id,system,phase\n", ":1: got a header without devices, model;"),
        (HEADER.replace("colour", "id"), ":1: got two columns id;"),
        (HEADER + LINE + LINE, ":3: got the id 'a' of line 2 again;"),
        (HEADER + LINE.replace("12.5", "fast"), r":2 \(tokens_per_s\): got 'fast';"),
        (HEADER + LINE.replace("12.5", "-1"), r":2 \(tokens_per_s\): got '-1';"),
        (HEADER + LINE.replace("12.5", "nan"), r":2 \(tokens_per_s\): got 'nan';"),
        (HEADER + LINE.replace("12.5", "1e400"), r":2 \(tokens_per_s\): got '1e400';"),
        (HEADER + LINE.replace(",green", ""), ":2: got 7 cells; expected 8 cells"),
        (HEADER + LINE.replace("a,", ",", 1), ":2: got a row without id;"),
        (HEADER + LINE.replace("green", "1" * 5000), ":2: got a cell of 5,000 characters;"),
        (HEADER + 'a,"engine', ":2: got damaged CSV"),
        (HEADER.encode() + b"a,\xff\n", ":2: got bytes that are not UTF-8;"),
        (b"a" * (LARGEST_FILE + 1), ": got more than 16,777,216 bytes;"),
    ],
)
def test_a_mistake_is_reported_with_its_place(content: str | bytes, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, content)
    with pytest.raises(InputError, match=re.escape(str(path)) + message):
        read_rows(path)


def test_a_missing_file_and_a_folder_are_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="got no such file"):
        read_rows(tmp_path / "rows.csv")
    with pytest.raises(InputError, match="got a folder"):
        read_rows(tmp_path)


@given(content=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: (HEADER + text).encode()))
def test_any_file_is_read_or_refused(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(content)
    with suppress(InputError):
        assert read_rows(path)

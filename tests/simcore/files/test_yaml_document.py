"""Laws of reading YAML: plain values, each with its line, and refusal of everything else."""

import json
import math
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headway.simcore.files.yaml_document import Document, read_document, read_value, yaml_text
from headway.traces import InputError

SHARED_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def read(folder: Path, text: str | bytes) -> Document:
    path = folder / "file.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_document(path)


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("7", 7),
        ("-7", -7),
        ("+7", 7),
        ("0", 0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.", 1.0),
        ("1e9", 1e9),
        ("1E-3", 1e-3),
        ("1.5e+3", 1500.0),
        (".inf", math.inf),
        ("-.inf", -math.inf),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("'7'", "7"),
    ],
)
def test_plain_values_are_those_of_yaml_1_2(written: str, means: object, tmp_path: Path) -> None:
    value = read(tmp_path, f"key: {written}\n").values["key"]
    assert value == means
    assert type(value) is type(means)


@pytest.mark.parametrize(
    "written",
    ["no", "on", "y", "1:30", "010", "0x10", "0o7", "1_000", "2024-01-31", "=", "<<", "1e", "9" * 101],
)
def test_what_yaml_1_1_would_turn_into_something_else_stays_text(written: str, tmp_path: Path) -> None:
    assert read(tmp_path, f"key: {written}\n").values == {"key": written}
    assert read(tmp_path, f"'{written}': 1\n").values == {written: 1}


def test_not_a_number_is_read(tmp_path: Path) -> None:
    assert math.isnan(read(tmp_path, "key: .nan\n").values["key"])


TEXTS = st.text(string.ascii_letters + string.digits + " :#-'\"[]{},&*!|>%@`~\t\n=<é漢", max_size=12)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**50), 10**50)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)


@given(values=st.dictionaries(TEXTS, TREES, max_size=4), indent=st.sampled_from([None, 2]))
@SHARED_FOLDER
def test_json_is_read_as_json(values: dict[str, Any], indent: int | None, tmp_path: Path) -> None:
    """JSON is a part of YAML 1.2, so what a program writes is read back unchanged."""
    assert read(tmp_path, json.dumps(values, indent=indent, ensure_ascii=False)).values == values


@given(values=st.dictionaries(st.sampled_from("abcdef"), TREES, min_size=1, max_size=4))
@SHARED_FOLDER
def test_every_key_stands_on_the_line_it_is_said_to(values: dict[str, Any], tmp_path: Path) -> None:
    text = json.dumps(values, indent=1, ensure_ascii=False)
    document = read(tmp_path, text)
    lines = text.splitlines()
    for key in values:
        assert lines[document.line((key,)) - 1].startswith(f' "{key}"')


def test_line_ends_and_byte_order_mark_do_not_matter(tmp_path: Path) -> None:
    plain = read(tmp_path, "a: 1\nb:\n  c: 2\n")
    for text in ("a: 1\r\nb:\r\n  c: 2\r\n", "\ufeffa: 1\nb:\n  c: 2\n", "a: 1\rb:\r  c: 2\r"):
        other = read(tmp_path, text)
        assert other.values == plain.values
        assert other.lines == plain.lines


def test_where_names_file_line_and_key(tmp_path: Path) -> None:
    document = read(tmp_path, "a:\n  b:\n    - x\n    - c: 1\n")
    path = tmp_path / "file.yaml"
    assert document.where(()) == f"{path}:1"
    assert document.where(("a", "b", 1, "c")) == f"{path}:4: a.b.1.c"
    assert document.where(("a", "b", 0, "gone")) == f"{path}:3: a.b.0.gone"
    assert document.where(("gone",)) == f"{path}:1: gone"


def test_where_shows_strange_keys_on_one_short_line(tmp_path: Path) -> None:
    document = read(tmp_path, f"? {'k' * 5000}\n: 1\n? 'a\n\n  b'\n: 2\n")
    for key in document.values:
        where = document.where((key,)).removeprefix(str(tmp_path))
        assert len(where) < 120
        assert where.isprintable()


def test_depth_is_bounded_at_twenty(tmp_path: Path) -> None:
    assert read(tmp_path, "a: " + "[" * 18 + "1" + "]" * 18 + "\n").values
    with pytest.raises(InputError, match="more than 20 levels"):
        read(tmp_path, "a: " + "[" * 19 + "1" + "]" * 19 + "\n")


@given(raw=st.binary(max_size=60))
@SHARED_FOLDER
def test_any_bytes_are_read_or_refused_with_the_name_of_the_file(raw: bytes, tmp_path: Path) -> None:
    try:
        document = read(tmp_path, raw)
    except InputError as error:
        assert error.where.startswith(str(tmp_path / "file.yaml"))  # noqa: PT017
    else:
        assert isinstance(document.values, dict)


@given(text=st.text(string.printable + "\x00\x85\u2028\ufeff\U0001f600", max_size=60))
@SHARED_FOLDER
def test_any_text_is_read_or_refused_in_one_line(text: str, tmp_path: Path) -> None:
    try:
        read(tmp_path, text)
    except InputError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017


@pytest.mark.parametrize(
    "tagged", ["!!str 7", "! 7", "!!map {}", "!mine [1]", "!!python/name:os.system x", "!!binary aGk="]
)
def test_tags_are_refused_where_they_stand(tagged: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"file\.yaml:2: got the tag"):
        read(tmp_path, f"a: 1\nb: {tagged}\n")


def test_an_anchor_without_an_alias_does_no_harm(tmp_path: Path) -> None:
    assert read(tmp_path, "a: &x 1\n").values == {"a": 1}


@pytest.mark.parametrize(
    "text", ["1e5", "7", "true", "null", "~", ".5", ".inf", "no", "1:30", "010", "2024-01-31", ""]
)
def test_a_text_that_is_written_is_read_as_text(text: str) -> None:
    values = {text: [text, {"key": text}]}
    assert read_value(yaml_text(values), "here") == values

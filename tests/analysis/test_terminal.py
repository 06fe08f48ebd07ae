"""What commands print: names from files of other people can neither move the cursor nor turn text around."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from headway.analysis.console.grid import grid
from headway.analysis.console.terminal import reported, show
from headway.traces.errors import InputError, visible

HOSTILE = "\x1b[2Jred\x1b[0m \x9b31m \u202eevil\u202c \u2066x\u2069 \u200e\u200f \u2028\u2029 \r \x07 \udc80"
ESCAPES = (r"\x1b[2J", r"\x9b31m", r"\u202e", r"\u2066", r"\u200e\u200f", r"\u2028\u2029", r"\udc80")
"""Rich leaves \r and \x07 out of its texts, which is as good."""


def assert_harmless(text: str) -> None:
    assert not [
        one for one in text if unicodedata.category(one) in {"Cc", "Cf", "Zl", "Zp", "Cs"} and one != "\n"
    ]
    unfolded = "".join(text.split())
    assert all(escape in unfolded for escape in ESCAPES)


def test_lines_show_control_characters_as_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    show(f"name: {HOSTILE}")
    assert_harmless(capsys.readouterr().out)


@pytest.mark.parametrize("where", ["title", "caption", "heading", "cell", "text"])
def test_tables_show_control_characters_as_escapes(where: str, capsys: pytest.CaptureFixture[str]) -> None:
    name = dict.fromkeys(["title", "caption", "heading", "cell", "text"], "plain") | {where: HOSTILE}
    table = grid(name["title"], ["Policy"], [name["heading"]])
    table.add_row(name["cell"], Text(name["text"]))
    table.caption = name["caption"]
    show(table)
    assert_harmless(capsys.readouterr().out)


def test_messages_show_control_characters_as_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Exception, match="2"), reported():
        raise InputError(HOSTILE, "nothing", "something")
    assert_harmless(capsys.readouterr().err)


def test_letters_of_any_language_stay() -> None:
    text = "Gerät, 设备, جهاز, ±1 µs\n  next line"
    assert visible(text) == text


@given(st.text())
def test_visible_text_is_printable_and_stays_as_it_is(text: str) -> None:
    once = visible(text)
    assert all(line.isprintable() for line in once.split("\n"))
    assert visible(once) == once
